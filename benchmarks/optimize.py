"""The optimizer: how often it is right where it says that the data decide, and what that took.

Problems are drawn with a seed: 3 to 8 candidates, whose true figures are known. `python -m
benchmarks.optimize PROBLEMS` draws another number of them than 500.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, exp, hypot, log
from typing import Any

import numpy as np

from llm_latency_lens.decide.figures import Asked, Wishes, wishes_of
from llm_latency_lens.decide.resample import Candidate
from llm_latency_lens.decide.rounds import first_round, next_round
from llm_latency_lens.decide.sample import Sample, about, code, value
from llm_latency_lens.decide.standing import Standing, enough, is_decided, standing_of
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.metrics.intervals import Floats

PROBLEMS = 500
RIGHT = 95.0
"""Percent of problems in which the candidate that is said to be first must be."""
SAVED = 0.5
"""Share of the uniform way's requests that the adaptive one may need."""
MOST = 20_000
"""Requests of a candidate after which a problem counts as not decided."""
NEAR = 0.03
"""Candidates whose true scores are nearer than this are equally good: there is no best to find."""
CONFIDENCE = 0.95

_WISHES = (
    Asked(profile="interactive"),
    Asked(profile="batch"),
    Asked(minimise=["cost", "ttft_ms.p95"]),
    Asked(minimise=["cost"], maximise=["output_tokens_per_second"], weights={"cost": 2.0}),
    Asked(minimise=["cost", "e2e_ms.p95"], maximise=["quality"]),
)
_ABOUT = about(Context(id="drawn", config={}))
_GAPS = 8
"""Gaps of an answer; more would only take time."""
_JITTER = 0.3
"""Spread of the gaps of one answer."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A candidate as it really is: medians and spreads (of logarithms), and what goes with what."""

    ttft_ms: float
    spread: float
    gap_ms: float
    gap_spread: float
    tokens: float
    tokens_spread: float
    price: float
    failing: float
    memory: float
    """Correlation of an answer's first token with the one before."""
    quality: float

    def draw(self, n: int, rng: np.random.Generator, gaps: int = _GAPS) -> Sample:
        """`n` requests. A slow first token goes with slow gaps: both wait for the same server."""
        load = _series(n, self.memory, rng)
        ttft = self.ttft_ms * np.exp(self.spread * load)
        mixed = 0.5 * load + np.sqrt(0.75) * rng.standard_normal(n)
        tokens = np.maximum(
            2, np.rint(self.tokens * np.exp(self.tokens_spread * rng.standard_normal(n)))
        )
        tpot = self.gap_ms * np.exp(self.gap_spread * mixed)
        failed = rng.random(n) < self.failing
        kept = ~failed
        jitter = np.exp(_JITTER * rng.standard_normal((n, gaps)))
        figures = {
            "ttft_ms": ttft,
            "tpot_ms": tpot,
            "output_tokens_per_second": 1000.0 / tpot,
            "e2e_ms": ttft + tpot * (tokens - 1),
        }
        answers = int(kept.sum())
        return Sample(
            about=_ABOUT,
            figures={name: code(values[kept]) for name, values in figures.items()},
            gaps=code((tpot[:, None] * jitter)[kept].ravel()),
            sizes=np.full(answers, gaps, np.int64),
            costs=tuple(Decimal(str(cost)) for cost in np.round(self.price * tokens[kept], 9)),
            failed=failed,
        )

    def exact(self, metric: str, rng: np.random.Generator) -> float:
        """The true figure; of whole answers' p95 as good as."""
        z = 1.6448536
        match metric:
            case "ttft_ms.p95":
                return self.ttft_ms * exp(z * self.spread)
            case "itl_ms.p95":
                return self.gap_ms * exp(z * hypot(self.gap_spread, _JITTER))
            case "output_tokens_per_second.p50":
                return 1000.0 / self.gap_ms
            case "cost.per_request":
                return self.price * self._mean_tokens
            case "error_rate":
                return self.failing
            case "e2e_ms.mean":
                tpot = self.gap_ms * exp(self.gap_spread**2 / 2)
                return self.ttft_ms * exp(self.spread**2 / 2) + tpot * (self._mean_tokens - 1)
            case "e2e_ms.p95":
                e2e = replace(self, memory=0.0).draw(200_000, rng, gaps=0).figures["e2e_ms"]
                return float(np.quantile(value(e2e), 0.95))
        return float(getattr(self, metric))

    @property
    def _mean_tokens(self) -> float:
        return self.tokens * exp(self.tokens_spread**2 / 2)


