"""Streaming while measuring: the stamps' error with `--stream-to` and without it, at 500 streams.

Both arms take turns, each three times; a row is the median of them. The streamed one sends to a
file and, as DogStatsD, to a socket of this process. Errors are microseconds against the simulator's
send log; `delay ms` is how long the measuring thread waited for a processor: where it is not near
0, other programs disturbed the arm and its errors are theirs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from llm_latency_lens import load
from llm_latency_lens.experiments.calibrate import SIMULATED, compare
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

STREAMS = 500
ROUNDS = 3


def run() -> list[dict[str, Any]]:
    arms: dict[str, list[dict[str, float]]] = {"alone": [], "streamed": []}
    with _statsd() as port:
        for _ in range(ROUNDS):
            for name, measured in arms.items():
                measured.append(_measure(port if name == "streamed" else None))
    return [
        {"arm": name, **{key: median(row[key] for row in rows) for key in rows[0]}}
        for name, rows in arms.items()
    ]


def _measure(port: int | None) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_simulator(SimConfig.from_options(**SIMULATED)) as simulator,
    ):
        sinks: Sequence[str] = ()
        if port is not None:
            live = Path(folder, "live.jsonl")
            sinks = ("--stream-to", str(live), "--stream-to", f"dogstatsd://127.0.0.1:{port}")
        command = [
            *(sys.executable, "-m", "llm_latency_lens", "benchmark", "openai/sim", "Hi", "--quiet"),
            *("--base-url", simulator.base_url, "--api-key", "none", "--run-dir", f"{folder}/run"),
            *("--concurrency", str(STREAMS), "--requests", str(2 * STREAMS), *sinks),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
        found = load(f"{folder}/run")
        errors = compare(found.records(), simulator.log())
    result, instrument = found.result, found.result.instrument
    sent = [sink.sent for sink in result.run.sinks] if result.run.sinks else []
    ttft, gap = np.abs(errors.ttft_us), np.abs(errors.gap_us)
    return {
        "ttft p50": float(np.quantile(ttft, 0.5)),
        "ttft p99": float(np.quantile(ttft, 0.99)),
        "gap p50": float(np.quantile(gap, 0.5)),
        "gap p99": float(np.quantile(gap, 0.99)),
        "merged": instrument.merged_events,
        "late": instrument.late_events,
        "delay ms": 1e3 * (instrument.run_delay_s or 0.0),
        "cpu us": instrument.cpu_us_per_event or 0.0,
        "sent": min(sent, default=0),
    }


@contextmanager
def _statsd() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))

        def listen() -> None:
            while receiver.recv(65536):
                pass

        thread = threading.Thread(target=listen)
        thread.start()
        yield receiver.getsockname()[1]
        receiver.sendto(b"", receiver.getsockname())
        thread.join()
