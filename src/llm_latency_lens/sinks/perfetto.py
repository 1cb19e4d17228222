"""A trace that Perfetto and chrome://tracing open: the Trace Event Format, as one JSON object.

Each request is a track, its attempts on it one after the other: set-up, send, wait and stream are
slices, and within the stream each token is one, from the event before it to its own arrival. A gap
that is a stall is named so. A connection's set-up is drawn right before the start of its first
request, wherever it was. A counter tells how many requests were in flight. Times are
microseconds since the run began, with the nanoseconds behind the point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

from ..metrics import schema
from ..metrics.stalls import stalls_of
from ..record import Record
from .csv import iso
from .exported import Exported

_FIRST_TRACK = 2
"""A thread with the number of its process would be its main one."""


def write(exported: Exported, file: BinaryIO) -> None:
    """All attempts, in the order in which they ended, and the counter behind them."""
    context = exported.context
    about = {
        "run": context.id,
        "name": context.name,
        "started_at": iso(context.started_at_unix_ns),
        "tool_version": context.tool_version,
        "provider": context.config.get("provider"),
        "model": context.config.get("model"),
    }
    head = b'{"displayTimeUnit":"ms","otherData":%s,"traceEvents":[\n'
    file.write(head % schema.encode(about))
    trace = _Trace(keep_text=exported.keep_text)
    lines = trace.lines(exported.records(), context.started_at_unix_ns)
    if (first := next(lines, None)) is not None:
        file.write(first)
    for line in lines:
        file.write(b",\n" + line)
    file.write(b"\n]}\n")


class _Trace:
    """Makes events of records; knows which tracks there are and who was in flight."""

    def __init__(self, *, keep_text: bool) -> None:
        self._keep_text = keep_text
        self._arms: dict[str | None, int] = {}
        self._tracks: set[int] = set()
        self._changes: list[tuple[int, int]] = []
        self._base_ns = 0

    def lines(self, records: Iterable[Record], began_unix_ns: int) -> Iterator[bytes]:
        """JSON of one event or of several, joined by commas."""
        known = iter(records)
        held = []
        for record in known:
            held.append(record)
            if record.start_ns is not None and record.start_unix_ns is not None:
                # One offset for all, or requests would shift against each other.
                self._base_ns = record.start_ns - (record.start_unix_ns - began_unix_ns)
                break
        else:
            marks = (mark for record in held for mark in (record.planned_ns, record.end_ns))
            self._base_ns = min((mark for mark in marks if mark is not None), default=0)
        for record in chain(held, known):
            yield from self._request(record)
        yield from self._in_flight()

    def _request(self, record: Record) -> Iterator[bytes]:
        if (span := _span(record)) is None:
            return
        begin_ns, end_ns = span
        yield from self._names(record)
        planned_ns = record.planned_ns
        if planned_ns is not None and planned_ns < begin_ns:
            yield self._slice(record, "send lag", "lag", planned_ns, begin_ns)
        if record.start_ns is not None:
            self._changes += [(record.start_ns, 1), (end_ns, -1)]
        name = f"request {record.index}" + (f", attempt {record.attempt}" if record.attempt else "")
        yield self._slice(record, name, "request", begin_ns, end_ns, args=_told(record))
        for phase, from_ns, to_ns in _phases(record, begin_ns, end_ns):
            yield self._slice(record, phase, "phase", from_ns, to_ns)
        if record.events.count:
            yield self._tokens(record)
        if record.error is not None:
            yield self._failure(record, end_ns)

    def _names(self, record: Record) -> Iterator[bytes]:
        """What a track is called, before its first event."""
        if record.arm not in self._arms:
            self._arms[record.arm] = len(self._arms) + 1
            name = record.arm or f"{record.provider}/{record.model}"
            yield self._meta(record, "process_name", {"name": name})
        if record.index not in self._tracks:
            self._tracks.add(record.index)
            warmup = " (warm-up)" if record.warmup else ""
            yield self._meta(record, "thread_name", {"name": f"request {record.index}{warmup}"})
            yield self._meta(record, "thread_sort_index", {"sort_index": record.index})

    def _tokens(self, record: Record) -> bytes:
        """A slice for each content event, from the one before; a stall is one of another name."""
        events, base_ns, keep_text = record.events, self._base_ns, self._keep_text
        stalls = {place + 1 for place in stalls_of(events.gaps_ns())}
        place_of = f'"pid":{self._arms[record.arm]},"tid":{record.index + _FIRST_TRACK}'
        before_ns = min(record.first_byte_ns or events.at_ns[0], events.at_ns[0])
        lines = []
        for place, (at_ns, kind) in enumerate(zip(events.at_ns, events.kind, strict=True)):
            if keep_text or place in stalls:
                name = "stall" if place in stalls else kind
                args = {"kind": kind, **({"text": events.text[place]} if keep_text else {})}
                made = self._slice(record, name, "token", before_ns, at_ns, args=args)
                lines.append(made.decode())
            else:
                # By hand: there are a million of them.
                lines.append(
                    f'{{"name":"{kind}","cat":"token","ph":"X","ts":{(before_ns - base_ns) / 1000},'
                    f'"dur":{(at_ns - before_ns) / 1000},{place_of}}}'
                )
            before_ns = at_ns
        return ",\n".join(lines).encode()

    def _failure(self, record: Record, end_ns: int) -> bytes:
        assert record.error is not None
        error = record.error if self._keep_text else record.error.unquoted()
        args = {
            "message": error.message,
            "http_status": error.http_status,
            "provider_code": error.provider_code,
        }
        return self._event(
            record,
            {
                "name": f"{record.status}: {error.kind} ({error.stage})",
                "cat": "error",
                "ph": "i",
                "s": "t",
                "ts": self._us(end_ns),
            },
            {name: value for name, value in args.items() if value is not None},
        )

    def _in_flight(self) -> Iterator[bytes]:
        """The counter: a value wherever it changes."""
        # At one moment requests end before others begin.
        self._changes.sort()
        count = 0
        for place, (at_ns, change) in enumerate(self._changes):
            count += change
            if place + 1 < len(self._changes) and self._changes[place + 1][0] == at_ns:
                continue
            event = {"name": "requests in flight", "ph": "C", "ts": self._us(at_ns), "pid": 1}
            yield schema.encode({**event, "args": {"requests": count}})

    # -- events ---------------------------------------------------------------------------------

    def _slice(
        self,
        record: Record,
        name: str,
        category: str,
        from_ns: int,
        to_ns: int,
        *,
        args: dict[str, Any] | None = None,
    ) -> bytes:
        dur = (to_ns - from_ns) / 1000
        event = {"name": name, "cat": category, "ph": "X", "ts": self._us(from_ns), "dur": dur}
        if name == "stall" or (category == "request" and record.error is not None):
            event["cname"] = "terrible"
        return self._event(record, event, args)

    def _meta(self, record: Record, name: str, args: dict[str, Any]) -> bytes:
        return self._event(record, {"name": name, "ph": "M"}, args)

    def _event(self, record: Record, event: dict[str, Any], args: dict[str, Any] | None) -> bytes:
        event["pid"], event["tid"] = self._arms[record.arm], record.index + _FIRST_TRACK
        return schema.encode({**event, "args": args} if args else event)

    def _us(self, mark_ns: int) -> float:
        return (mark_ns - self._base_ns) / 1000


def _span(record: Record) -> tuple[int, int] | None:
    """From the set-up of the connection to the end; a request that never started was planned."""
    begin_ns = record.planned_ns if record.start_ns is None else record.start_ns
    if begin_ns is None:
        begin_ns = record.end_ns
    if begin_ns is None:
        return None
    # A request that ended did so at its end: a quick answer is there before the program has noted
    # that all is sent.
    reached = (record.sent_ns, record.first_byte_ns, record.last_token_ns)
    ends = (begin_ns, *(reached if record.end_ns is None else (record.end_ns,)))
    return begin_ns - (record.connection_ns or 0), max(ns for ns in ends if ns is not None)


def _phases(record: Record, begin_ns: int, end_ns: int) -> Iterator[tuple[str, int, int]]:
    """The phases that took place, each from the end of the one before."""
    start_ns, connection = record.start_ns, record.connection
    if start_ns is None:
        return
    at_ns = begin_ns
    if record.connection_ns is not None:
        for phase in ("dns", "connect", "tls"):
            if took_ns := getattr(connection, f"{phase}_ns"):
                yield phase, at_ns, at_ns + took_ns
                at_ns += took_ns
    for phase, mark_ns in (
        ("send", record.sent_ns),
        ("wait", record.first_byte_ns),
        ("stream", end_ns),
    ):
        # What was not reached lasted to the end; an answer can come before all is sent.
        to_ns = end_ns if mark_ns is None else min(max(mark_ns, at_ns), end_ns)
        yield phase, at_ns, to_ns
        if mark_ns is None:
            return
        at_ns = to_ns


def _told(record: Record) -> dict[str, Any]:
    """What a click on a request shows."""
    usage = record.usage
    told: dict[str, Any] = {
        "id": record.id,
        "status": record.status,
        "warmup": record.warmup or None,
        "ttft_ms": _ms(record.ttft_ns),
        "e2e_ms": _ms(record.e2e_ns),
        "tpot_ms": _ms(record.tpot_ns),
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "events": record.events.count,
        "finish_reason": record.finish_reason,
    }
    return {name: value for name, value in told.items() if value is not None}


def _ms(duration_ns: float | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6