def _series(n: int, memory: float, rng: np.random.Generator) -> Floats:
    """Normal values, of which each resembles the one before."""
    noise = rng.standard_normal(n)
    if not memory:
        return noise
    found = np.empty(n)
    last = rng.standard_normal()
    root = np.sqrt(1.0 - memory**2)
    for i in range(n):
        last = found[i] = memory * last + root * noise[i]
    return found


@dataclass(frozen=True, slots=True)
class Problem:
    """Candidates, what is wanted of them, and who is the best of them in truth (-1: nobody)."""

    truths: Sequence[Truth]
    wishes: Wishes
    best: int
    seed: int

    def candidates(self, samples: Sequence[Sample]) -> list[Candidate]:
        columns = (
            ["quality"] if any(one.metric == "quality" for one in self.wishes.criteria) else []
        )
        return [
            Candidate(f"c{i}", sample, dict.fromkeys(columns, truth.quality))
            for i, (truth, sample) in enumerate(zip(self.truths, samples, strict=True))
        ]


def problem(seed: int) -> Problem:
    """The problem of this number; near ties are drawn again."""
    rng = np.random.default_rng((seed, 1))
    while True:
        truths = [_truth(rng) for _ in range(rng.integers(3, 9))]
        asked = _WISHES[rng.integers(len(_WISHES))]
        if rng.random() < 0.5:
            asked = replace(asked, require=_limits(rng, truths))
        wishes = wishes_of(asked, ["quality"] if "quality" in asked.maximise else [])
        exact = np.array([[one.exact(name, rng) for name in wishes.metrics] for one in truths])
        standing = Standing(
            names=(), metrics=wishes.metrics, wishes=wishes, requests=(), point=exact,
            drawn=exact, lacking=(),
        )  # fmt: skip
        if not _is_near(standing):
            return Problem(truths, wishes, standing.leader, seed)


def _truth(rng: np.random.Generator) -> Truth:
    def between(low: float, high: float) -> float:
        return exp(rng.uniform(log(low), log(high)))

    return Truth(
        ttft_ms=between(150, 900),
        spread=rng.uniform(0.2, 0.7),
        gap_ms=between(6, 40),
        gap_spread=rng.uniform(0.1, 0.35),
        tokens=between(100, 300),
        tokens_spread=rng.uniform(0.1, 0.5),
        price=between(2e-7, 1e-5),
        failing=float(rng.choice([0.0, 0.0, 0.003, 0.02])),
        memory=float(rng.choice([0.0, 0.0, 0.4])),
        quality=rng.uniform(0.6, 0.95),
    )


def _limits(rng: np.random.Generator, truths: Sequence[Truth]) -> list[str]:
    """A limit between the candidates, so that some miss it."""
    p95 = sorted(one.exact("ttft_ms.p95", rng) for one in truths)
    place = rng.integers(1, len(p95))
    limit = p95[place - 1] + rng.uniform(0.2, 0.8) * (p95[place] - p95[place - 1])
    return [f"ttft_ms.p95<{limit:.1f}", "error_rate<4%"]


def _is_near(standing: Standing) -> bool:
    """Whether two candidates could be called best, or one lies at a limit."""
    for one in standing.wishes.requirements:
        values = standing.point[:, standing.metrics.index(one.metric)]
        limit = float(one.limit)
        if one.metric != "error_rate" and (abs(values / limit - 1.0) < NEAR).any():
            return True
    scores = np.sort(standing.scores(standing.point))[::-1]
    return bool(np.isfinite(scores[1]) and scores[1] > scores[0] * (1.0 - NEAR))


# --- two ways of measuring ------------------------------------------------------------------


class Stream:
    """A candidate's requests, one after another: the same ones whoever asks for them and when."""

    def __init__(self, truth: Truth, seed: tuple[int, ...]) -> None:
        self._truth, self._rng = truth, np.random.default_rng(seed)
        self._held: Sample | None = None

    def first(self, n: int) -> Sample:
        """The first `n` of them."""
        while self._held is None or len(self._held.failed) < n:
            more = self._truth.draw(_BLOCK, self._rng)
            self._held = more if self._held is None else joined(self._held, more)
        return cut(self._held, n)


_BLOCK = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    decided: bool
    right: bool
    requests: int
    looks: int


