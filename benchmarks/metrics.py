"""Summing up: CPU time of a result, beside the sorting of its gaps alone.

`python -m benchmarks.metrics coverage [DRAWS]` measures instead how often the intervals hold the
truth, and prints the tables of docs/explanation/statistics.md (1,000 draws take some minutes).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from math import exp, log
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.metrics.intervals import Found, of_gaps, of_requests
from llm_latency_lens.metrics.summary import Summarizer
from llm_latency_lens.record import EventKind, Record, Status, Usage

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Generator = np.random.Generator
Truth = dict[str, float]
Series = Callable[[Generator, int], Floats]
Pool = Callable[[Generator, int], tuple[Ints, Ints]]
Draw = Callable[[Generator, int], Found]

EVENTS = 64
LIMITS_MS = {8: 5.0, 500: 80.0, 20_000: 1_000.0, 100_000: 5_000.0}
LEVELS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
NORMAL = {"p50": 0.0, "p95": 1.6448536, "p99": 2.3263479}


def run() -> list[dict[str, Any]]:
    """One row for each number of requests; a limit is what a result may cost at most."""
    records = [_record(index) for index in range(500)]
    _cost(records, 8)
    return [_cost(records, requests) for requests in LIMITS_MS]


def _cost(records: list[Record], requests: int) -> dict[str, Any]:
    context = Context(id="benchmark", health=Health(capture_s=60.0, cpu_s=5.0))
    summarizer = Summarizer()
    add_ms = _cpu_ms(lambda: _add(summarizer, records, requests))
    result_ms = _cpu_ms(lambda: summarizer.result(context))
    gaps = np.random.default_rng(1).integers(1, 10**9, requests * (EVENTS - 1))
    return {
        "requests": requests,
        "events": requests * EVENTS,
        "add us/event": add_ms * 1000 / requests / EVENTS,
        "result ms": result_ms,
        "limit ms": LIMITS_MS[requests],
        "of limit": result_ms / LIMITS_MS[requests],
        "times a sort": result_ms / max(_cpu_ms(gaps.sort), 1e-3),
    }


def _add(summarizer: Summarizer, records: list[Record], requests: int) -> None:
    for index in range(requests):
        summarizer.add(records[index % len(records)])


def _cpu_ms(work: Callable[[], object]) -> float:
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / 1e6


def _record(index: int) -> Record:
    random = Random(index)
    record = Record(f"r{index}", index, Status.OK, start_ns=index * 50_000_000, max_tokens=EVENTS)
    at_ns = index * 50_000_000 + round(200e6 * random.lognormvariate(0, 0.3))
    for event in range(EVENTS):
        record.events.add(at_ns, event, EventKind.TEXT, "word")
        at_ns += round(20e6 * random.lognormvariate(0, 0.3))
    record.first_byte_ns = record.events.at_ns[0]
    record.end_ns = record.events.at_ns[-1]
    record.usage = Usage(20, EVENTS, 0, 0)
    record.clock_source = "kernel"
    return record


# --- coverage -------------------------------------------------------------------------------


def coverage(draws: int) -> Iterator[str]:
    """The tables, in Markdown."""
    yield from _head("independent requests")
    for name, (series, truth) in _independent().items():
        yield from _rows(name, (8, 20, 100, 500), draws, partial(_requests, series), truth)
    yield from _head("requests of a queue")
    for name, (series, truth) in _queues().items():
        yield from _rows(name, (100, 500, 2000), draws, partial(_requests, series), truth)
    yield from _head("gaps of requests")
    for name, pool in _pools().items():
        truth = _sample_truth(pool(np.random.default_rng(0), 100_000)[0])
        yield from _rows(name, (8, 50, 100, 300, 1000), draws, partial(_gaps, pool), truth)


def _head(what: str) -> Iterator[str]:
    yield f"\n| {what} | n | mean | p50 | p95 | p99 |"
    yield "|---|--:|--:|--:|--:|--:|"


def _rows(name: str, sizes: tuple[int, ...], draws: int, draw: Draw, truth: Truth) -> Iterator[str]:
    for n in sizes:
        rng = np.random.default_rng(n)
        given, held = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
        for _ in range(draws):
            for figure, (low, high) in draw(rng, n).limits.items():
                if figure in truth:
                    given[figure] += 1
                    held[figure] += low <= truth[figure] <= high
        cells = [_cell(held[figure], given[figure], draws) for figure in ("mean", *LEVELS)]
        yield f"| {name} | {n:,} | {' | '.join(cells)} |"


def _cell(held: int, given: int, draws: int) -> str:
    """Share of the intervals that hold the truth, and of the draws that had one, if below 99 %."""
    if given < draws / 100:
        return "–"
    share = f"{100 * held / given:.0f} %"
    return share if given >= 0.99 * draws else f"{share} ({100 * given / draws:.0f} %)"


def _requests(series: Series, rng: Generator, n: int) -> Found:
    values = series(rng, n)
    return of_requests(values, np.sort(values))


def _gaps(pool: Pool, rng: Generator, n: int) -> Found:
    gaps, sizes = pool(rng, n)
    return of_gaps(gaps, np.cumsum(sizes) - sizes, np.arange(n), np.sort(gaps))


def _independent() -> dict[str, tuple[Series, Truth]]:
    def lognormal(rng: Generator, n: int) -> Floats:
        return rng.lognormal(0, 0.5, n)

    def heavy(rng: Generator, n: int) -> Floats:
        return rng.lognormal(0, 1.0, n)

    def mixed(rng: Generator, n: int) -> Floats:
        return np.where(rng.random(n) < 0.1, 5.0, 1.0) * rng.lognormal(0, 0.3, n)

    sample = mixed(np.random.default_rng(0), 4_000_000)
    return {
        "lognormal, deviation 0.5": (lognormal, _lognormal_truth(0.5)),
        "lognormal, deviation 1": (heavy, _lognormal_truth(1.0)),
        "one in ten five times slower": (mixed, _sample_truth(sample)),
    }


def _lognormal_truth(deviation: float) -> Truth:
    levels = {name: exp(deviation * z) for name, z in NORMAL.items()}
    return {"mean": exp(deviation**2 / 2), **levels}


def _sample_truth(sample: Floats | Ints) -> Truth:
    levels = {name: float(np.quantile(sample, level)) for name, level in LEVELS.items()}
    return {"mean": float(sample.mean()), **levels}


def _queues() -> dict[str, tuple[Series, Truth]]:
    cases: dict[str, tuple[Series, Truth]] = {}
    for memory in (0.3, 0.7, 0.9):
        series = partial(_autoregressive, memory=memory)
        cases[f"AR(1), correlation {memory}"] = (series, _lognormal_truth(0.5))
    for load in (0.5, 0.8, 0.9):
        levels = {name: -log(1 - level) / (1 - load) for name, level in LEVELS.items()}
        truth = {"mean": 1 / (1 - load), **levels}
        cases[f"M/M/1 queue, load {load}"] = (partial(_single_server, load=load), truth)
    return cases


def _autoregressive(rng: Generator, n: int, memory: float) -> Floats:
    noise = rng.normal(size=n) * (1 - memory**2) ** 0.5
    series, last = np.empty(n), rng.normal()
    for i in range(n):
        series[i] = last = memory * last + noise[i]
    return np.exp(0.5 * series)


def _single_server(rng: Generator, n: int, load: float) -> Floats:
    """Sojourn times of a queue with one server, which has run for long: exponential each."""
    service, pause = rng.exponential(1, n), rng.exponential(1 / load, n)
    times, last = np.empty(n), rng.exponential(1 / (1 - load))
    for i in range(n):
        times[i] = last
        last = max(0.0, last - pause[i]) + service[i]
    return times


def _pools() -> dict[str, Pool]:
    def pool(
        rng: Generator,
        n: int,
        *,
        stalls: float = 0.0,
        speeds: float = 0.0,
        slow: float = 0.0,
        vary: bool = False,
    ) -> tuple[Ints, Ints]:
        sizes = rng.geometric(1 / 64, n) if vary else np.full(n, 63)
        gaps = 20e6 * rng.lognormal(0, 0.3, int(sizes.sum()))
        gaps += np.where(rng.random(len(gaps)) < stalls, 150e6, 0.0)
        factors = rng.lognormal(0, speeds, n) * np.where(rng.random(n) < slow, 5.0, 1.0)
        return (gaps * np.repeat(factors, sizes)).astype(np.int64), sizes.astype(np.int64)

    return {
        "all alike": pool,
        "0.2 % stalls of 150 ms": partial(pool, stalls=0.002),
        "requests differ in speed": partial(pool, speeds=0.3),
        "in speed and in length": partial(pool, speeds=0.3, vary=True),
        "in speed, with stalls": partial(pool, speeds=0.3, stalls=0.002),
        "one request in 20 five times slower": partial(pool, slow=0.05),
    }


if __name__ == "__main__":
    if sys.argv[1:2] != ["coverage"]:
        sys.exit(__doc__)
    for line in coverage(int(sys.argv[2]) if len(sys.argv) > 2 else 1000):
        print(line, flush=True)
