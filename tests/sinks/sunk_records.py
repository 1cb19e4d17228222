"""Records to be exported, with numbers that can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_latency_lens.metrics.context import Context
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.timeline import Connection, ErrorKind, Stage

MS = 1_000_000
SECOND = 1_000 * MS
BEGAN = 1_700_000_000 * SECOND


def answer(
    index: int = 0,
    *,
    ttft_ms: float = 200.0,
    gaps_ms: Sequence[float] = (20.0, 30.0, 20.0),
    **fields: Any,
) -> Record:
    """Starts 10 ms after the one before, and ends a millisecond after its last event."""
    start_ns = 5 * SECOND + index * 10 * MS
    record = Record(
        f"run-1-{index}",
        index,
        Status.OK,
        provider="openai",
        model="m",
        start_ns=start_ns,
        sent_ns=start_ns + 10_000,
        start_unix_ns=BEGAN + index * 10 * MS,
        clock_source="kernel",
        connection=Connection(reused=True),
        tokens_source="usage",
        finish_reason="stop",
    )
    at_ns = start_ns + round(ttft_ms * MS)
    record.first_byte_ns = at_ns - MS
    for read, gap_ms in enumerate((0.0, *gaps_ms)):
        at_ns += round(gap_ms * MS)
        record.events.add(at_ns, read, EventKind.TEXT, "SECRET WORD")
    record.end_ns = at_ns + MS
    record.usage = Usage(input=10, output=len(record.events))
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def failed(index: int = 0, **fields: Any) -> Record:
    """Given up a quarter of a second after its start."""
    record = answer(index, gaps_ms=())
    record.events = type(record.events)()
    record.usage, record.finish_reason = Usage(), None
    record.status, record.first_byte_ns = Status.FAILED, None
    record.error = RequestError(
        ErrorKind.RATE_LIMIT, Stage.WAIT, "SECRET WORD was too much", 429, "slow_down"
    )
    assert record.start_ns is not None
    record.end_ns = record.start_ns + 250 * MS
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def never_started(index: int, **fields: Any) -> Record:
    """No connection came about: there is no start, and so no Unix time."""
    record = failed(index, start_ns=None, sent_ns=None, start_unix_ns=None, **fields)
    record.error = RequestError(ErrorKind.NETWORK, Stage.CONNECT, "refused")
    return record


def context(**fields: Any) -> Context:
    known: dict[str, Any] = {
        "id": "run-1",
        "name": "nightly",
        "started_at_unix_ns": BEGAN,
        "tool_version": "0.1.0",
        "config": {"base_url": "https://api.example.com/v1"},
        "concurrency": 1,
    }
    return Context(**{**known, **fields})
