"""What a decoder gathers of one answer, and what that comes to, whatever the wire format.

A format supplies a function that takes one chunk after the other and calls `say`, `complain`,
`finish` and `end_at`; which of the ways in which an answer can end or fail it was, is settled here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TypeVar

from ..record import EventKind, Record, RequestError, Usage
from ..timeline import ErrorKind, Stage, Timeline
from .common import complain, fail, fill_events, fill_usage
from .errors_map import Complaint, page_title, read_complaint
from .sse import DONE, Event, events, looks_like_events

T = TypeVar("T")
Read = Callable[[bytes], T | None]
"""One JSON document as a chunk; None for `null`, ValueError for what is no JSON object."""

BrokenOff = Mapping[str, tuple[ErrorKind, str]]
"""Finish reasons that stand for a failure, with its kind and what to say of it."""

CHECK = "check --base-url"
_BOM = b"\xef\xbb\xbf"


class Answer:
    """One answer as it is gathered, chunk by chunk."""

    __slots__ = (
        "billed_usd",
        "chunks",
        "complaint",
        "done_read",
        "end_read",
        "fingerprint",
        "finish_reason",
        "hints_ms",
        "id",
        "kinds",
        "model",
        "problem",
        "reads",
        "service_tier",
        "texts",
        "thought",
        "torn",
        "usage",
    )

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.kinds: list[EventKind] = []
        self.texts: list[str] = []
        self.usage = Usage()
        self.hints_ms: dict[str, float] = {}
        self.billed_usd: Decimal | None = None
        self.service_tier: str | None = None
        self.id: str | None = None
        self.model: str | None = None
        self.fingerprint: str | None = None
        self.finish_reason: str | None = None
        self.thought = False
        """Reasoning was seen."""
        self.chunks = 0
        """Chunks that were understood."""
        self.end_read: int | None = None
        """The read that completed the stream's own last event; None while it was not seen."""
        self.done_read: int | None = None
        """The read that completed `[DONE]`."""
        self.complaint: Complaint | None = None
        """The provider reported an error."""
        self.problem: str | None = None
        """What was sent is no answer, or holds something that cannot be read."""
        self.torn = False
        """The body ends within an event."""

    # -- gathering -----------------------------------------------------------------------------

    def say(self, kind: EventKind, text: str, read: int) -> None:
        """One content event; `text` is not empty."""
        self.kinds.append(kind)
        self.texts.append(text)
        self.reads.append(read)

    def complain(self, complaint: Complaint) -> None:
        """The provider's first word on what went wrong stands."""
        self.complaint = self.complaint or complaint

    def chunks_of(
        self, stream: Iterable[Event], parse: Read[T]
    ) -> Iterator[tuple[T, bytes, int, bytes]]:
        """(chunk, event's name, read, data) of each event; ends at `[DONE]`.

        Pings and empty data are passed over, an error event that is no JSON is a complaint, any
        other event that is no JSON object is a problem.
        """
        for number, (data, name, read, closed) in enumerate(stream, 1):
            try:
                chunk = parse(data)
            except ValueError:
                if data.startswith(DONE):
                    self.done_read = read
                    return
                if not data.strip() or name == b"ping":
                    continue
                complaint = read_complaint(data)
                # Google's compatible endpoint wraps an error in a list.
                if name == b"error" or (data.startswith(b"[") and complaint.told):
                    self.complain(complaint)
                elif closed:
                    self.problem = (
                        self.problem or f"event {number} of the stream is not a JSON object"
                    )
                else:
                    self.torn = True
                continue
            if chunk is not None:
                yield chunk, name, read, data

    def document_of(
        self, body: bytes, timeline: Timeline, parse: Read[T]
    ) -> tuple[T, int, bytes] | None:
        """(document, read, text) of a body that is one JSON document; None, and a problem or a
        torn answer noted, where it is something else."""
        text = body.removeprefix(_BOM).strip()
        try:
            document = parse(text)
        except ValueError:
            self.torn = True
            self.problem = foreign(text, timeline) if timeline.complete else None
            return None
        if document is None:
            self.problem = f"an empty JSON document came as the answer; {CHECK}"
            return None
        return document, bisect_left(timeline.ends, len(body.rstrip())), text

    # -- what it all came to -------------------------------------------------------------------

    def settle(
        self, record: Record, timeline: Timeline, *, lack: str, broken_off: BrokenOff | None = None
    ) -> Record:
        """Fill the record and decide how the request ended.

        An answer is whole when its own end was seen, or when it has a finish reason and HTTP says
        that its body is whole; `lack` says what is missing where neither holds.
        """
        fill_events(record, timeline, self.reads, self.kinds, self.texts)
        record.response_id, record.response_model = self.id, self.model
        record.fingerprint, record.finish_reason = self.fingerprint, self.finish_reason
        record.usage, record.billed_usd = self.usage, self.billed_usd
        record.service_tier = self.service_tier
        fill_usage(record, thought=self.thought)
        if self.hints_ms:
            record.hints_ms = {**record.hints_ms, **self.hints_ms}
        if self.end_read is not None:
            record.end_ns = timeline.at[self.end_read]
        if self.complaint and not self._cancelled(timeline):
            complain(record, self.complaint, timeline.status or 200, inside=True)
        elif error := self._error(timeline, lack, broken_off or {}):
            fail(record, error)
        return record

    def _error(self, timeline: Timeline, lack: str, broken_off: BrokenOff) -> RequestError | None:
        failure = timeline.failure
        if self._cancelled(timeline):
            assert failure is not None
            return RequestError(failure.kind, failure.stage, failure.message, timeline.status)
        if self.problem:
            return _protocol(Stage.DECODE, self.problem, timeline)
        if broken := broken_off.get(self.finish_reason or ""):
            kind, text = broken
            return RequestError(kind, Stage.STREAM, text, timeline.status, self.finish_reason)
        if self.end_read is not None:
            return None
        if failure is not None:
            return RequestError(failure.kind, failure.stage, failure.message, timeline.status)
        if not timeline.complete:
            text = f"the answer was cut off after {len(timeline.body)} bytes"
            return RequestError(ErrorKind.NETWORK, Stage.STREAM, text, timeline.status)
        if self.finish_reason is not None and not self.torn:
            return None
        if self.torn:
            lack = "the stream ended within an event"
        elif not self.chunks and self.done_read is None:
            lack = f"an event stream without any event came; {CHECK}"
        return _protocol(Stage.STREAM, lack, timeline)

    def _cancelled(self, timeline: Timeline) -> bool:
        """The user stopped the request before its end was seen."""
        failure = timeline.failure
        cancelled = failure is not None and failure.kind is ErrorKind.CANCELLED
        return cancelled and self.end_read is None


