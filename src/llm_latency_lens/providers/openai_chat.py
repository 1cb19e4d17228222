"""OpenAI's chat completions, and every server that speaks them: request out, record in.

Both directions are pure. The differences between servers are in `chat_wire` (what the events
hold), `errors_map` (how failures look) and the rows of `providers.PROVIDERS` (addresses, names of
fields); the facts and their sources are on the page "Wire formats" of the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..record import EventKind, Record, Usage
from ..request import Prompt, Request, Target
from ..timeline import ErrorKind, Timeline
from .answer import CHECK, Answer, count, events_of, is_stream
from .asking import address, ask, bearer, limit_of
from .chat_wire import (
    Choice,
    Chunk,
    Cost,
    Counts,
    Delta,
    InputDetails,
    OutputDetails,
    Times,
    billed,
    read,
)
from .common import begin, refused
from .errors_map import Complaint, complaint_of, read_complaint
from .typed import whole_of

PATH = "/chat/completions"
OFFICIAL_HOST = "api.openai.com"
ACCOUNT_ENV = (
    ("openai-organization", "OPENAI_ORG_ID"),
    ("openai-project", "OPENAI_PROJECT_ID"),
)
"""Whose account is charged, where a key is for several."""

# Finish reasons that stand for a failure: OpenRouter and Mistral, SGLang, DeepSeek, Z.ai.
_BROKEN_OFF = {
    "error": (ErrorKind.SERVER, "the provider broke the answer off (finish_reason error)"),
    "abort": (ErrorKind.SERVER, "the server aborted the answer (finish_reason abort)"),
    "insufficient_system_resource": (
        ErrorKind.OVERLOADED,
        "the provider ran out of capacity during the answer",
    ),
    "network_error": (
        ErrorKind.SERVER,
        "the provider lost the answer (finish_reason network_error)",
    ),
}
_DAY_MS = 86_400_000
_FIREWORKS = ("-time", "-duration", "-to-first-token")


# -- request ---------------------------------------------------------------------------------


def build(
    target: Target,
    prompt: Prompt,
    *,
    limit_field: str = "max_tokens",
    version: str = "",
    usage_asked: bool = True,
) -> Request:
    """The HTTP request that puts `prompt` to `target`.

    `limit_field` names the field for the most tokens that may come back; `version` is what the
    service's own package adds to a base address that does not end in /v1. A stream is asked for
    its usage unless not `usage_asked`: some services give it anyway, and refuse the question.
    """
    base = target.base_url.partition("?")[0].rstrip("/")
    url = address(target.base_url, PATH, "" if base.endswith("/v1") else version)
    body = body_of(target, prompt, limit_field, usage_asked=usage_asked)
    return ask(target, prompt, url, body, bearer(target))


def body_of(
    target: Target, prompt: Prompt, limit_field: str = "max_tokens", *, usage_asked: bool = True
) -> dict[str, Any]:
    """The body of a chat request, without what the user adds to it."""
    body: dict[str, Any] = {
        "model": target.model,
        "messages": list(prompt.messages),
        "stream": target.stream,
    }
    if target.stream and usage_asked:
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

    __slots__ = ("answer", "bare", "counts", "ended_read", "finished", "said", "seen", "timings")

    def __init__(self) -> None:
        self.answer = Answer()
        self.counts: Counts | None = None
        self.seen: set[int] = set()
        self.finished: set[int] = set()
        self.said: set[int] = set()
        """Choices that brought content."""
        self.ended_read: int | None = None
        """The read that completed the finish reason and the usage, whichever came last."""
        self.timings: Mapping[str, Any] = {}
        self.bare = b""
        """The last event that is no chunk."""

    def stream(self, body: bytes, timeline: Timeline) -> None:
        answer, take = self.answer, self._take
        for chunk, name, place, data in answer.chunks_of(events_of(timeline, body), read):
            if chunk.error or chunk.object == "error" or name == b"error":
                answer.complain(read_complaint(data))
            elif chunk.choices is None and chunk.usage is None and chunk.object is None:
                self.bare = data
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
        counts = self._choices(chunk, place) if chunk.choices else None
        if answer.id is None or answer.model is None or answer.fingerprint is None:
            answer.id = answer.id or chunk.id or None
            answer.model = answer.model or chunk.model or None
            answer.fingerprint = answer.fingerprint or chunk.system_fingerprint or None
        if chunk.usage is not None:
            counts = chunk.usage
        if counts is not None:
            self.counts = counts
            if answer.finish_reason is not None:
                self.ended_read = place
        if chunk.service_tier:
            answer.service_tier = chunk.service_tier
        if chunk.timings or chunk.perf_metrics or chunk.time_info:
            answer.hints_ms.update(_told(chunk))
            self.timings = chunk.timings or self.timings
        if groq := chunk.x_groq:
            self.counts = self.counts or groq.usage
            if groq.error:
                answer.complain(complaint_of(groq.error))

    def _choices(self, chunk: Chunk, place: int) -> Counts | None:
        """Content of all choices of one chunk, as one content event, and their finish reasons.

        Gives the counts that one of them has.
        """
        answer = self.answer
        found: tuple[EventKind, str] | None = None
        counts: Counts | None = None
        for choice in chunk.choices or ():
            self.seen.add(choice.index)
            delta = choice.delta or self._instead(choice)
            if delta is not None and (carried := delta.carried()):
                self.said.add(choice.index)
                # Content that was taken as it is has no thought beside it.
                plain = carried[1] is delta.content
                answer.thought = answer.thought or (not plain and bool(delta.thought()))
                found = _merged(found, carried) if found else carried
            if choice.finish_reason:
                answer.finish_reason = choice.finish_reason
                self.finished.add(choice.index)
                self.ended_read = None
                counts = choice.usage or counts
            if choice.error:
                answer.complain(complaint_of({"error": choice.error}))
        if found:
            answer.say(*found, place)
        return counts

    def _instead(self, choice: Choice) -> Delta | None:
        """What a choice without a delta has: a text, or a message.

        MiniMax repeats in its last event, as a message, all that had come in pieces.
        """
        if choice.text:
            return Delta(content=choice.text)
        return None if choice.index in self.said else choice.message

    def settle(self, record: Record, timeline: Timeline) -> Record:
        answer = self.answer
        answer.end_read = self._own_end()
        if self.counts:
            _fill_counts(answer, self.counts)
        if self.timings:
            _fill_from_timings(answer.usage, self.timings)
        done = answer.done_read is not None
        if self.bare and answer.finish_reason is None and (done or timeline.complete):
            self._unmarked(read_complaint(self.bare))
        return answer.settle(
            record,
            timeline,
            lack="the stream ended ([DONE]) without any content and without a finish reason"
            if done
            else "the stream ended without a finish reason and without [DONE]",
            broken_off=_BROKEN_OFF,
        )

    def _unmarked(self, complaint: Complaint) -> None:
        """An error that stands in an event without a mark of one: why there is no finish reason.

        A message alone may be of anything; a gateway's and a framework's errors have more.
        """
        if complaint.message and (complaint.told or b'"detail"' in self.bare):
            self.answer.complain(complaint)

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
    before = counts.prompt_tokens_details or InputDetails()
    after = counts.completion_tokens_details or OutputDetails()
    usage.input = count(counts.prompt_tokens)
    usage.output = count(counts.completion_tokens)
    usage.cached_input = _either(before.cached_tokens, counts.prompt_cache_hit_tokens)
    if usage.cached_input is None:
        usage.cached_input = _either(counts.cached_tokens, counts.cache_read_input_tokens)
    usage.cache_write = _either(before.cache_write_tokens, counts.cache_creation_input_tokens)
    usage.reasoning = _either(after.reasoning_tokens, counts.reasoning_tokens)
    usage.audio_input = count(before.audio_tokens)
    usage.audio_output = count(after.audio_tokens)
    if usage.reasoning and usage.output is not None and _beside(usage, counts):
        usage.output += usage.reasoning
    answer.billed_usd = billed(counts.cost, counts.cost_in_usd_ticks)
    answer.service_tier = answer.service_tier or counts.service_tier
    answer.hints_ms.update(_seconds(counts))


def _either(one: int | None, other: int | None) -> int | None:
    return count(other if one is None else one)


def _beside(usage: Usage, counts: Counts) -> bool:
    """Whether reasoning is counted beside the output, not in it.

    xAI's total adds it; Perplexity, which tells of it for deep research alone, charges for it
    apart and leaves it out of the total.
    """
    if isinstance(counts.cost, Cost):
        return True
    if usage.input is None or usage.output is None or usage.reasoning is None:
        return False
    return counts.total_tokens == usage.input + usage.output + usage.reasoning


def _fill_from_timings(usage: Usage, timings: Mapping[str, Any]) -> None:
    """What llama.cpp counted, where `usage` does not say it; `prompt_n` is less what was cached."""
    names = ("cache_n", "prompt_n", "predicted_n")
    cached, fresh, written = (count(whole_of(timings.get(name))) for name in names)
    if usage.cached_input is None:
        usage.cached_input = cached
    if usage.input is None and cached is not None and fresh is not None:
        usage.input = cached + fresh
    if usage.output is None:
        usage.output = written


def llama_times(timings: Mapping[str, Any]) -> dict[str, float]:
    """llama.cpp's own times in milliseconds; what else it puts there are counts and rates."""
    named = ((name, _ms(value, 1)) for name, value in timings.items() if name.endswith("_ms"))
    return {name: value for name, value in named if value is not None}


def _told(chunk: Chunk) -> dict[str, float]:
    """What llama.cpp, Cerebras and Fireworks say of their time, beside counts and rates."""
    told = {} if chunk.time_info is None else _seconds(chunk.time_info)
    told |= llama_times(chunk.timings or {})
    for name, value in (chunk.perf_metrics or {}).items():
        if name.endswith(_FIREWORKS) and (found := _ms(value, 1000)) is not None:
            told[name] = found
    return told


def _seconds(times: Counts | Times) -> dict[str, float]:
    """The times that Groq gives beside its counts, and Cerebras in an object of their own."""
    named = ((name, _ms(getattr(times, name), 1000)) for name in Times.__struct_fields__)
    return {name: value for name, value in named if value is not None}


def _ms(value: Any, each: int) -> float | None:
    """A duration in milliseconds, also one that was written as a string; None for what is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(each * value) if 0 <= value < _DAY_MS / each else None
