"""One request as one line of JSON, and back without loss.

Times are milliseconds after the request's start, as floats: a nanosecond survives as long as the
request took less than 26 days. What follows from the marks and the events (`ttft_ms` and its like)
is written for the reader's convenience and not read back.
"""

from __future__ import annotations

from array import array
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ..record import EventKind, Events, RateLimit, Record, RequestError, Status, Usage
from ..request import Operation
from ..timeline import Connection
from . import schema
from .whereabouts import Until, whereabouts

_Ms = float | None


class Marks(Struct, kw_only=True):
    """Milliseconds after the start; null where the request did not get that far."""

    planned: _Ms
    sent: _Ms
    first_byte: _Ms
    first_token: _Ms
    first_answer: _Ms
    last_token: _Ms
    end: _Ms


class ConnectionLine(Struct, kw_only=True):
    """The connection under the request; null where a phase did not take place."""

    reused: bool
    dns_ms: _Ms
    connect_ms: _Ms
    tls_ms: _Ms
    tls_version: str | None
    http_version: str | None
    rtt_us: int | None
    address: str | None
    tls_resumed: bool | None = None
    resent: bool = False


class WhereLine(Struct, kw_only=True):
    """Network against server time, where the server says how long it took itself; `network_ms` is
    null where the server's account is longer than what was measured."""

    server_ms: float
    server_source: str
    server_until: Until
    network_ms: _Ms


class Line(Struct, kw_only=True):
    """One attempt at one request. The text fields are there only when they were asked for."""

    id: str
    index: int
    status: Status
    error: RequestError | None
    start_unix_ns: int | None
    marks_ms: Marks
    events: list[tuple[float, EventKind, int]]
    ttft_ms: _Ms
    answer_ms: _Ms
    e2e_ms: _Ms
    tpot_ms: _Ms
    usage: Usage
    read_lag_us_max: float
    connection: ConnectionLine
    headers: dict[str, str]
    text: str | UnsetType = UNSET
    reasoning_text: str | UnsetType = UNSET
    refusal_text: str | UnsetType = UNSET
    tool_text: str | UnsetType = UNSET

    provider: str
    model: str
    tag: str | None
    attempt: int
    warmup: bool
    stream: bool
    max_tokens: int | None
    origin_ns: int
    """Monotonic time that every `_ms` counts from: the start, or the first mark there is."""
    started: bool
    event_reads: list[int]
    """Which read of the answer completed each event."""
    tokens_source: str
    reasoning_streamed: bool
    finish_reason: str | None
    response_id: str | None
    response_model: str | None
    fingerprint: str | None
    hints_ms: dict[str, float]
    clock_source: str
    clock_step_ms: float
    late_events: int
    merged_events: int
    coalesced_events: int
    operation: Operation = Operation.CHAT
    arm: str | None = None
    service_tier: str | None = None
    billed_usd: Decimal | None = None
    cost_usd: Decimal | None = None
    cost_source: str | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    where: WhereLine | None = None
    events_partial: bool = False
    """Only the first and the last event are known: another program measured, and kept no gaps."""


_SHARED = (
    "id",
    "index",
    "status",
    "start_unix_ns",
    "usage",
    "provider",
    "model",
    "tag",
    "attempt",
    "warmup",
    "stream",
    "max_tokens",
    "tokens_source",
    "reasoning_streamed",
    "finish_reason",
    "response_id",
    "response_model",
    "fingerprint",
    "clock_source",
    "late_events",
    "merged_events",
    "coalesced_events",
    "operation",
    "arm",
    "service_tier",
    "billed_usd",
    "cost_usd",
    "cost_source",
    "rate_limits",
)
"""Fields that a record and a line have in common."""

_TEXT_FIELD = {
    EventKind.TEXT: "text",
    EventKind.REASONING: "reasoning_text",
    EventKind.REFUSAL: "refusal_text",
    EventKind.TOOL: "tool_text",
}


def to_line(record: Record, *, keep_text: bool = False) -> Line:
    """The line of a record; it holds what the model said only if `keep_text`."""
    origin_ns, error = _origin_ns(record), record.error
    line = Line(
        error=error if keep_text or error is None else error.unquoted(),
        marks_ms=_marks(record, origin_ns),
        events=_events(record.events, origin_ns),
        ttft_ms=_ms(record.ttft_ns),
        answer_ms=_ms(record.answer_ns),
        e2e_ms=_ms(record.e2e_ns),
        tpot_ms=_ms(record.tpot_ns),
        read_lag_us_max=record.read_lag_ns_max / 1e3,
        connection=_connection_line(record.connection),
        headers=dict(record.headers),
        origin_ns=origin_ns,
        started=record.start_ns is not None,
        event_reads=list(record.events.read),
        hints_ms=dict(record.hints_ms),
        clock_step_ms=record.clock_step_ns / 1e6,
        where=_where(record),
        events_partial=record.events.partial,
        **{name: getattr(record, name) for name in _SHARED},
    )
    if keep_text:
        for name, text in texts_of(record.events).items():
            setattr(line, name, text)
    return line


