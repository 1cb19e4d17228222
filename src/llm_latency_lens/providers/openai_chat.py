"""OpenAI's chat completions, and every server that speaks them: request out, record in.

Both directions are pure. The differences between servers are in `chat_wire` (what the events
hold), `errors_map` (how failures look) and the rows of `providers.PROVIDERS` (addresses, names of
fields); the facts and their sources are on the page "Wire formats" of the documentation.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..record import EventKind, Record
from ..request import Prompt, Request, Target
from ..timeline import ErrorKind, Timeline
from .answer import CHECK, Answer, count, events_of, is_stream
from .asking import address, ask, bearer, limit_of
from .chat_wire import Chunk, Counts, read
from .common import begin, refused
from .errors_map import complaint_of, read_complaint

PATH = "/chat/completions"
OFFICIAL_HOST = "api.openai.com"

# Finish reasons that stand for a failure: OpenRouter, SGLang, DeepSeek.
_BROKEN_OFF = {
    "error": (ErrorKind.SERVER, "the provider broke the answer off (finish_reason error)"),
    "abort": (ErrorKind.SERVER, "the server aborted the answer (finish_reason abort)"),
    "insufficient_system_resource": (
        ErrorKind.OVERLOADED,
        "the provider ran out of capacity during the answer",
    ),
}
_DAY_MS = 86_400_000


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt, *, limit_field: str = "max_tokens") -> Request:
    """The HTTP request that puts `prompt` to `target`.

    `limit_field` names the field for the most tokens that may come back.
    """
    url = address(target.base_url, PATH)
    return ask(target, prompt, url, body_of(target, prompt, limit_field), bearer(target))


def body_of(target: Target, prompt: Prompt, limit_field: str = "max_tokens") -> dict[str, Any]:
    """The body of a chat request, without what the user adds to it."""
    body: dict[str, Any] = {
        "model": target.model,
        "messages": list(prompt.messages),
        "stream": target.stream,
    }
    if target.stream:
        body["stream_options"] = {"include_usage": True}
    if (limit := limit_of(target, prompt)) is not None:
        body[limit_field] = limit
    if target.temperature is not None:
        body["temperature"] = target.temperature
    return body


def build_openai(target: Target, prompt: Prompt) -> Request:
    """The same for OpenAI itself, whose newer models refuse `max_tokens`.

    Behind another address than OpenAI's own stands a compatible server, and every one of those
    knows the older name, some only that.
    """
    official = urlsplit(target.base_url).hostname == OFFICIAL_HOST
    return build(target, prompt, limit_field="max_completion_tokens" if official else "max_tokens")


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    chat = _Chat()
    if is_stream(body, timeline):
        chat.stream(body, timeline)
    else:
        chat.document(body, timeline)
        record.stream = timeline.stream and not chat.answer.chunks
    return chat.settle(record, timeline)


class _Chat:
    """Gathers one answer, chunk by chunk."""

    __slots__ = ("answer", "counts", "ended_read", "finished", "seen", "timings")

    def __init__(self) -> None:
        self.answer = Answer()
        self.counts: Counts | None = None
        self.timings: dict[str, Any] = {}
        self.seen: set[int] = set()
        self.finished: set[int] = set()
        self.ended_read: int | None = None
        """The read that completed the finish reason and the usage, whichever came last."""

    def stream(self, body: bytes, timeline: Timeline) -> None:
        answer, take = self.answer, self._take
        for chunk, name, place, data in answer.chunks_of(events_of(timeline, body), read):
            if chunk.error or chunk.object == "error" or name == b"error":
                answer.complain(read_complaint(data))
            take(chunk, place)

    def document(self, body: bytes, timeline: Timeline) -> None:
        """A body that is no stream: a whole answer in JSON, or something else altogether."""
        if (found := self.answer.document_of(body, timeline, read)) is None:
            return
        chunk, place, text = found
        if chunk.error or not chunk.choices:
            self._without_choices(text, chunk)
            return
        self._take(chunk, place)
        self.answer.done_read = len(timeline.ends) - 1

    def _without_choices(self, text: bytes, chunk: Chunk) -> None:
        complaint = read_complaint(text)
        if chunk.error or chunk.object == "error" or complaint.message:
            self.answer.complain(complaint)
        else:
            self.answer.problem = f"a JSON document without choices came as the answer; {CHECK}"

    def _take(self, chunk: Chunk, place: int) -> None:
        answer = self.answer
        answer.chunks += 1
        if chunk.choices:
            self._choices(chunk, place)
        if answer.id is None or answer.model is None or answer.fingerprint is None:
            answer.id = answer.id or chunk.id or None
            answer.model = answer.model or chunk.model or None
            answer.fingerprint = answer.fingerprint or chunk.system_fingerprint or None
        if chunk.usage is not None:
            self.counts = chunk.usage
            if answer.finish_reason is not None:
                self.ended_read = place
        if chunk.timings:
            self.timings = chunk.timings
        if groq := chunk.x_groq:
            self.counts = self.counts or groq.usage
            if groq.error:
                answer.complain(complaint_of(groq.error))

    def _choices(self, chunk: Chunk, place: int) -> None:
        """Content of all choices of one chunk, as one content event, and their finish reasons."""
        answer = self.answer
        found: tuple[EventKind, str] | None = None
        for choice in chunk.choices or ():
            self.seen.add(choice.index)
            delta = choice.delta or choice.message
            if delta is not None and (carried := delta.carried()):
                answer.thought = answer.thought or bool(delta.thought())
                found = _merged(found, carried) if found else carried
            if choice.finish_reason:
                answer.finish_reason = choice.finish_reason
                self.finished.add(choice.index)
                self.ended_read = None
        if found:
            answer.say(*found, place)

    def settle(self, record: Record, timeline: Timeline) -> Record:
        answer = self.answer
        answer.end_read = self._own_end()
        if self.counts:
            _fill_counts(answer, self.counts)
        answer.hints_ms = {**_timings(self.timings), **_waits(self.counts)}
        done = answer.done_read is not None
        return answer.settle(
            record,
            timeline,
            lack="the stream ended ([DONE]) without any content and without a finish reason"
            if done
            else "the stream ended without a finish reason and without [DONE]",
            broken_off=_BROKEN_OFF,
        )

    def _own_end(self) -> int | None:
        """The read that completed the stream's own last event; None when it was not seen."""
        answer = self.answer
        if answer.done_read is not None:
            return answer.done_read if answer.finish_reason or answer.reads else None
        return self.ended_read if self.seen <= self.finished else None