def measure(given: Problem, streams: Sequence[Stream], adaptive: bool, resamples: int) -> Outcome:
    """In rounds, until the data decide; the uniform way asks all candidates alike."""
    sizes = [first_round(given.wishes)] * len(streams)
    looks = 0
    while True:
        standing = _stand(given, streams, sizes, resamples, looks)
        looks += 1
        if is_decided(standing, CONFIDENCE):
            return Outcome(True, standing.leader == given.best, sum(sizes), looks)
        if sum(sizes) > MOST * len(sizes):
            return Outcome(False, False, sum(sizes), looks)
        if adaptive:
            more = next_round(standing, CONFIDENCE)
            sizes = [n + more.get(f"c{place}", 0) for place, n in enumerate(sizes)]
        else:
            sizes = [ceil(1.4 * n) for n in sizes]


def named(given: Problem, streams: Sequence[Stream], resamples: int, pilot: int = 60) -> Outcome:
    """Requests of each candidate, and as many more as are named, until they are called enough."""
    sizes = [pilot] * len(streams)
    looks = 0
    while True:
        standing = _stand(given, streams, sizes, resamples, looks)
        looks += 1
        if is_decided(standing, CONFIDENCE):
            return Outcome(True, standing.leader == given.best, sum(sizes), looks)
        wanted = enough(standing, CONFIDENCE)
        if not wanted or max(wanted.values()) > MOST:
            return Outcome(False, False, sum(sizes), looks)
        for place, n in wanted.items():
            sizes[place] = n


def _stand(
    given: Problem, streams: Sequence[Stream], sizes: Sequence[int], resamples: int, look: int
) -> Standing:
    samples = [stream.first(n) for stream, n in zip(streams, sizes, strict=True)]
    candidates = given.candidates(samples)
    return standing_of(candidates, given.wishes, resamples=resamples, seed=(given.seed, look))


def cut(whole: Sample, n: int) -> Sample:
    """The first `n` requests of a sample in which all answers have equally many gaps."""
    failed = whole.failed[:n]
    answers = int((~failed).sum())
    sizes = whole.sizes[:answers]
    return replace(
        whole,
        figures={name: codes[:answers] for name, codes in whole.figures.items()},
        gaps=whole.gaps[: int(sizes.sum())],
        sizes=sizes,
        costs=whole.costs[:answers],
        failed=failed,
    )


def joined(a: Sample, b: Sample) -> Sample:
    return replace(
        a,
        figures={name: np.concatenate([a.figures[name], b.figures[name]]) for name in a.figures},
        gaps=np.concatenate([a.gaps, b.gaps]),
        sizes=np.concatenate([a.sizes, b.sizes]),
        costs=a.costs + b.costs,
        failed=np.concatenate([a.failed, b.failed]),
    )


WAYS: dict[str, Callable[[Problem, Sequence[Stream]], Outcome]] = {
    "kept runs, as many more as named": lambda one, streams: named(one, streams, RESAMPLES),
    "uniform": lambda one, streams: measure(one, streams, False, RESAMPLES),
    "adaptive": lambda one, streams: measure(one, streams, True, RESAMPLES),
}
RESAMPLES = 1000


def solve(seed: int) -> dict[str, tuple[Outcome, float]]:
    """One problem in every way, and the CPU seconds that each took."""
    given = problem(seed)
    streams = [Stream(one, (seed, place)) for place, one in enumerate(given.truths)]
    found = {}
    for name, way in WAYS.items():
        before = time.process_time()
        outcome = way(given, streams)
        found[name] = outcome, time.process_time() - before
    return found


def run(problems: int = PROBLEMS) -> list[dict[str, Any]]:
    with ProcessPoolExecutor(2) as pool:
        solved = list(pool.map(solve, range(problems), chunksize=5))
    uniform = sum(one["uniform"][0].requests for one in solved)
    rows = []
    for name in WAYS:
        outcomes = [one[name][0] for one in solved]
        decided = [one for one in outcomes if one.decided]
        requests = sum(one.requests for one in outcomes)
        right = 100.0 * sum(one.right for one in decided) / max(1, len(decided))
        share = requests / uniform
        holds = right >= RIGHT and (name != "adaptive" or share <= SAVED)
        rows.append(
            {
                "way": name,
                "problems": len(outcomes),
                "decided": len(decided),
                "right %": round(right, 1),
                "median requests": int(np.median([one.requests for one in outcomes])),
                "all requests": requests,
                "of uniform": share,
                "looks": sum(one.looks for one in outcomes) / len(outcomes),
                "CPU s each": sum(one[name][1] for one in solved) / len(solved),
                "holds": "yes" if holds else "NO",
            }
        )
    return rows


if __name__ == "__main__":
    from benchmarks.__main__ import show

    show("optimize", __doc__ or "", run(int(sys.argv[1]) if len(sys.argv) > 1 else PROBLEMS))
