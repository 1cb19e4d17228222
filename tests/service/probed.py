"""Probes that have ended, with numbers that can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.service.config import TargetConfig
from llm_latency_lens.service.probe import Probe, Row, row_of
from llm_latency_lens.timeline import Connection, ErrorKind, Stage

MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3600 * SECOND
BEGAN = 1_700_002_800 * SECOND
"""A full hour: 2023-11-14T23:00 UTC."""


def target(name: str = "chat", **fields: Any) -> TargetConfig:
    known: dict[str, Any] = {"provider": "openai", "model": "m", "prompts": ()}
    return TargetConfig(name=name, **{**known, **fields})


def probe(
    number: int = 0,
    name: str = "chat",
    at_unix_ns: int = BEGAN,
    *,
    ttft_ms: float = 200.0,
    gaps_ms: Sequence[float] = (20.0, 30.0, 20.0),
    cost_usd: Decimal | None = Decimal("0.0001"),
    **fields: Any,
) -> Probe:
    """One that succeeded, over a fresh connection."""
    start_ns = 5 * SECOND + number * MS
    record = Record(
        f"r-{name}-{number}",
        0,
        Status.OK,
        provider="openai",
        model="m",
        arm=name,
        planned_ns=start_ns - MS,
        start_ns=start_ns,
        start_unix_ns=at_unix_ns + MS,
        clock_source="kernel",
        cost_usd=cost_usd,
        connection=Connection(dns_ns=MS, connect_ns=10 * MS, tls_ns=20 * MS),
    )
    at_ns = start_ns + round(ttft_ms * MS)
    record.first_byte_ns = at_ns - MS
    for read, gap_ms in enumerate((0.0, *gaps_ms)):
        at_ns += round(gap_ms * MS)
        record.events.add(at_ns, read, EventKind.TEXT, "x")
    record.events.text[:] = [""] * len(record.events)
    record.end_ns = at_ns + MS
    record.usage = Usage(input=10, output=len(record.events))
    return _told(record, at_unix_ns, fields)


def failure(number: int = 0, name: str = "chat", at_unix_ns: int = BEGAN, **fields: Any) -> Probe:
    """One that nobody answered for a quarter of a second."""
    record = probe(number, name, at_unix_ns, gaps_ms=(), cost_usd=None).record
    assert record.start_ns is not None
    record = replace(
        record,
        status=Status.FAILED,
        error=RequestError(ErrorKind.TIMEOUT, Stage.WAIT, "nothing came"),
        events=type(record.events)(),
        usage=Usage(),
        first_byte_ns=None,
        end_ns=record.start_ns + 250 * MS,
    )
    return _told(record, at_unix_ns, fields)


def refused(number: int = 0, name: str = "chat", at_unix_ns: int = BEGAN) -> Probe:
    """One to which no connection came about: there is no start."""
    record = failure(number, name, at_unix_ns).record
    record.error = RequestError(ErrorKind.NETWORK, Stage.CONNECT, "refused")
    record.start_ns = record.start_unix_ns = None
    return _told(record, at_unix_ns, {})


def row(number: int = 0, name: str = "chat", at_unix_ns: int = BEGAN, **fields: Any) -> Row:
    return probe(number, name, at_unix_ns, **fields).row


def _told(record: Record, at_unix_ns: int, fields: dict[str, Any]) -> Probe:
    for name, value in fields.items():
        setattr(record, name, value)
    return Probe(row_of(record, at_unix_ns), record)
