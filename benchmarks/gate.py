"""Regression tests: false alarms, in percent of A/A pairs, and power at the size named as enough.

Both runs of a pair are drawn by the simulator's clockless model. `python -m benchmarks.gate PAIRS`
draws another number of them than 1,000; for the power it is a twentieth as many pilots, and two
pairs of each size that they name.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np

from llm_latency_lens.decide.regressions import ALPHA, Allowed, answers, holm, p_values
from llm_latency_lens.decide.sample import Sample, code, sample_of, value
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.model import draw

PAIRS = 1000
FIGURES = ("ttft_ms.p95", "itl_ms.p99", "e2e_ms.p50")
SIZES = (50, 200, 500)
ALARMS = 6.5
"""Percent of A/A pairs that may be called worse."""
POWER = 90.0
"""Percent of runs in which a true slowdown must be found."""
LONG = 600_000
"""Requests of the run from which pilots and runs of the size named are cut."""
ENOUGH = 60_000
"""A size named as enough above this is tried with so many, which can only find less."""

_USUAL = {"ttft": "lognormal:200ms,0.3", "gap": "lognormal:20ms,0.3", "tokens": "64"}
_TWO_MODES = "list:" + "/".join(f"{ms}ms" for ms in (*range(180, 218, 2), 1000))
"""One answer in twenty is slow, so that the p95 lies between the modes."""
_PER_SLOT = 1.47
"""Seconds that an answer of the usual kind takes."""
_Load = dict[str, Any]

CASES: dict[str, tuple[dict[str, str], _Load]] = {
    "independent": ({}, {"rate": 2.0}),
    "independent, stalls": ({"stalls": "0.2%:150ms"}, {"rate": 2.0}),
    "heavy tails": ({"ttft": "lognormal:200ms,1.2", "gap": "lognormal:20ms,1"}, {"rate": 2.0}),
    "two modes": ({"ttft": _TWO_MODES}, {"rate": 2.0}),
    "one in ten slow": (
        {"reasoning": "list:0/0/0/0/0/0/0/0/0/40", "reasoning_hidden": "yes"},
        {"rate": 2.0},
    ),
    "few values": ({"ttft": "list:200ms/210ms/220ms", "gap": "20ms"}, {"rate": 2.0}),
    "lengths differ": ({"tokens": "lognormal:64,0.8", "stalls": "0.2%:150ms"}, {"rate": 2.0}),
    "queue, load 50 %": ({"slots": "8"}, {"rate": 0.5 * 8 / _PER_SLOT}),
    "queue, load 80 %": ({"slots": "8"}, {"rate": 0.8 * 8 / _PER_SLOT}),
    "queue, load 95 %": ({"slots": "8"}, {"rate": 0.95 * 8 / _PER_SLOT}),
    "one slot, load 70 %": (
        {"slots": "1", "tokens": "lognormal:64,0.8"},
        {"rate": 0.7 / _PER_SLOT},
    ),
    "16 users, 8 slots": ({"slots": "8", "tokens": "lognormal:64,0.6"}, {"concurrency": 16}),
    "slows down when busy": ({"slowdown": "5%"}, {"rate": 6.0}),
}

SHORT: dict[str, dict[str, str]] = {
    # Without slots nobody waits for an answer's end: its length makes no difference to a TTFT.
    "independent": {"tokens": "1"},
    "heavy tails": {"tokens": "1"},
    "two modes": {"tokens": "1"},
    "one in ten slow": {"tokens": "1"},
    # With slots one gap takes as long, and varies as much, as the usual 63.
    "queue, load 50 %": {"tokens": "2", "gap": "lognormal:1260ms,0.04"},
    "16 users, 8 slots": {"tokens": "2", "gap": "lognormal:1260ms,0.6"},
}
"""Cases whose power is measured, and what makes them quick to draw."""


def run(pairs: int = PAIRS) -> list[dict[str, Any]]:
    """False alarms of each case and size, then the power, then what a test costs."""
    return [*alarms(pairs), *power(pairs), cost()]


def alarms(pairs: int) -> Iterator[dict[str, Any]]:
    """Runs of one size are cut from one long run: each begins where a queue may already be."""
    for name, (options, load) in CASES.items():
        whole = _drawn(options, load, 2 * pairs * 200, seed=1)
        for size in SIZES:
            yield _alarms(name, whole, size, pairs)
        ticks = _ticked(whole)
        if name == "independent":
            yield _alarms("rounded to 10 ms", ticks, 200, pairs)


def _alarms(name: str, whole: Sample, size: int, pairs: int) -> dict[str, Any]:
    count = min(pairs, whole.answers // size // 2)
    worse = dict.fromkeys((*FIGURES, "any"), 0)
    for i in range(count):
        a, b = (_part(whole, (2 * i + k) * size, size) for k in (0, 1))
        found = p_values(a, b, [Allowed(figure) for figure in FIGURES])
        for figure, p_value in zip(FIGURES, found, strict=True):
            worse[figure] += p_value <= ALPHA
        worse["any"] += min(holm(found)) <= ALPHA
    shares = {figure: 100.0 * found / count for figure, found in worse.items()}
    return _row(f"A/A {name}", size, count, shares, max(shares.values()) <= ALARMS)


def power(pairs: int) -> Iterator[dict[str, Any]]:
    """Two runs are a pilot; the test names a size; so many are drawn, a tenth slower in one.

    Everything is cut from one long run of each case, at places that are drawn."""
    for name, short in SHORT.items():
        options, load = CASES[name]
        whole = _drawn({**options, **short}, load, LONG, seed=2)
        for pilot in (100, 500):
            yield _power(name, whole, pilot, max(5, pairs // 20))


def _power(name: str, whole: Sample, pilot: int, count: int) -> dict[str, Any]:
    figure, rng = FIGURES[0], np.random.default_rng(pilot)
    sizes: list[int] = []
    lasts: list[int] = []
    found = tried = 0
    for _ in range(count):
        enough, last = _named(whole, pilot, rng)
        lasts.append(last)
        if enough is None:
            continue
        sizes.append(enough)
        for _ in range(2):
            a, b = _two(whole, min(enough, ENOUGH), rng)
            found += p_values(a, _slower(b, 1.1), [Allowed(figure)])[0] <= ALPHA
            tried += 1
    shares = dict.fromkeys((*FIGURES, "any"), float("nan"))
    shares[figure] = 100.0 * found / tried if tried else float("nan")
    longer = [last for last in lasts if last > pilot]
    led = f"{len(longer)} led to {np.median(longer):.0f}, " if longer else ""
    told = f"{led}{count - len(sizes)} named none"
    if sizes:
        told += f", others {min(sizes)} to {max(sizes)}"
    label = f"10 % slower, {name}, {count} pilots of {pilot}: {told}"
    named = int(np.median(sizes or [0]))
    return _row(label, named, tried, shares, not shares[figure] < POWER)


def _named(whole: Sample, pilot: int, rng: np.random.Generator) -> tuple[int | None, int]:
    """The size that two runs name as enough, or that those name to which they lead; and their
    own."""
    while True:
        answered = answers(*_two(whole, pilot, rng), [FIGURES[0]])[0]
        if answered.pilot is None:
            return answered.enough, pilot
        pilot = answered.pilot


def _two(whole: Sample, size: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """One run from each half."""
    half = whole.answers // 2
    first, second = rng.integers(0, half - size, 2)
    return _part(whole, int(first), size), _part(whole, half + int(second), size)


def cost() -> dict[str, Any]:
    """CPU seconds to test the usual figures of two runs of 10,000 requests; 3 s is the limit."""
    a, b = (_drawn({}, {"rate": 2.0}, 10_000, seed) for seed in (1, 2))
    before = time.process_time()
    answers(a, b, allowed=[Allowed("itl_ms.p99", share=0.1)])
    seconds = time.process_time() - before
    shares = dict.fromkeys((*FIGURES, "any"), float("nan"))
    return _row(f"two runs of 10,000: {seconds:.2f} s of CPU", 10_000, 1, shares, seconds < 3.0)


def _row(what: str, size: int, count: int, shares: dict[str, float], held: bool) -> dict[str, Any]:
    cells = {
        f"{figure} %": "" if isnan(share) else round(share, 1) for figure, share in shares.items()
    }
    return {
        "what": what,
        "requests": size,
        "pairs": count,
        **cells,
        "holds": "yes" if held else "NO",
    }


def _drawn(options: dict[str, str], load: _Load, n: int, seed: int) -> Sample:
    config = SimConfig.from_options(**{**_USUAL, **options})
    return sample_of(draw(config, n, seed=seed, **load), Context(id=f"drawn-{seed}"))


def _part(whole: Sample, begin: int, size: int) -> Sample:
    first = int(whole.sizes[:begin].sum())
    sizes = whole.sizes[begin : begin + size]
    return replace(
        whole,
        figures={name: codes[begin : begin + size] for name, codes in whole.figures.items()},
        gaps=whole.gaps[first : first + int(sizes.sum())],
        sizes=sizes,
        costs=whole.costs[begin : begin + size],
        failed=whole.failed[begin : begin + size],
    )


def _slower(sample: Sample, factor: float) -> Sample:
    figures = {name: code(value(codes) * factor) for name, codes in sample.figures.items()}
    return replace(sample, figures=figures)


def _ticked(sample: Sample) -> Sample:
    def ticked(codes: Any) -> Any:
        return code(np.rint(value(codes) / 10.0) * 10.0)

    figures = {name: ticked(codes) for name, codes in sample.figures.items()}
    return replace(sample, figures=figures, gaps=ticked(sample.gaps))


if __name__ == "__main__":
    from benchmarks.__main__ import show

    show("gate", __doc__ or "", run(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS))
