"""llama.cpp's own completion API: request out, record in.

It takes one prompt as text and applies no chat template: what is sent is the text of the messages,
and nothing stands around it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..record import EventKind, Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import typed
from .answer import CHECK, Answer, count, events_of, is_stream
from .asking import address, ask, bearer, limit_of
from .common import begin, refused
from .errors_map import read_complaint
from .provider import Provider

_DAY_MS = 86_400_000


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts the text of `prompt` to `target`, as it is.

    A base that ends in `/v1`, where the same server speaks OpenAI's API, is understood.
    """
    body: dict[str, Any] = {
        "model": target.model,
        "prompt": prompt.text,
        "stream": target.stream,
    }
    if (limit := limit_of(target, prompt)) is not None:
        body["n_predict"] = limit
    if target.temperature is not None:
        body["temperature"] = target.temperature
    base, mark, query = target.base_url.partition("?")
    base = base.rstrip("/").removesuffix("/v1")
    return ask(target, prompt, address(base + mark + query, "/completion"), body, bearer(target))


# -- what the events hold --------------------------------------------------------------------


class Timings(msgspec.Struct, gc=False):
    """The server's own times; `cache_n` are prompt tokens that it had computed before."""

    cache_n: int | None = None
    prompt_ms: float | None = None
    prompt_per_token_ms: float | None = None
    predicted_ms: float | None = None
    predicted_per_token_ms: float | None = None


class Chunk(msgspec.Struct, gc=False):
    """One event of a stream, or the whole answer.

    `tokens_evaluated` is the whole prompt, cached or not; `tokens_cached`, which is not read, is
    how much the slot holds afterwards. Older servers have `stopped_...` for `stop_type`.
    """

    index: int | None = None
    content: str | None = None
    stop: bool | None = None
    stop_type: str | None = None
    stopped_eos: bool | None = None
    stopped_limit: bool | None = None
    stopped_word: bool | None = None
    model: str | None = None
    tokens_evaluated: int | None = None
    tokens_predicted: int | None = None
    timings: Timings | None = None
    error: Any = None

    def ended_by(self) -> str | None:
        """Why it stopped: `eos`, `limit` or `word`."""
        if self.stop_type:
            return self.stop_type
        if self.stopped_limit:
            return "limit"
        if self.stopped_word:
            return "word"
        return "eos" if self.stopped_eos else None


read = typed.reader(Chunk)


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    completion = _Completion()
    if is_stream(body, timeline):
        completion.stream(body, timeline)
    else:
        completion.document(body, timeline)
        record.stream = timeline.stream and not completion.answer.chunks
    return completion.answer.settle(
        record, timeline, lack="the stream ended without an event that says stop"
    )


class _Completion:
    """Gathers one answer, chunk by chunk."""

    __slots__ = ("_seen", "_stopped", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._seen: set[int] = set()
        self._stopped: set[int] = set()

    def stream(self, body: bytes, timeline: Timeline) -> None:
        answer = self.answer
        for chunk, name, place, data in answer.chunks_of(events_of(timeline, body), read):
            if chunk.error or name == b"error":
                answer.complain(read_complaint(data))
            self._take(chunk, place)

    def document(self, body: bytes, timeline: Timeline) -> None:
        """A body that is no stream: a whole answer in JSON, or something else altogether."""
        answer = self.answer
        if (found := answer.document_of(body, timeline, read)) is None:
            return
        chunk, place, text = found
        if chunk.content is None and not chunk.stop:
            complaint = read_complaint(text)
            if chunk.error or complaint.message:
                answer.complain(complaint)
            else:
                answer.problem = f"a JSON document without content came as the answer; {CHECK}"
            return
        self._take(chunk, place)
        answer.end_read = len(timeline.ends) - 1

    def _take(self, chunk: Chunk, place: int) -> None:
        answer, index = self.answer, chunk.index or 0
        answer.chunks += 1
        if chunk.content:
            answer.say(EventKind.TEXT, chunk.content, place)
        self._seen.add(index)
        if chunk.stop and index not in self._stopped:
            self._stopped.add(index)
            self._stop(chunk)
            answer.end_read = place
        if not self._seen <= self._stopped:  # several answers were asked for
            answer.end_read = None

    def _stop(self, chunk: Chunk) -> None:
        answer, usage = self.answer, self.answer.usage
        answer.model = chunk.model or answer.model
        answer.finish_reason = chunk.ended_by()
        usage.input = count(chunk.tokens_evaluated)
        if (output := count(chunk.tokens_predicted)) is not None:
            usage.output = (usage.output or 0) + output
        if timings := chunk.timings:
            usage.cached_input = count(timings.cache_n)
            answer.hints_ms = _durations(timings)


def _durations(timings: Timings) -> dict[str, float]:
    named = (
        (name, getattr(timings, name)) for name in Timings.__struct_fields__ if name[-3:] == "_ms"
    )
    return {name: value for name, value in named if value is not None and 0 <= value < _DAY_MS}


ROWS = (
    Provider(
        "llamacpp-native",
        "llama.cpp's own API",
        "http://127.0.0.1:8080",
        build,
        decode,
        key_env=("LLAMA_API_KEY",),
        reports=("usage", "cached", "timings"),
        notes="sends the prompt's text alone, without a chat template",
    ),
)
