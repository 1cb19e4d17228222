"""A figure of two samples as a question that a test can answer: is it larger in the second?

Every question is about the figure itself (a quantile, a mean, a share) and knows what the samples
are worth: requests that resemble their neighbours count for less, and the gaps of one request
count together. The second sample is never asked against the first alone but against the first
times `factor` plus `shift`, which is how far it may go.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from ..metrics.intervals import (
    FEWEST_CORRELATED,
    Floats,
    autocorrelation_time,
    quantile,
    worth_of_clusters,
)
from ..metrics.special import NORMAL, t_quantile
from . import means, quantiles, rates
from .sample import Ints

POWER = 0.9
"""Probability with which a change should be found by as many requests as are called enough."""
FEWEST = 6
"""Requests below which nothing is asked."""
FEWEST_BEYOND = 3
"""Independent observations that must lie beyond a quantile before a size is named for it: with
fewer its neighbourhood is not seen."""
_SLOWEST = 0.1
"""Share of the observations, the slowest, whose memory decides how much a mean varies."""
LOOSE = 1.5
"""Up to this autocorrelation time requests count as independent: so much is seen by chance."""


class Question(Protocol):
    """What is asked of one figure of two samples."""

    @property
    def a(self) -> float: ...

    @property
    def b(self) -> float: ...

    @property
    def worth(self) -> tuple[float, float]:
        """Independent observations in each."""
        ...

    @property
    def memory(self) -> float:
        """Autocorrelation time of the requests."""
        ...

    @property
    def rare(self) -> float:
        """Share of the observations that tell for how long the figure is remembered and, of a
        quantile, how dense the sample is there: those beyond it, on the side that has fewer."""
        ...

    @property
    def trusted(self) -> bool:
        """Whether the worth is to be believed: a series that remembers, and is worth few
        observations, is too short to know its own memory."""
        ...

    def larger(self, factor: float, shift: float) -> float:
        """p-value of "b is not larger than a x factor + shift"."""
        ...

    def smaller(self, factor: float, shift: float) -> float:
        """p-value of "b is not smaller than a x factor + shift"."""
        ...

    def enough(self, change: float, alpha: float) -> float:
        """Independent observations, in each sample, that find a change of the figure by so much."""
        ...


@dataclass(slots=True)
class OfQuantile:
    """A quantile of one value a request, or of gaps."""

    pair: quantiles.Pair
    memory: float
    trusted: bool

    @property
    def a(self) -> float:
        return quantile(self.pair.a, self.pair.level)

    @property
    def b(self) -> float:
        return quantile(self.pair.b, self.pair.level)

    @property
    def worth(self) -> tuple[float, float]:
        return self.pair.worth_a, self.pair.worth_b

    @property
    def rare(self) -> float:
        return min(self.pair.level, 1.0 - self.pair.level)

    def larger(self, factor: float, shift: float) -> float:
        return quantiles.larger(self.pair.moved(factor, shift))

    def smaller(self, factor: float, shift: float) -> float:
        return quantiles.larger(self.pair.moved(factor, shift).swapped())

    def enough(self, change: float, alpha: float) -> float:
        return quantiles.enough(self.pair, change / self.a if self.a else 0.0, alpha, POWER)


@dataclass(slots=True)
class OfMean:
    """The mean of one value a request, or of gaps."""

    of_a: means.Moments
    of_b: means.Moments
    memory: float
    trusted: bool

    @property
    def a(self) -> float:
        return self.of_a.mean

    @property
    def b(self) -> float:
        return self.of_b.mean

    @property
    def worth(self) -> tuple[float, float]:
        return self.of_a.worth, self.of_b.worth

    @property
    def rare(self) -> float:
        return 1.0 if self.memory <= LOOSE else _SLOWEST

    def larger(self, factor: float, shift: float) -> float:
        return means.larger(self.of_a.scaled(factor, shift), self.of_b)

    def smaller(self, factor: float, shift: float) -> float:
        return means.larger(self.of_b, self.of_a.scaled(factor, shift))

    def enough(self, change: float, alpha: float) -> float:
        return means.enough(self.of_a, self.of_b, abs(change), alpha, POWER)


@dataclass(slots=True)
class OfShare:
    """A share of requests."""

    of_a: rates.Counts
    of_b: rates.Counts
    memory: float
    trusted: bool

    @property
    def a(self) -> float:
        return self.of_a.share

    @property
    def b(self) -> float:
        return self.of_b.share

    @property
    def worth(self) -> tuple[float, float]:
        return self.of_a.size, self.of_b.size

    @property
    def rare(self) -> float:
        if self.memory <= LOOSE:
            return 1.0
        hits, size = self.of_a.hits + self.of_b.hits, sum(self.worth)
        return min(hits, size - hits) / size

    def larger(self, factor: float, shift: float) -> float:
        return rates.larger(self.of_a.raised(self.a * (factor - 1.0) + shift), self.of_b)

    def smaller(self, factor: float, shift: float) -> float:
        return rates.larger(self.of_b, self.of_a.raised(self.a * (factor - 1.0) + shift))

    def enough(self, change: float, alpha: float) -> float:
        return rates.enough(self.of_a, self.of_b, abs(change), alpha, POWER)


# --- one value a request --------------------------------------------------------------------


def of_quantile(a: Floats, b: Floats, level: float) -> OfQuantile:
    """`a` and `b` are in the order of the starts."""
    ordered = np.sort(a), np.sort(b)
    memory = max(_memory(x, y, level) for x, y in zip((a, b), ordered, strict=True))
    worth = len(a) / memory, len(b) / memory
    pair = quantiles.pair_of(*ordered, worth, level, exact=memory <= LOOSE)
    return OfQuantile(pair, memory, _trusted(memory, a, b))


def of_mean(a: Floats, b: Floats) -> OfMean:
    memory = max(
        max(autocorrelation_time(x), autocorrelation_time(_ranks(x, np.sort(x)))) for x in (a, b)
    )
    of_a, of_b = (means.Moments.of(x, len(x) / memory) for x in (a, b))
    return OfMean(of_a, of_b, memory, _trusted(memory, a, b))


def of_share(a: Floats, b: Floats) -> OfShare:
    """`a` and `b` are 1 where it was so and 0 where not."""
    memory = max(autocorrelation_time(x) for x in (a, b))
    memory = memory if memory > LOOSE else 1.0
    of_a, of_b = (rates.Counts(float(x.sum()) / memory, len(x) / memory) for x in (a, b))
    return OfShare(of_a, of_b, memory, _trusted(memory, a, b))


def longer_memory(memory: float, requests: int, errors: float) -> float:
    """An autocorrelation time, seen by so many requests, that is so many standard errors longer
    (Sokal's, with a window of five times itself)."""
    if memory <= LOOSE:
        return memory
    return memory * (1.0 + errors * sqrt(2.0 * (10.0 * memory + 1.0) / requests))


def _trusted(memory: float, a: Sized, b: Sized) -> bool:
    return memory <= LOOSE or min(len(a), len(b)) / memory >= FEWEST_CORRELATED


def _memory(values: Floats, ordered: Floats, level: float) -> float:
    """The longer autocorrelation time of the ranks and of "at most this quantile"."""
    inside = (values <= quantile(ordered, level)).astype(np.float64)
    ranks = _ranks(values, ordered)
    return max(autocorrelation_time(ranks), autocorrelation_time(inside))


def _ranks(values: Floats, ordered: Floats) -> Floats:
    left, right = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (left + right).astype(np.float64)


# --- gaps -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gaps:
    """Gaps of requests in the order of their starts, those of one side by side; none has none."""

    values: Floats
    sizes: Ints
    ordered: Floats

    @property
    def begins(self) -> Ints:
        return np.cumsum(self.sizes) - self.sizes

    def sums(self) -> Floats:
        return np.add.reduceat(self.values, self.begins)


def gaps_quantile(a: Gaps, b: Gaps, level: float) -> OfQuantile:
    memory, worth = 1.0, []
    for one in (a, b):
        inside = one.values <= quantile(one.ordered, level)
        counts = np.add.reduceat(inside, one.begins, dtype=np.int64)
        each = one.sums() / one.sizes
        residuals = counts - counts.sum() / len(inside) * one.sizes
        memory = max(
            memory,
            autocorrelation_time(_ranks(each, np.sort(each))),
            autocorrelation_time(residuals),
        )
        found, df = worth_of_clusters(counts, one.sizes)
        worth.append(found * (NORMAL / t_quantile(0.975, max(df, 1.0))) ** 2)
    pair = quantiles.Pair(
        a.ordered, b.ordered, worth[0] / memory, worth[1] / memory, level, exact=False
    )
    return OfQuantile(pair, memory, _trusted(memory, a.sizes, b.sizes))


def gaps_mean(a: Gaps, b: Gaps) -> OfMean:
    memory, of = 1.0, []
    for one in (a, b):
        sums, mean = one.sums(), float(one.values.mean())
        residuals = (sums - mean * one.sizes) / one.sizes.mean()
        memory = max(memory, autocorrelation_time(residuals))
        of.append((mean, residuals))
    of_a, of_b = (means.Moments.about(*one, len(one[1]) / memory) for one in of)
    return OfMean(of_a, of_b, memory, _trusted(memory, a.sizes, b.sizes))
