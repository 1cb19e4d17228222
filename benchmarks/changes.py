"""How often trends and changes are seen where there are none, and where there is one.

`python -m benchmarks.changes [DRAWS]` prints the table of docs/explanation/statistics.md; 300 draws
take some minutes. `run` draws few: a glance.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_latency_lens.decide.changes import ALPHA, changes
from llm_latency_lens.decide.trends import trend

Floats = npt.NDArray[np.float64]

SIZES = (8, 12, 20, 40)
STEPS = 4
"""One draw in so many is also tried with a step: that takes longer."""
MEMORY = (0.0, 0.3, 0.6)
"""How much a run resembles the one before."""


def run(draws: int = 40) -> list[dict[str, Any]]:
    """One row a length of the series and a resemblance of neighbours; shares in percent."""
    return list(rows(draws))


def rows(draws: int) -> Iterator[dict[str, Any]]:
    """The same one by one: each takes a while."""
    return (_row(n, memory, draws) for memory in MEMORY for n in SIZES)


def _row(n: int, memory: float, draws: int) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    trends, alarms, found, close = 0, 0, 0, 0
    for seed in range(draws):
        level = series(rng, n, memory)
        seen = trend(np.arange(float(n)), level)
        trends += seen is not None and seen.p < ALPHA
        alarms += bool(changes(level.tolist(), seed=seed))
        if seed % STEPS == 0:
            slower = level + np.log(1.25) * (np.arange(n) >= n // 2)
            cuts = [change.at for change in changes(slower.tolist(), seed=seed)]
            found += bool(cuts)
            close += any(abs(cut - n // 2) <= 1 for cut in cuts)
    steps = -(-draws // STEPS)
    return {
        "runs": n,
        "memory": memory,
        "false trends": 100 * trends / draws,
        "false changes": 100 * alarms / draws,
        "25 % found": 100 * found / steps,
        "within a run": 100 * close / steps,
    }


def series(rng: np.random.Generator, n: int, memory: float) -> Floats:
    """Logarithms of a figure: normal with a deviation of 10 %, each like the one before by
    `memory`."""
    noise = rng.normal(0, 0.1, n)
    level = np.empty(n)
    level[0] = noise[0]
    for i in range(1, n):
        level[i] = memory * level[i - 1] + (1 - memory**2) ** 0.5 * noise[i]
    return level


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 300):
        print("|", " | ".join(f"{value:g}" for value in row.values()), "|", flush=True)
