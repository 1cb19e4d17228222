"""Runs to be exported: records made by hand, with everything that a format could trip over."""

from __future__ import annotations

from array import array
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.sinks import Exported, export_of
from llm_latency_lens.timeline import Connection, ErrorKind, Stage

MS = 1_000_000
SECOND = 1_000 * MS
STARTED = 1_700_000_000 * SECOND + 123_456_789


def answered(index: int, **fields: Any) -> Record:
    """An answer of 8 events, 20 ms and some nanoseconds apart, each request another."""
    start_ns = 5 * SECOND + index * 50 * MS + 7
    record = Record(
        id=f"r{index}",
        index=index,
        status=Status.OK,
        provider="openai",
        model="m",
        planned_ns=start_ns - 9 * MS,
        start_ns=start_ns,
        sent_ns=start_ns + 10_001,
        start_unix_ns=STARTED + start_ns,
        clock_source="kernel",
        connection=Connection(
            dns_ns=MS, connect_ns=2 * MS, tls_ns=3 * MS, http_version="1.1", rtt_us=900
        ),
        tokens_source="usage",
        finish_reason="stop",
        cost_usd=Decimal("0.00001275") * (index + 1),
        cost_source="list",
    )
    at_ns = start_ns + (200 + index) * MS + 123
    record.first_byte_ns = at_ns - MS
    for number in range(8):
        kind = EventKind.REASONING if number < 2 else EventKind.TEXT
        record.events.add(at_ns, number, kind, f"word {number}")
        at_ns += 20 * MS + 1_000 * index + number
    record.end_ns = at_ns
    record.usage = Usage(input=10, output=10 + index, reasoning=2, cached_input=0)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def refused(index: int, message: str = "slow down", **fields: Any) -> Record:
    """A request that a rate limit refused 80 ms after its start."""
    record = answered(index, status=Status.FAILED, finish_reason=None)
    record.events, record.usage = type(record.events)(), Usage()
    record.cost_usd = record.cost_source = None
    assert record.start_ns is not None
    record.first_byte_ns, record.end_ns = record.start_ns + 79 * MS, record.start_ns + 80 * MS
    record.error = RequestError(
        ErrorKind.RATE_LIMIT, Stage.WAIT, message, http_status=429, provider_code="tpm"
    )
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def later(record: Record, by_ns: int) -> Record:
    """The same, so much later; it was planned for when it was."""
    for name in ("start_ns", "sent_ns", "first_byte_ns", "end_ns", "start_unix_ns"):
        setattr(record, name, getattr(record, name) + by_ns)
    record.events.at_ns = array("q", [at_ns + by_ns for at_ns in record.events.at_ns])
    return record


def stalled(index: int) -> Record:
    """An answer whose sixth event came 900 ms late."""
    record = answered(index)
    for number in range(5, 8):
        record.events.at_ns[number] += 900 * MS
    assert record.end_ns is not None
    record.end_ns += 900 * MS
    return record


def unreachable(index: int) -> Record:
    """A request that found no connection and so never started."""
    record = Record(f"r{index}", index, Status.FAILED, provider="openai", model="m")
    record.planned_ns = 5 * SECOND + index * 50 * MS
    record.end_ns = record.planned_ns + 10 * SECOND
    record.error = RequestError(ErrorKind.NETWORK, Stage.CONNECT, "connection refused")
    return record


def mixed() -> list[Record]:
    """Answers, a retry that succeeded, a warm-up, a stall, failures and a cancelled request."""
    retried = later(answered(3, attempt=1, planned_ns=None), SECOND)
    gone = answered(6, status=Status.CANCELLED)
    gone.error = RequestError(ErrorKind.CANCELLED, Stage.STREAM, "the run ended")
    return [
        answered(0, warmup=True),
        answered(1),
        refused(3, 'say "please", not\nnow | <later> \x1b[0m & 100 %'),
        answered(2),
        retried,
        stalled(4),
        unreachable(5),
        gone,
        *(answered(index) for index in range(7, 12)),
    ]


def context(**fields: Any) -> Context:
    known: dict[str, Any] = {
        "id": "20231114T221320Z-abcdef",
        "started_at_unix_ns": STARTED + 4 * SECOND,
        "tool_version": "0.1.0",
        "config": {"provider": "openai", "model": "m", "base_url": "http://localhost:8000/v1"},
        "host": {"system": "Linux"},
        "mode": "open",
        "offered_rate": 20.0,
        "planned": 11,
        "health": Health(capture_s=2.0, cpu_s=0.1),
    }
    return Context(**{**known, **fields})


def run_of(records: list[Record] | None = None, *, keep_text: bool = False, **fields: Any):
    """A run to be exported, `fields` are its context's."""
    kept = mixed() if records is None else records
    return Exported(context(**fields), lambda: kept, keep_text)


def written(to: str, exported: Exported, path: str = "-") -> bytes:
    """What an export comes to."""
    file = BytesIO()
    export_of(to, path)(exported, file)
    return file.getvalue()


def saved(to: str, exported: Exported, path: Path) -> Path:
    """The same on the disk, where a format is more than one file."""
    from llm_latency_lens.sinks.files import save

    save(exported, to, str(path))
    return path
