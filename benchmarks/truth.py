"""Truth under load: latency-lens and the usual asyncio client against a server's own send times.

For each number of streams both clients measure the same simulated provider (64 tokens, gaps of
20 ms, lognormal jitter 0.3, 0.2 % stalls of 150 ms). Each column is the error of that figure in
percent; the truth comes from the server's send log and the client's own start. `cpu us` is the CPU
of the whole command, start-up and report included, for each token.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_latency_lens.experiments.calibrate import SIMULATED
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator
from llm_latency_lens.testing.sendlog import Sent

STREAMS = (1, 100, 500, 1000)
ROUNDS = 2

Floats = npt.NDArray[np.float64]


def run() -> list[dict[str, Any]]:
    return [
        row
        for streams in STREAMS
        for client in ("latency-lens", "usual client")
        for row in (_measure(client, streams),)
    ]


def _measure(client: str, streams: int) -> dict[str, Any]:
    requests = max(ROUNDS * streams, 8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "records.jsonl")
        with start_simulator(SimConfig.from_options(**SIMULATED)) as simulator:
            command = _command(client, simulator.base_url, streams, requests, file)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            environment = {**os.environ, "LATENCY_LENS_HOME": folder}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            log = simulator.log()
        records = [json.loads(line) for line in file.read_text().splitlines()]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    true, seen = _series(records, log)
    tokens = len(records) + len(true["itl"])
    row: dict[str, Any] = {"streams": streams, "client": client}
    for name in ("ttft", "itl"):
        row[f"{name} mean"] = _error(np.mean(seen[name]), np.mean(true[name]))
        for label, p in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            row[f"{name} {label}"] = _error(np.quantile(seen[name], p), np.quantile(true[name], p))
    row["true itl p99"] = f"{np.quantile(true['itl'], 0.99):.1f} ms"
    row["cpu us"] = cpu_s * 1e6 / tokens
    return row


def _command(client: str, base_url: str, streams: int, requests: int, file: Path) -> list[str]:
    if client == "usual client":
        url = f"{base_url}/chat/completions"
        module = "benchmarks.usual_client"
        return [sys.executable, "-m", module, url, str(streams), str(requests), str(file)]
    return [
        *(sys.executable, "-m", "llm_latency_lens", "benchmark", "openai/sim", "Hi"),
        *("--base-url", base_url, "--api-key", "none", "--quiet"),
        *("--concurrency", str(streams), "--requests", str(requests), "--records", str(file)),
    ]


def _series(
    records: list[dict[str, Any]], log: list[Sent]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """True and seen TTFT and pooled gaps, in milliseconds."""
    sends = {sent.id: list(compress(sent.sends_ns, sent.content)) for sent in log}
    true: dict[str, list[Floats]] = {"ttft": [], "itl": []}
    seen: dict[str, list[Floats]] = {"ttft": [], "itl": []}
    for record in records:
        times = np.array(
            [event if isinstance(event, float) else event[0] for event in record["events"]]
        )
        truth = (np.array(sends[record["id"]]) - record["start_unix_ns"]) / 1e6
        assert len(times) == len(truth), record["id"]
        for into, values in ((true, truth), (seen, times)):
            into["ttft"].append(values[:1])
            into["itl"].append(np.diff(values))
    return (
        {name: np.concatenate(parts) for name, parts in true.items()},
        {name: np.concatenate(parts) for name, parts in seen.items()},
    )


def _error(seen: Any, true: Any) -> float:
    return float(100 * (seen / true - 1))
