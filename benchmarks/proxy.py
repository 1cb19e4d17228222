"""What the proxy adds: 100 streams through it and past it in turns, against true send times.

Requests come by the clock, at random, so many a second that some 100 are under way. The simulated
provider logs when each event was handed to the kernel; this tool's own client, with the kernel's
stamps, says when it arrived. `arrival` is from the one to the other, of each single event; `ttft`
the time to the first token less the server's own time, so that both ways are in it; `gap` the error
of single gaps. Microseconds. `own` is what the proxy said of itself, of pieces of answers and of
requests. `added` is the difference of the two arms, each figure that of its quietest round: on a
busy machine other programs delay both.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from llm_latency_lens.experiments.calibrate import SIMULATED
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator
from llm_latency_lens.testing.sendlog import Sent

STREAMS = 100
ROUNDS = 5
_REQUESTS = 400
_ANSWER_S = 0.2 + 63 * 0.02
_COMMAND = (sys.executable, "-m", "llm_latency_lens")
_FIGURES = ("arrival", "ttft", "gap")


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        files: list[tuple[str, Path]] = []
        with start_simulator(SimConfig.from_options(**SIMULATED)) as simulator:
            own = Path(folder, "own.json")
            with _proxy(simulator.base_url.removesuffix("/v1"), folder, own) as address:
                for number in range(ROUNDS):
                    for arm, base_url in (("direct", simulator.base_url), ("proxy", address)):
                        file = Path(folder, f"{arm}-{number}.jsonl")
                        _ask(base_url, folder, file)
                        files.append((arm, file))
            log = {sent.id: sent for sent in simulator.log()}
        rows = [{"arm": arm, **_row(file, log)} for arm, file in files]
        return [*rows, _added(rows), _own(own)]


@contextmanager
def _proxy(origin: str, folder: str, output: Path) -> Iterator[str]:
    options = ("--listen", "127.0.0.1:0", "--run-dir", f"{folder}/proxy", "--output", str(output))
    process = subprocess.Popen(
        [*_COMMAND, "proxy", origin, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    found = re.search(r"http://\S+:\d+", process.stderr.readline())
    assert found is not None
    try:
        yield f"{found[0]}/v1"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def _ask(base_url: str, folder: str, file: Path) -> None:
    command = [
        *(*_COMMAND, "benchmark", "openai/sim", "Hi", "--quiet", "--api-key", "none"),
        *("--base-url", base_url, "--records", str(file), "--run-dir", f"{folder}/{file.stem}"),
        *("--arrival", "poisson", "--rate", f"{STREAMS / _ANSWER_S:.0f}"),
        *("--requests", str(_REQUESTS)),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))


def _row(file: Path, log: dict[str, Sent]) -> dict[str, Any]:
    found: dict[str, list[float]] = {name: [] for name in _FIGURES}
    for line in file.read_text().splitlines():
        record = json.loads(line)
        assert record["status"] == "ok", record["error"]
        sent = log[record["id"]]
        true_ns = np.array(list(compress(sent.sends_ns, sent.content)))
        offsets = (at if isinstance(at, float) else at[0] for at in record["events"])
        seen_ms = np.array(list(offsets))
        seen_ns = record["start_unix_ns"] + seen_ms * 1e6
        assert len(true_ns) == len(seen_ns)
        found["arrival"] += list((seen_ns - true_ns) / 1e3)
        found["ttft"].append(seen_ms[0] * 1e3 - (true_ns[0] - sent.received_ns) / 1e3)
        found["gap"] += list(np.abs(np.diff(seen_ns) - np.diff(true_ns)) / 1e3)
    return {
        f"{name} {label}": float(np.quantile(values, level))
        for name, values in found.items()
        for label, level in (("p50", 0.5), ("p99", 0.99))
    }


def _added(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By figure, the quietest round of the one arm less that of the other."""

    def quietest(arm: str, key: str) -> float:
        return min(float(row[key]) for row in rows if row["arm"] == arm)

    keys = [key for key in rows[0] if key != "arm"]
    return {
        "arm": "added",
        **{key: quietest("proxy", key) - quietest("direct", key) for key in keys},
    }


def _own(output: Path) -> dict[str, Any]:
    """All rounds together, as the proxy saw them."""
    added = json.loads(output.read_text())["added"]
    return {
        "arm": "own",
        "arrival p50": added["answer_ms"]["p50"] * 1e3,
        "arrival p99": added["answer_ms"]["p99"] * 1e3,
        "ttft p50": added["request_ms"]["p50"] * 1e3,
        "ttft p99": added["request_ms"]["p99"] * 1e3,
        "gap p50": "",
        "gap p99": "",
    }
