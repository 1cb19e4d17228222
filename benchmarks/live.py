"""What it costs a measurement that a program works with its records while the run goes on.

Two hundred requests, fifty at a time, of a simulated model that logs its sends; the program works
for 20 ms on each record. Errors are measured less true, in microseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from llm_latency_lens import Benchmark, Lens
from llm_latency_lens.experiments.calibrate import SIMULATED, compare
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

_REQUESTS, _CONCURRENCY, _WORK_S = 200, 50, 0.02


def run() -> list[dict[str, Any]]:
    ways: dict[str, Callable[[Lens], Benchmark]] = {
        "benchmark()": _alone,
        "records(), idle": lambda lens: _live(lens, 0.0),
        "records(), working": lambda lens: _live(lens, _WORK_S),
        "benchmark() in a thread beside the work": _beside,
    }
    return [{"way": way, **_measured(measure)} for way, measure in ways.items()]


def _measured(measure: Callable[[Lens], Benchmark]) -> dict[str, Any]:
    config = SimConfig.from_options(**SIMULATED)
    with TemporaryDirectory() as folder, start_simulator(config) as simulator:
        lens = Lens(
            model="sim", base_url=simulator.base_url, api_key="none", run_dir=Path(folder, "run")
        )
        found = measure(lens)
        errors = compare(found.records(), simulator.log())
    seen = found.result.instrument
    gap_us, ttft_us = np.abs(errors.gap_us), np.abs(errors.ttft_us)
    return {
        "gap error p50": float(np.quantile(gap_us, 0.5)),
        "gap error p99": float(np.quantile(gap_us, 0.99)),
        "TTFT error p99": float(np.quantile(ttft_us, 0.99)),
        "read lag p99": seen.read_lag_us.p99 if seen.read_lag_us else None,
        "merged": seen.merged_events,
        "events": seen.events,
    }


def _alone(lens: Lens) -> Benchmark:
    return lens.benchmark("hi", requests=_REQUESTS, concurrency=_CONCURRENCY)


def _live(lens: Lens, work_s: float) -> Benchmark:
    with lens.records("hi", requests=_REQUESTS, concurrency=_CONCURRENCY) as live:
        for _ in live:
            _work(work_s)
    return live.benchmark


def _beside(lens: Lens) -> Benchmark:
    found: list[Benchmark] = []
    thread = threading.Thread(target=lambda: found.append(_alone(lens)))
    thread.start()
    while thread.is_alive():
        _work(_WORK_S)
        time.sleep(0.005)
    return found[0]


def _work(work_s: float) -> None:
    until = time.perf_counter() + work_s
    while time.perf_counter() < until:
        pass
