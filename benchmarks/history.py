"""The history: time of a percentile by model and day over a million requests, and of an index.

The rows are synthetic: 1,000 runs of 1,000 requests over 50 days, 5 models, with the columns that a
real run fills. The index is of runs as they are kept, read for the first time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.metrics.run_row import RunRow
from llm_latency_lens.store import runs
from llm_latency_lens.store.history.index import Index, sync
from llm_latency_lens.store.history.query import History
from llm_latency_lens.store.history.tables import REQUESTS, TOKENS

from .metrics import _record

RUNS, REQUESTS_EACH, DAYS, MODELS = 1000, 1000, 50, 5
LIMIT_S = 2.0
LIMIT_INDEX_S = 10.0
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
QUERIES = {
    "p50 p95 p99 by model and day": (
        "SELECT model, day, count(*), quantile_cont(ttft_ms, [0.5, 0.95, 0.99]) FROM answers"
        " GROUP BY model, day"
    ),
    "p95 of each run": "SELECT run_id, quantile_cont(ttft_ms, 0.95) FROM answers GROUP BY run_id",
    "errors by kind": "SELECT error_kind, count(*) FROM requests GROUP BY error_kind",
}


def run() -> list[dict[str, Any]]:
    """One row a question, with the time to open the history in it; the best of three."""
    with tempfile.TemporaryDirectory() as folder:
        index = _million(Path(folder))
        rows = [_row(name, partial(_ask, index, sql)) for name, sql in QUERIES.items()]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _keep(home, 10, 500)
        rows.append(
            _row("index 10 runs of 500, 64 events", lambda: sync(home, anew=True), LIMIT_INDEX_S)
        )
        rows.append(_row("index them again", lambda: sync(home)))
    return rows


def _row(name: str, work: Callable[[], object], limit_s: float = LIMIT_S) -> dict[str, Any]:
    return {"what": name, "s": min(_seconds(work) for _ in range(3)), "limit s": limit_s}


def _seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _ask(index: Index, sql: str) -> int:
    with History(index) as history:
        return len(history.ask(sql).rows)


def _million(folder: Path) -> Index:
    index = Index(folder)
    rng = np.random.default_rng(1)
    for number in range(RUNS):
        started = FIRST + timedelta(days=number * DAYS / RUNS)
        name, model = f"run-{number:06}", f"model-{number % MODELS}"
        pq.write_table(_requests(name, model, started, rng), folder / f"{name}.requests.parquet")
        if not number:
            pq.write_table(TOKENS.empty_table(), folder / f"{name}.tokens.parquet")
        else:
            (folder / f"{name}.tokens.parquet").hardlink_to(folder / "run-000000.tokens.parquet")
        index.names.append(name)
        index.rows.append(_run_row(name, model, started))
    return index


def _requests(name: str, model: str, started: datetime, rng: np.random.Generator) -> pa.Table:
    n = REQUESTS_EACH
    known: dict[str, Any] = {
        "run_id": [name] * n,
        "scenario": ["nightly"] * n,
        "source": ["latency-lens"] * n,
        "provider": ["openai"] * n,
        "model": [model] * n,
        "status": ["ok"] * n,
        "started_at": [started.replace(tzinfo=None)] * n,
        "day": [started.date()] * n,
        "hour": [started.hour] * n,
        "request_id": [f"{name}-{index}" for index in range(n)],
        "index": np.arange(n),
        "attempt": np.zeros(n, np.int32),
        "warmup": np.zeros(n, np.bool_),
        "counted": np.ones(n, np.bool_),
    }
    columns = []
    for column in REQUESTS:
        if column.name in known:
            columns.append(pa.array(known[column.name]).cast(column.type))
        elif column.type == pa.float64():
            columns.append(pa.array(200 * rng.lognormal(0, 0.5, n)))
        else:
            columns.append(pa.nulls(n, column.type))
    return pa.Table.from_arrays(columns, schema=REQUESTS)


def _run_row(name: str, model: str, started: datetime) -> RunRow:
    return RunRow(
        run_id=name,
        scenario="nightly",
        started_at=started,
        day=started.date(),
        hour=started.hour,
        source="latency-lens",
        source_version=None,
        experiment=None,
        provider="openai",
        model=model,
        region=None,
        operation="chat",
        mode="closed",
        concurrency=8,
        requests=REQUESTS_EACH,
        ok=REQUESTS_EACH,
        failed=0,
        cancelled=0,
        error_rate=0.0,
        duration_s=60.0,
    )


def _keep(home: Path, count: int, requests: int) -> None:
    for number in range(count):
        path = home / "runs" / f"run-{number}"
        path.mkdir(parents=True)
        context = Context(id=path.name, started_at_unix_ns=10**18, health=Health(capture_s=1.0))
        runs.write(path, runs.RunFile(raw="off", context=context))
        records = [_record(index) for index in range(requests)]
        runs.write_records(path / runs.RECORDS, records, keep_text=False)
