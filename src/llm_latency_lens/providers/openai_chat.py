"""OpenAI's chat completions, and every server that speaks them: request out, record in.

Both directions are pure. The differences between servers are in `chat_wire` (what the events
hold), `errors_map` (how failures look) and the rows of `providers.PROVIDERS` (addresses, names of
fields); the facts and their sources are on the page "Wire formats" of the documentation.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .._version import __version__
from ..errors import UsageError
from ..record import EventKind, Record, RequestError
from ..request import Prompt, Request, Target
from ..timeline import ErrorKind, Stage, Timeline
from .chat_wire import Chunk, Counts, read
from .common import begin, complain, fail, fill_events, fill_usage, refused
from .errors_map import Complaint, complaint_of, page_title, read_complaint
from .sse import DONE, events, looks_like_events

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
_CHECK = "check --base-url"
_DAY_MS = 86_400_000


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt, *, limit_field: str = "max_tokens") -> Request:
    """The HTTP request that puts `prompt` to `target`.

    `limit_field` names the field for the most tokens that may come back. `extra_body` is merged
    last: it overrides what is set here, and a null in it removes a field. Headers given by the
    user replace those of the same name. Raises UsageError where the body is not JSON.
    """
    limit = target.max_tokens if prompt.max_tokens is None else prompt.max_tokens
    body: dict[str, Any] = {
        "model": target.model,
        "messages": list(prompt.messages),
        "stream": target.stream,
    }
    if target.stream:
        body["stream_options"] = {"include_usage": True}
    if limit is not None:
        body[limit_field] = limit
    if target.temperature is not None:
        body["temperature"] = target.temperature
    for name, value in target.extra_body.items():
        if value is None:
            body.pop(name, None)
        else:
            body[name] = value
    try:
        encoded = msgspec.json.encode(body)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the request body cannot be written as JSON: {error}") from None
    return Request(
        provider=target.provider,
        model=target.model,
        url=_address(target.base_url),
        headers=_headers(target),
        body=encoded,
        stream=target.stream,
        max_tokens=limit,
        tag=prompt.tag,
    )


def build_openai(target: Target, prompt: Prompt) -> Request:
    """The same for OpenAI itself, whose newer models refuse `max_tokens`.

    Behind another address than OpenAI's own stands a compatible server, and every one of those
    knows the older name, some only that.
    """
    official = urlsplit(target.base_url).hostname == OFFICIAL_HOST
    return build(target, prompt, limit_field="max_completion_tokens" if official else "max_tokens")


def _address(base_url: str) -> str:
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    return (base if base.endswith(PATH) else base + PATH) + mark + query


def _headers(target: Target) -> tuple[tuple[str, str], ...]:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if target.stream else "application/json",
        "user-agent": f"llm-latency-lens/{__version__}",
    }
    if target.api_key:
        headers["authorization"] = f"Bearer {target.api_key.reveal()}"
    for name, _ in target.headers:
        headers.pop(name.lower(), None)
    return (*headers.items(), *target.headers)


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    answer = _Answer()
    if _is_stream(body, timeline):
        answer.stream(body, timeline)
    else:
        answer.document(body, timeline)
        record.stream = timeline.stream and not answer.chunks
    answer.settle(record, timeline)
    return record


def _is_stream(body: bytes, timeline: Timeline) -> bool:
    if looks_like_events(body):
        return True
    named = "event-stream" in dict(timeline.headers).get("content-type", "")
    return (
        named and not body.lstrip().startswith((b"{", b"[", b"<", b"\xef\xbb\xbf")) and bool(body)
    )


class _Answer:
    """Gathers one answer, chunk by chunk."""

    __slots__ = (
        "chunks",
        "complaint",
        "counts",
        "done_read",
        "ended_read",
        "fingerprint",
        "finish",
        "finished",
        "id",
        "kinds",
        "model",
        "problem",
        "reads",
        "seen",
        "texts",
        "thought",
        "timings",
        "torn",
    )

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.kinds: list[EventKind] = []
        self.texts: list[str] = []
        self.thought = False
        self.chunks = 0
        self.id: str | None = None
        self.model: str | None = None
        self.fingerprint: str | None = None
        self.counts: Counts | None = None
        self.timings: dict[str, Any] = {}
        self.finish: str | None = None
        self.seen: set[int] = set()
        self.finished: set[int] = set()
        self.done_read: int | None = None
        """The read that completed `[DONE]`."""
        self.ended_read: int | None = None
        """The read that completed the finish reason and the usage, whichever came last."""
        self.complaint: Complaint | None = None
        self.problem: str | None = None
        self.torn = False
        """The body ends within an event."""

    def stream(self, body: bytes, timeline: Timeline) -> None:
        take = self._take
        for number, (data, name, place, closed) in enumerate(events(body, timeline.ends), 1):
            try:
                chunk = read(data)
            except ValueError:
                if data.startswith(DONE):
                    self.done_read = place
                    return
                if not data.strip() or name == b"ping":
                    continue
                if name == b"error":
                    self._note(read_complaint(data))
                elif closed:
                    self.problem = (
                        self.problem or f"event {number} of the stream is not a JSON object"
                    )
                else:
                    self.torn = True
                continue
            if chunk is not None:
                if chunk.error or chunk.object == "error" or name == b"error":
                    self._note(read_complaint(data))
                take(chunk, place)

    def document(self, body: bytes, timeline: Timeline) -> None:
        """A body that is no stream: a whole answer in JSON, or something else altogether."""
        text = body.removeprefix(b"\xef\xbb\xbf").strip()
        try:
            chunk = read(text)
        except ValueError:
            self.torn = True
            self.problem = _foreign(text, timeline) if timeline.complete else None
            return
        if chunk is None or chunk.error or not chunk.choices:
            self._without_choices(text, chunk)
            return
        end = body.rindex(b"}") + 1
        self._take(chunk, bisect_left(timeline.ends, end))
        self.done_read = len(timeline.ends) - 1

    def _without_choices(self, text: bytes, chunk: Chunk | None) -> None:
        complaint = read_complaint(text)
        if chunk and (chunk.error or chunk.object == "error" or complaint.message):
            self._note(complaint)
        else:
            self.problem = f"a JSON document without choices came as the answer; {_CHECK}"

    def _note(self, complaint: Complaint) -> None:
        self.complaint = self.complaint or complaint

    def _take(self, chunk: Chunk, place: int) -> None:
        self.chunks += 1
        if chunk.choices:
            self._choices(chunk, place)
        if self.id is None or self.model is None or self.fingerprint is None:
            self.id = self.id or chunk.id or None
            self.model = self.model or chunk.model or None
            self.fingerprint = self.fingerprint or chunk.system_fingerprint or None
        if chunk.usage is not None:
            self.counts = chunk.usage
            if self.finish is not None:
                self.ended_read = place
        if chunk.timings:
            self.timings = chunk.timings
        if groq := chunk.x_groq:
            self.counts = self.counts or groq.usage
            if groq.error:
                self._note(complaint_of(groq.error))

    def _choices(self, chunk: Chunk, place: int) -> None:
        """Content of all choices of one chunk, as one content event, and their finish reasons."""
        found: tuple[EventKind, str] | None = None
        for choice in chunk.choices or ():
            self.seen.add(choice.index)
            delta = choice.delta or choice.message
            if delta is not None and (carried := delta.carried()):
                self.thought = self.thought or bool(delta.thought())
                found = _merged(found, carried) if found else carried
            if choice.finish_reason:
                self.finish = choice.finish_reason
                self.finished.add(choice.index)
                self.ended_read = None
        if found:
            self.kinds.append(found[0])
            self.texts.append(found[1])
            self.reads.append(place)

    # -- what it all came to -------------------------------------------------------------------

    def settle(self, record: Record, timeline: Timeline) -> None:
        fill_events(record, timeline, self.reads, self.kinds, self.texts)
        record.response_id, record.response_model = self.id, self.model
        record.fingerprint, record.finish_reason = self.fingerprint, self.finish
        if self.counts:
            _fill_counts(record, self.counts)
        fill_usage(record, thought=self.thought)
        if self.counts or self.timings:
            record.hints_ms = {**record.hints_ms, **_timings(self.timings), **_waits(self.counts)}
        end = self._own_end()
        if end is not None:
            record.end_ns = timeline.at[end]
        status = timeline.status or 200
        if self.complaint and not _cancelled(timeline, end):
            complain(record, self.complaint, status, inside=True)
        elif error := self._error(timeline, end):
            fail(record, error)

    def _own_end(self) -> int | None:
        """The read that completed the stream's own last event; None when it was not seen."""
        if self.done_read is not None:
            return self.done_read if self.finish or self.reads else None
        return self.ended_read if self.seen <= self.finished else None

    def _error(self, timeline: Timeline, end: int | None) -> RequestError | None:
        failure = timeline.failure
        if _cancelled(timeline, end):
            assert failure is not None
            return RequestError(failure.kind, failure.stage, failure.message, timeline.status)
        if self.problem:
            return _protocol(Stage.DECODE, self.problem, timeline)
        if self.finish in _BROKEN_OFF:
            kind, text = _BROKEN_OFF[self.finish]
            return RequestError(kind, Stage.STREAM, text, timeline.status, self.finish)
        if end is not None:
            return None
        if failure is not None:
            return RequestError(failure.kind, failure.stage, failure.message, timeline.status)
        if not timeline.complete:
            text = f"the answer was cut off after {len(timeline.body)} bytes"
            return RequestError(ErrorKind.NETWORK, Stage.STREAM, text, timeline.status)
        if self.finish is not None and not self.torn:
            return None
        return _protocol(Stage.STREAM, self._lack(), timeline)

    def _lack(self) -> str:
        if self.torn:
            return "the stream ended within an event"
        if self.done_read is not None:
            return "the stream ended ([DONE]) without any content and without a finish reason"
        if not self.chunks:
            return f"an event stream without any event came; {_CHECK}"
        return "the stream ended without a finish reason and without [DONE]"


