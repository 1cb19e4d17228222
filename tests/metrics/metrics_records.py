"""Records and contexts for the tests of metrics: a clean run, to be spoiled one thing at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.metrics.result import Reason, Result
from llm_latency_lens.metrics.summary import Summarizer
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.timeline import Connection, ErrorKind, Stage

MS = 1_000_000
SECOND = 1_000 * MS


def answer(
    index: int = 0,
    *,
    start_ms: float = 0.0,
    ttft_ms: float = 200.0,
    gaps_ms: Sequence[float] = (20.0, 20.0, 20.0),
    tokens: int | None = None,
    limit: int | None = None,
    **fields: Any,
) -> Record:
    """A request that succeeded; `tokens` is one an event unless given."""
    start_ns = round(start_ms * MS)
    record = Record(
        id=f"r{index}",
        index=index,
        status=Status.OK,
        provider="openai",
        model="m",
        start_ns=start_ns,
        sent_ns=start_ns + 10_000,
        start_unix_ns=1_700_000_000 * SECOND + start_ns,
        clock_source="kernel",
        read_lag_ns_max=20_000,
        connection=Connection(reused=True),
        tokens_source="usage",
        max_tokens=limit,
        finish_reason="length",
    )
    at_ns = start_ns + round(ttft_ms * MS)
    record.first_byte_ns = at_ns - MS // 10
    for i, gap_ms in enumerate((0.0, *gaps_ms)):
        at_ns += round(gap_ms * MS)
        record.events.add(at_ns, i, EventKind.TEXT, "word")
    record.end_ns = at_ns + MS // 10
    output = len(record.events) if tokens is None else tokens
    record.usage = Usage(input=10, output=output, reasoning=0, cached_input=0)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def failed(
    index: int = 0,
    kind: ErrorKind = ErrorKind.SERVER,
    stage: Stage = Stage.WAIT,
    *,
    start_ms: float | None = 0.0,
    status: Status = Status.FAILED,
    message: str = "it broke",
    **fields: Any,
) -> Record:
    """A request that did not succeed, given up a second after its start."""
    start_ns = None if start_ms is None else round(start_ms * MS)
    record = Record(f"r{index}", index, status, start_ns=start_ns)
    record.end_ns = None if start_ns is None else start_ns + SECOND
    record.error = RequestError(kind, stage, message, http_status=500)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def clean(n: int, *, events: int = 32, seed: int = 1, open_loop: bool = False) -> list[Record]:
    """`n` ordinary answers, one every 50 ms, lognormal in TTFT and gaps."""
    random = Random(seed)
    records = []
    for index in range(n):
        gaps = [20.0 * random.lognormvariate(0, 0.3) for _ in range(events - 1)]
        ttft_ms = 200.0 * random.lognormvariate(0, 0.3)
        record = answer(index, start_ms=50.0 * index, ttft_ms=ttft_ms, gaps_ms=gaps, limit=events)
        if open_loop:
            assert record.start_ns is not None
            record.planned_ns = record.start_ns - random.randrange(20_000, 300_000)
        records.append(record)
    return records


def context(**fields: Any) -> Context:
    """A closed loop on an idle Linux machine, unless told otherwise."""
    health = Health(
        capture_s=30.0, cpu_s=2.0, run_delay_s=0.1, clock_source="kernel", gc_disabled=True
    )
    known: dict[str, Any] = {
        "id": "run-1",
        "name": "a run",
        "started_at_unix_ns": 1_700_000_000 * SECOND,
        "tool_version": "0.1.0",
        "clock": {"resolution_ns": 1, "offset_uncertainty_ns": 60},
        "concurrency": 8,
        "health": health,
    }
    return Context(**{**known, **fields})


def open_loop(**fields: Any) -> Context:
    """The same with arrivals: 20 a second, at most 64 in flight."""
    return context(**{"mode": "open", "offered_rate": 20.0, "concurrency": 64, **fields})


def summed(records: Iterable[Record], given: Context | None = None) -> Result:
    summarizer = Summarizer()
    for record in records:
        summarizer.add(record)
    return summarizer.result(given or context())


def reasons(result: Result) -> dict[str, Reason]:
    """By code; where one occurs twice, the graver."""
    return {reason.code: reason for reason in reversed(result.validity.reasons)}