def _merged(one: tuple[EventKind, str], other: tuple[EventKind, str]) -> tuple[EventKind, str]:
    kind = other[0] if one[0] is EventKind.REASONING else one[0]
    return kind, one[1] + other[1]


def _fill_counts(answer: Answer, counts: Counts) -> None:
    """Map the counts so that output includes reasoning and input includes what was cached."""
    usage = answer.usage
    before, after = counts.prompt_tokens_details, counts.completion_tokens_details
    cached = before.cached_tokens if before else None
    thought = after.reasoning_tokens if after else None
    usage.input = count(counts.prompt_tokens)
    usage.output = count(counts.completion_tokens)
    usage.cached_input = count(counts.prompt_cache_hit_tokens if cached is None else cached)
    usage.reasoning = count(counts.reasoning_tokens if thought is None else thought)
    if usage.reasoning and usage.output is not None and usage.input is not None:
        beside = usage.input + usage.output + usage.reasoning
        if counts.total_tokens == beside:  # xAI counts reasoning beside the output, not in it
            usage.output += usage.reasoning


def _timings(timings: dict[str, Any]) -> dict[str, float]:
    """llama.cpp's own times; the other members are counts and rates."""
    return {
        name: float(value)
        for name, value in timings.items()
        if name.endswith("_ms") and isinstance(value, int | float) and 0 <= value < _DAY_MS
    }


def _waits(counts: Counts | None) -> dict[str, float]:
    """Groq's times, which it gives in seconds beside its counts."""
    if counts is None:
        return {}
    times = {
        "queue_time": counts.queue_time,
        "prompt_time": counts.prompt_time,
        "completion_time": counts.completion_time,
        "total_time": counts.total_time,
    }
    return {name: 1000 * value for name, value in times.items() if value is not None}
