"""Does a figure rise or fall over many runs, and how fast?

The slope is that of Theil and Sen: the median of the slopes between all pairs of runs, which a few
odd runs do not move. Its sureness comes from the test of Mann and Kendall, which asks only for the
order of the values. Runs that resemble their neighbours are worth fewer independent ones: for that
the variance is corrected as Hamed and Rao (1998) do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST = 8
"""Runs, below which nothing is said."""
EXACT_BELOW = 13
"""Runs, up to which the test counts all orders instead of taking the normal distribution."""
SURE = 1.959964
"""Standard deviations on either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Trend:
    """`slope` is in the values' unit per unit of the times, `low` to `high` its 95 % confidence
    interval; `tau` is Kendall's rank correlation with time; `p` is two-sided."""

    slope: float
    low: float
    high: float
    tau: float
    p: float


def trend(times: Floats, values: Floats) -> Trend | None:
    """The trend of values over their times; None for fewer than `FEWEST`, or no two times."""
    n = len(values)
    if n < FEWEST or times.min() == times.max():
        return None
    first, second = np.triu_indices(n, 1)
    spans, steps = times[second] - times[first], values[second] - values[first]
    apart = spans != 0
    slopes = np.sort(steps[apart] / spans[apart])
    slope = float(np.median(slopes))
    score = float((np.sign(spans) * np.sign(steps)).sum())
    variance = _variance(times, values) * _dependence(times, values, slope)
    low, high = _bounds(slopes, SURE * sqrt(variance))
    return Trend(slope, low, high, _tau(score, times, values), _p(score, variance, times, values))


def _p(score: float, variance: float, times: Floats, values: Floats) -> float:
    n = len(values)
    distinct = len(np.unique(values)) == n == len(np.unique(times))
    if n < EXACT_BELOW and distinct:
        return _exact(round(abs(score)), n)
    if not variance:
        return 1.0
    return erfc(max(0.0, abs(score) - 1.0) / sqrt(2.0 * variance))


def _exact(score: int, n: int) -> float:
    """How likely a score at least as far from 0 is among all orders of n values."""
    counts = np.ones(1)
    for i in range(2, n + 1):  # the number of inversions grows by 0 to i - 1 with the i-th value
        counts = np.convolve(counts, np.ones(i))
    inversions = np.arange(len(counts))
    scores = np.abs(n * (n - 1) // 2 - 2 * inversions)
    return float(counts[scores >= score].sum() / counts.sum())


def _variance(times: Floats, values: Floats) -> float:
    """Of the score without a trend, with ties on both sides (Kendall 1970)."""
    n = len(values)
    t, u = (np.unique(side, return_counts=True)[1].astype(float) for side in (times, values))

    def spread(sizes: Floats) -> float:
        return float((sizes * (sizes - 1) * (2 * sizes + 5)).sum())

    pairs = (t * (t - 1)).sum() * (u * (u - 1)).sum() / (2 * n * (n - 1))
    triples = (t * (t - 1) * (t - 2)).sum() * (u * (u - 1) * (u - 2)).sum()
    whole = n * (n - 1) * (2 * n + 5)
    found = (whole - spread(t) - spread(u)) / 18 + pairs + triples / (9 * n * (n - 1) * (n - 2))
    return max(0.0, float(found))


def _dependence(times: Floats, values: Floats, slope: float) -> float:
    """How much larger the variance is since neighbours resemble each other; never below 1."""
    n = len(values)
    if n < EXACT_BELOW:
        return 1.0
    rest = values - slope * times
    ranks = np.argsort(np.argsort(rest, kind="stable"), kind="stable") - (n - 1) / 2
    whole, grown = float(ranks @ ranks), 0.0
    for lag in range(1, n - 2):
        alike = float(ranks[lag:] @ ranks[:-lag]) / whole
        if abs(alike) <= SURE / sqrt(n):
            break  # farther neighbours have nothing to add that could be told from chance
        grown += (n - lag) * (n - lag - 1) * (n - lag - 2) * alike
    return max(1.0, 1.0 + 2.0 * grown / (n * (n - 1) * (n - 2)))


def _tau(score: float, times: Floats, values: Floats) -> float:
    pairs = len(values) * (len(values) - 1) / 2
    sizes = (np.unique(side, return_counts=True)[1] for side in (times, values))
    tied = [pairs - float((size * (size - 1)).sum()) / 2 for size in sizes]
    return score / sqrt(tied[0] * tied[1]) if tied[0] and tied[1] else 0.0


def _bounds(slopes: Floats, reach: float) -> tuple[float, float]:
    """Sen's interval: as many slopes to either side of the median as the score may be off."""
    low = int(max(0.0, (len(slopes) - reach) / 2))
    high = int(min(len(slopes) - 1.0, (len(slopes) + reach) / 2))
    return float(slopes[low]), float(slopes[high])
