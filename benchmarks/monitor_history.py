"""The monitor's history: what questions take over a month of 20 targets at 60 s.

The probes are made up, of 32 tokens each; the tables are as the monitor would have left them, two
weeks of probes and a month of hours. The last row is the hour's end with 200 targets at 10 s.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.service.config import DAY_S, RetentionConfig
from llm_latency_lens.service.history import History, tables
from llm_latency_lens.testing.clock import FakeClock

_DAYS, _PROBES_DAYS, _HOUR_S = 30, 14, 3600
_BEGAN_S = 1_700_006_400 // DAY_S * DAY_S
_NOW_S = _BEGAN_S + _DAYS * DAY_S
_TIMES = 5


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        history = _opened(Path(folder) / "month")
        for day in range(_DAYS):
            _add_day(Path(folder) / "month" / "history", day)
        rows = [_asked(what, ask) for what, ask in _questions(history).items()]
        history.close()
        return [*rows, _packed(Path(folder) / "hour")]


def _questions(history: History) -> dict[str, Callable[[], Sized]]:
    one, now = "target-007", float(_NOW_S)
    return {
        "month by hours": lambda: history.series(one, now - 30 * DAY_S, now, _HOUR_S),
        "month by days": lambda: history.series(one, now - 30 * DAY_S, now, DAY_S),
        "month by half hours": lambda: history.series(one, now - 30 * DAY_S, now, 1800),
        "week by half hours": lambda: history.series(one, now - 7 * DAY_S, now, 1800),
        "day by 5 minutes": lambda: history.series(one, now - DAY_S, now, 300),
        "a day's probes": lambda: history.rows(now - DAY_S, now, one),
        "100 last failures": lambda: history.rows(now - 30 * DAY_S, now, newest=100, failed=True),
        "all targets' day": lambda: history.tallies(now - DAY_S, now, 300),
    }


def _opened(folder: Path) -> History:
    return History(folder, RetentionConfig(), FakeClock(realtime_ns=_NOW_S * SECOND_NS))


def _made_up(targets: int, step_s: int, begin_s: int, span_s: int) -> str:
    """Lines of probes, in SQL."""
    given = {
        **{name: f"NULL::{kind}" for name, kind in tables.LINE.items()},
        "target": "'target-' || lpad(t::VARCHAR, 3, '0')",
        "id": "'m-' || t || '-' || i",
        "at_unix_ns": f"({begin_s} + i * {step_s}) * 1000000000 + t",
        "provider": "'openai'",
        "model": "'m'",
        "status": "CASE WHEN random() < 0.01 THEN 'failed' ELSE 'ok' END",
        "ttft_ms": "200 + 100 * random()",
        "tpot_ms": "20 + random()",
        "e2e_ms": "900 + 100 * random()",
        "gaps_ms": "[(2e7 + 1e6 * g * random())::BIGINT / 1e6 FOR g IN range(31)]",
        "output_tokens": "32::BIGINT",
        "cost_usd": "'0.000123'",
    }
    columns = ", ".join(f"{expression} AS {name}" for name, expression in given.items())
    return f"SELECT {columns} FROM range({targets}) a(t), range({span_s // step_s}) b(i)"


def _add_day(folder: Path, day: int) -> None:
    begin_s = _BEGAN_S + day * DAY_S
    stamp = time.strftime("%Y-%m-%d", time.gmtime(begin_s))
    name = f"{stamp}.{day:08d}-{day:08d}.parquet"
    probes, hours = folder / "probes" / name, folder / "hours" / name
    engine = tables.Engine(folder / "spill")
    with engine.session() as database:
        lines = tables.from_lines(f"({_made_up(20, 60, begin_s, DAY_S)})")
        database.ask(tables.copy(f"{lines} ORDER BY target, at_unix_ns", probes))
        summed = f"{tables.hourly(tables.table_of([probes]))} ORDER BY target, hour_unix_s"
        database.ask(tables.copy(summed, hours))
    engine.close()
    if day < _DAYS - _PROBES_DAYS:
        probes.unlink()


def _asked(what: str, ask: Callable[[], Sized]) -> dict[str, Any]:
    taken = []
    for _ in range(_TIMES):
        begun, cpu = time.perf_counter(), time.process_time()
        found = ask()
        taken.append((time.perf_counter() - begun, time.process_time() - cpu))
    return _row(what, len(found), min(taken))


def _packed(folder: Path) -> dict[str, Any]:
    """Pack an hour of the largest monitor that there is a word for."""
    history = _opened(folder)
    engine = tables.Engine(folder / "history" / "spill")
    with engine.session() as database:
        for quarter in range(4):
            path = folder / "journal" / f"2023-11-15T00.{quarter:08d}.jsonl"
            made_up = _made_up(200, 10, _BEGAN_S + 900 * quarter, 900)
            database.ask(f"COPY ({made_up}) TO '{path}' (FORMAT json)")
    engine.close()
    begun, cpu = time.perf_counter(), time.process_time()
    asyncio.run(history.tend())
    taken = time.perf_counter() - begun, time.process_time() - cpu
    count = sum(one.ok + one.failed for one in history.tallies(0, 4e9, DAY_S))
    history.close()
    return _row("an hour packed", count, taken)


def _row(what: str, answers: int, taken: tuple[float, float]) -> dict[str, Any]:
    return {
        "question": what,
        "answers": answers,
        "ms": 1e3 * taken[0],
        "CPU ms": 1e3 * taken[1],
        "peak RSS MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