def is_stream(body: bytes, timeline: Timeline) -> bool:
    """Whether the body is server-sent events, by its beginning and by what its header says."""
    if looks_like_events(body):
        return True
    named = "event-stream" in dict(timeline.headers).get("content-type", "")
    return named and not body.lstrip().startswith((b"{", b"[", b"<", _BOM)) and bool(body)


def events_of(timeline: Timeline, body: bytes) -> Iterator[Event]:
    """The server-sent events of a captured body."""
    return events(body, timeline.ends)


def count(value: int | None) -> int | None:
    """A token count, or None for what cannot be one."""
    return value if value is not None and value >= 0 else None


def foreign(text: bytes, timeline: Timeline) -> str:
    """What a body that is neither a stream nor JSON is, without quoting it."""
    kind = dict(timeline.headers).get("content-type", "").partition(";")[0].strip()[:60]
    if text.startswith(b"<"):
        title = page_title(text)
        named = f' ("{title}")' if title else ""
        return f"an HTML page{named} came instead of an answer; {CHECK}"
    if not text:
        return f"the answer was empty (HTTP {timeline.status}); {CHECK}"
    named = kind or "an unnamed type"
    return f"{len(text)} bytes of {named} came as the answer, no JSON object; {CHECK}"


def _protocol(stage: Stage, text: str, timeline: Timeline) -> RequestError:
    return RequestError(ErrorKind.PROTOCOL, stage, text, timeline.status)