def from_line(line: Line) -> Record:
    """The record of a line; its events have empty text where the line kept none."""
    origin_ns, marks = line.origin_ns, line.marks_ms
    return Record(
        error=line.error,
        planned_ns=_at(marks.planned, origin_ns),
        start_ns=origin_ns if line.started else None,
        sent_ns=_at(marks.sent, origin_ns),
        first_byte_ns=_at(marks.first_byte, origin_ns),
        end_ns=_at(marks.end, origin_ns),
        events=_events_back(line),
        hints_ms=line.hints_ms,
        connection=_connection_back(line.connection),
        headers=line.headers,
        clock_step_ns=round(line.clock_step_ms * 1e6),
        read_lag_ns_max=round(line.read_lag_us_max * 1e3),
        **{name: getattr(line, name) for name in _SHARED},
    )


def encode(line: Line) -> bytes:
    """The line as JSON, without a line break."""
    return schema.encode(line)


def decode(text: bytes | str) -> Line:
    """Read a line back; raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(text, type=Line)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a line."""
    return schema.schema_of(Line)


def _ms(duration_ns: float | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6


def _ns(duration_ms: float | None) -> int | None:
    return None if duration_ms is None else round(duration_ms * 1e6)


def _after(mark_ns: int | None, origin_ns: int) -> float | None:
    return None if mark_ns is None else (mark_ns - origin_ns) / 1e6


def _at(mark_ms: float | None, origin_ns: int) -> int | None:
    return None if mark_ms is None else origin_ns + round(mark_ms * 1e6)


def _origin_ns(record: Record) -> int:
    if record.start_ns is not None:
        return record.start_ns
    known = (record.planned_ns, record.sent_ns, record.first_byte_ns, record.end_ns)
    return min((mark for mark in known if mark is not None), default=0)


def _marks(record: Record, origin_ns: int) -> Marks:
    return Marks(
        planned=_after(record.planned_ns, origin_ns),
        sent=_after(record.sent_ns, origin_ns),
        first_byte=_after(record.first_byte_ns, origin_ns),
        first_token=_after(record.first_token_ns, origin_ns),
        first_answer=_after(record.first_answer_ns, origin_ns),
        last_token=_after(record.last_token_ns, origin_ns),
        end=_after(record.end_ns, origin_ns),
    )


def _where(record: Record) -> WhereLine | None:
    if (found := whereabouts(record)) is None:
        return None
    return WhereLine(
        server_ms=found.server_ms,
        server_source=found.server_source,
        server_until=found.until,
        network_ms=found.network_ms,
    )


def _events(events: Events, origin_ns: int) -> list[tuple[float, EventKind, int]]:
    columns = zip(events.at_ns, events.kind, events.chars, strict=True)
    return [((at_ns - origin_ns) / 1e6, kind, chars) for at_ns, kind, chars in columns]


def _events_back(line: Line) -> Events:
    origin_ns = line.origin_ns
    return Events(
        at_ns=array("q", [origin_ns + round(at_ms * 1e6) for at_ms, _, _ in line.events]),
        read=array("q", line.event_reads),
        chars=array("q", [chars for _, _, chars in line.events]),
        kind=[kind for _, kind, _ in line.events],
        text=_texts_back(line),
        partial=line.events_partial,
    )


def texts_of(events: Events) -> dict[str, str]:
    """What was said, one string for each kind of content that occurred."""
    parts: dict[str, list[str]] = {}
    for kind, text in zip(events.kind, events.text, strict=True):
        parts.setdefault(_TEXT_FIELD[kind], []).append(text)
    return {name: "".join(texts) for name, texts in parts.items()}


def _texts_back(line: Line) -> list[str]:
    """Cut the strings into events again: each event says how many characters it carried."""
    read = dict.fromkeys(_TEXT_FIELD.values(), 0)
    texts = []
    for _, kind, chars in line.events:
        name = _TEXT_FIELD[kind]
        whole: str | UnsetType = getattr(line, name)
        begin = read[name]
        read[name] = begin + chars
        texts.append(whole[begin : begin + chars] if isinstance(whole, str) else "")
    return texts


def _connection_line(connection: Connection) -> ConnectionLine:
    return ConnectionLine(
        reused=connection.reused,
        dns_ms=_ms(connection.dns_ns),
        connect_ms=_ms(connection.connect_ns),
        tls_ms=_ms(connection.tls_ns),
        tls_version=connection.tls_version,
        http_version=connection.http_version,
        rtt_us=connection.rtt_us,
        address=connection.address,
        tls_resumed=connection.tls_resumed,
        resent=connection.resent,
    )


def _connection_back(line: ConnectionLine) -> Connection:
    return Connection(
        reused=line.reused,
        dns_ns=_ns(line.dns_ms),
        connect_ns=_ns(line.connect_ms),
        tls_ns=_ns(line.tls_ms),
        tls_version=line.tls_version,
        http_version=line.http_version,
        rtt_us=line.rtt_us,
        address=line.address,
        tls_resumed=line.tls_resumed,
        resent=line.resent,
    )
