"""Runs to look back on, made without a server, and commands that look."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_latency_lens.cli.app import run
from llm_latency_lens.cli.world import World
from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.store import runs
from llm_latency_lens.store.runs import RunFile
from llm_latency_lens.timeline import ErrorKind, Stage

MS = 1_000_000
FIRST = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
"""When the first run starts."""


def answer(
    index: int, ttft_ms: float, gaps_ms: Iterable[float] = (20.0, 30.0), **fields: Any
) -> Record:
    """A request that succeeded, started a tenth of a second after the one before."""
    start_ns = index * 100 * MS
    record = Record(f"r{index}", index, Status.OK, provider="openai", model="m", start_ns=start_ns)
    record.start_unix_ns = round(FIRST.timestamp()) * 1000 * MS + start_ns
    at_ns = start_ns + round(ttft_ms * MS)
    record.first_byte_ns = at_ns
    for read, gap_ms in enumerate((0.0, *gaps_ms)):
        at_ns += round(gap_ms * MS)
        record.events.add(at_ns, read, EventKind.TEXT, "word")
    record.end_ns = at_ns
    record.usage = Usage(input=10, output=len(record.events))
    record.tokens_source = "usage"
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def failed(index: int) -> Record:
    record = Record(f"r{index}", index, Status.FAILED, provider="openai", model="m", start_ns=0)
    record.end_ns = 500 * MS
    record.error = RequestError(ErrorKind.OVERLOADED, Stage.WAIT, "busy: secret words", 503)
    return record


def keep(
    home: Path,
    number: int,
    records: Iterable[Record],
    *,
    config: Mapping[str, Any] | None = None,
    every: timedelta = timedelta(days=1),
    **fields: Any,
) -> Path:
    """Keep a run, the `number`-th of its home; a day lies between two."""
    started = FIRST + number * every
    context = Context(
        **{
            "id": f"{started:%Y%m%dT%H%M%SZ}-{number:06x}",
            "name": "nightly",
            "started_at_unix_ns": round(started.timestamp() * 1e9),
            "tool_version": "0.1.0",
            "config": {"provider": "openai", "model": "m", "region": "eu", **(config or {})},
            "concurrency": 4,
            "health": Health(capture_s=1.0),
            **fields,
        }
    )
    path = home / "runs" / context.id
    path.mkdir(parents=True, exist_ok=True)
    runs.write(path, RunFile(raw="off", context=context))
    runs.write_records(path / runs.RECORDS, records, keep_text=False)
    return path


def typical(number: int = 0, ttft_ms: float = 100.0, n: int = 4) -> list[Record]:
    """Answers with TTFTs of `ttft_ms` and 10, 20, 30 more; each costs a cent."""
    return [answer(index, ttft_ms + 10 * index, billed_usd=Decimal("0.01")) for index in range(n)]


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def say(*args: str, stdin: bytes = b"") -> Said:
    """Carry out a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = run(args, World(out, err, {}, io.BytesIO(stdin)))
    return Said(code, out.getvalue(), err.getvalue())