def _cancelled(timeline: Timeline, end: int | None) -> bool:
    failure = timeline.failure
    return end is None and failure is not None and failure.kind is ErrorKind.CANCELLED


def _protocol(stage: Stage, text: str, timeline: Timeline) -> RequestError:
    return RequestError(ErrorKind.PROTOCOL, stage, text, timeline.status)


def _merged(one: tuple[EventKind, str], other: tuple[EventKind, str]) -> tuple[EventKind, str]:
    kind = other[0] if one[0] is EventKind.REASONING else one[0]
    return kind, one[1] + other[1]


def _foreign(text: bytes, timeline: Timeline) -> str:
    """What a body that is neither a stream nor JSON is, without quoting it."""
    kind = dict(timeline.headers).get("content-type", "").partition(";")[0].strip()[:60]
    if text.startswith(b"<"):
        title = page_title(text)
        named = f' ("{title}")' if title else ""
        return f"an HTML page{named} came instead of an answer; {_CHECK}"
    if not text:
        return f"the answer was empty (HTTP {timeline.status}); {_CHECK}"
    named = kind or "an unnamed type"
    return f"{len(text)} bytes of {named} came as the answer, no JSON object; {_CHECK}"


def _fill_counts(record: Record, counts: Counts) -> None:
    """Map the counts so that output includes reasoning and input includes what was cached."""
    usage = record.usage
    before, after = counts.prompt_tokens_details, counts.completion_tokens_details
    cached = before.cached_tokens if before else None
    thought = after.reasoning_tokens if after else None
    usage.input = _count(counts.prompt_tokens)
    usage.output = _count(counts.completion_tokens)
    usage.cached_input = _count(counts.prompt_cache_hit_tokens if cached is None else cached)
    usage.reasoning = _count(counts.reasoning_tokens if thought is None else thought)
    if usage.reasoning and usage.output is not None and usage.input is not None:
        beside = usage.input + usage.output + usage.reasoning
        if counts.total_tokens == beside:  # xAI counts reasoning beside the output, not in it
            usage.output += usage.reasoning


def _count(value: int | None) -> int | None:
    return value if value is not None and value >= 0 else None


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
