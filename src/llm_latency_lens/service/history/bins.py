"""Steps of time, and the histograms that they are made of.

Samples are counted in buckets whose bounds grow by a fixed ratio (those of DDSketch: Masson, Rim
and Lee, VLDB 2019), so that counts of any two spans can be added up, and a quantile read from them
lies within 1 % of the exact one. Where the samples are still there, quantiles are exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from math import ceil, floor, log

import msgspec

RELATIVE_ERROR = 0.01
RATIO = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
ZERO = -10_000
"""The bucket of samples that are 0."""
HEAT = 16
"""Buckets that make one of a heat map."""
HEAT_RATIO = RATIO**HEAT
"""By how much the bounds of a heat map grow: some seven to a power of ten."""
SHARES = (0.5, 0.9, 0.95, 0.99)
TIMES = ("ttft_ms", "itl_ms", "e2e_ms", "tpot_ms")

Heat = list[tuple[float, int]]
"""(upper bound in milliseconds, samples), ascending, of buckets that are not empty. The lower bound
is the upper one by `HEAT_RATIO`."""


class Quantiles(msgspec.Struct, frozen=True):
    """Milliseconds; `relative_error` is by how much they can be off, 0 where they are exact."""

    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    count: int
    relative_error: float = 0.0


class Bin(msgspec.Struct, kw_only=True):
    """One step of time of one target. Times are those of probes that succeeded; `errors` counts
    failures by their kind; `cost_usd` is None where nobody knows it."""

    at_unix_s: float
    count: int
    ok: int
    failed: int
    cost_usd: Decimal | None = None
    ttft_ms: Quantiles | None = None
    itl_ms: Quantiles | None = None
    e2e_ms: Quantiles | None = None
    tpot_ms: Quantiles | None = None
    errors: dict[str, int] = {}
    ttft_histogram: Heat = []
    itl_histogram: Heat = []


@dataclass(slots=True)
class Samples:
    """Samples of one time: how many in which bucket, and the exact quantiles where all of them were
    looked at together."""

    counts: Counter[int] = field(default_factory=Counter)
    largest: float = 0.0
    exact: tuple[float, ...] | None = None

    def add(
        self, counts: Mapping[int, int] | None, largest: float | None, exact: list[float] | None
    ) -> None:
        """Take what another span has."""
        if not counts:
            return
        alone = not self.counts
        self.counts.update(counts)
        self.largest = max(self.largest, largest or 0.0)
        self.exact = tuple(exact) if exact and alone else None

    def quantiles(self) -> Quantiles | None:
        count = sum(self.counts.values())
        if not count:
            return None
        if self.exact:
            return self._told(count, self.exact, 0.0)
        return self._told(count, quantiles_of(self.counts, SHARES), RELATIVE_ERROR)

    def _told(self, count: int, read: Sequence[float], relative_error: float) -> Quantiles:
        p50, p90, p95, p99 = (min(one, self.largest) for one in read)
        return Quantiles(p50, p90, p95, p99, self.largest, count, relative_error)

    def heat(self) -> Heat:
        coarse: Counter[int] = Counter()
        for place, count in self.counts.items():
            coarse[place if place == ZERO else ceil(place / HEAT)] += count
        return [
            (0.0 if place == ZERO else HEAT_RATIO**place, coarse[place]) for place in sorted(coarse)
        ]


@dataclass(slots=True)
class Sum:
    """A bin while it is added up."""

    ok: int = 0
    failed: int = 0
    cost_usd: Decimal | None = None
    errors: Counter[str] = field(default_factory=Counter)
    times: dict[str, Samples] = field(default_factory=lambda: {name: Samples() for name in TIMES})

    def bin(self, at_unix_s: float) -> Bin:
        return Bin(
            at_unix_s=at_unix_s,
            count=self.ok + self.failed,
            ok=self.ok,
            failed=self.failed,
            cost_usd=self.cost_usd,
            errors=dict(self.errors),
            ttft_histogram=self.times["ttft_ms"].heat(),
            itl_histogram=self.times["itl_ms"].heat(),
            **{name: samples.quantiles() for name, samples in self.times.items()},
        )


def bucket(sample: float) -> int:
    """Where a sample of so many milliseconds belongs."""
    return ceil(log(sample) / log(RATIO)) if sample > 0 else ZERO


def value(place: int) -> float:
    """The sample that stands for those of a bucket."""
    return 0.0 if place == ZERO else 2 * RATIO**place / (RATIO + 1)


def quantiles_of(counts: Mapping[int, int], shares: tuple[float, ...]) -> list[float]:
    """Linear interpolation between the samples of neighbouring ranks, as with the samples
    themselves; at least one sample there must be."""
    places = sorted(counts)
    behind = list(accumulate(map(counts.__getitem__, places)))

    def at(rank: int) -> float:
        return value(places[bisect_right(behind, rank)])

    found = []
    for share in shares:
        rank = share * (behind[-1] - 1)
        low, high = at(floor(rank)), at(ceil(rank))
        found.append(low + (high - low) * (rank - floor(rank)))
    return found
