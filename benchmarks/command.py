"""The whole command: how fast it starts, ends and answers, and how much memory it takes.

`import` and `--help` are held against a Python that imports nothing; `first send` is the time from
the start of the process to the simulator's having the first request; `after last token` from the
simulator's last send to the end of the process; `memory` is the peak of 1,000 streams and 128,000
tokens.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator
from llm_latency_lens.testing.sendlog import Sent

_TRIES = 5


def run() -> list[dict[str, Any]]:
    python = _cpu_ms(["-c", "pass"])
    rows = []
    for name, arguments in (
        ("import llm_latency_lens", ["-c", "import llm_latency_lens"]),
        ("import ...lens", ["-c", "import llm_latency_lens.lens"]),
        ("latency-lens --help", ["-m", "llm_latency_lens", "--help"]),
    ):
        cpu = _cpu_ms(arguments)
        rows.append(_row(name, cpu, "ms CPU", cpu / python, "bare python"))
    first, last = _edges()
    rows.append(_row("first send of 8 requests", first, "ms", first / python, "bare python"))
    rows.append(_row("end after last token, 8 requests", last, "ms", last / python, "bare python"))
    small, _ = _benchmark({"tokens": "8"}, ["--concurrency", "1", "--requests", "8"])
    large, _ = _benchmark({"tokens": "64"}, ["--concurrency", "1000", "--requests", "2000"])
    rows.append(
        _row(
            "peak memory, 128,000 tokens",
            large["peak_mb"],
            "MB",
            large["peak_mb"] / small["peak_mb"],
            "8 requests",
        )
    )
    return rows


def _row(name: str, value: float, unit: str, ratio: float, baseline: str) -> dict[str, Any]:
    return {"what": name, "value": value, "unit": unit, "ratio": ratio, "baseline": baseline}


def _cpu_ms(arguments: Sequence[str]) -> float:
    """The least CPU of some tries, in milliseconds."""
    best = float("inf")
    for _ in range(_TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, used * 1e3)
    return best


def _edges() -> tuple[float, float]:
    best_first = best_last = float("inf")
    for _ in range(_TRIES):
        went, log = _benchmark({"ttft": "50ms", "tokens": "16"}, ["--requests", "8"])
        first = min(sent.received_ns for sent in log) - went["begun_ns"]
        last = went["ended_ns"] - max(max(sent.sends_ns) for sent in log)
        best_first, best_last = min(best_first, first / 1e6), min(best_last, last / 1e6)
    return best_first, best_last


def _benchmark(
    simulated: dict[str, str], options: list[str]
) -> tuple[dict[str, float], list[Sent]]:
    """How the command went (see `peak`), and what was sent to it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        start_simulator(SimConfig.from_options(**simulated)) as simulator,
    ):
        figures = Path(folder, "figures.json")
        command = [
            *(sys.executable, "-m", "benchmarks.peak", str(figures)),
            *(sys.executable, "-m", "llm_latency_lens", "benchmark", "openai/sim", "Hi", "--quiet"),
            *("--base-url", simulator.base_url, "--api-key", "none", *options),
        ]
        environment = {**os.environ, "LATENCY_LENS_HOME": str(Path(folder, "home"))}
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        return json.loads(figures.read_text()), simulator.log()
