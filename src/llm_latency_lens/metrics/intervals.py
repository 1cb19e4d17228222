"""How sure a figure is: 95 % intervals whose unit is the request.

Every interval comes from one question: how many independent observations is this sample worth?

- Requests that do not depend on their neighbours count one each; a quantile then lies between two
  order statistics (exact, from the binomial distribution).
- Requests in a queue resemble their neighbours. Their number is divided by the integrated
  autocorrelation time (Geyer's initial monotone sequence), of the ranks and of the indicator
  "at most this quantile", whichever is longer.
- Gaps of one request are no independent observations. The variance of the share of gaps below a
  quantile is taken between requests (linearization), and turned into a number of observations.

With that number the limits are Clopper and Pearson's, carried from levels to values (Woodruff;
Korn and Graubard). A mean has a t-interval with Hall's correction for skewness. The page
"statistics" of the documentation has the sources and the coverage that was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, copysign, lgamma, log, log1p, sqrt

import numpy as np
import numpy.typing as npt

from .result import CiMethod, Interval
from .special import NORMAL, beta_quantile, t_quantile

LEVELS = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999}
ALPHA = 0.05
FEWEST = 6
"""Below six requests not even a median has an interval, and no mean is given one."""
FEWEST_CORRELATED = 20
"""A correlated series worth fewer observations than this is too short to know its own memory."""

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float64] | npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

_LAGS = 5
_CHI2_99 = 15.0863
"""99 % quantile of chi-squared with five degrees of freedom, one for each lag."""


@dataclass(slots=True)
class Found:
    """The intervals that a sample can give, in its own unit, and what they rest on."""

    method: CiMethod = "none"
    effective: float = 0.0
    """Independent observations that the requests are worth, as far as their order tells."""
    limits: dict[str, Interval] = field(default_factory=dict)


def quantile(ordered: Values, level: float) -> float:
    """Linear interpolation between the two nearest of the sorted values, as numpy does it."""
    place = level * (len(ordered) - 1)
    below = int(place)
    part = place - below
    low = float(ordered[below])
    high = float(ordered[min(below + 1, len(ordered) - 1)])
    step = high - low
    return low + step * part if part < 0.5 else high - step * (1.0 - part)


@lru_cache(maxsize=64)
def fewest(level: float, alpha: float = ALPHA) -> int:
    """Fewest independent observations whose extremes enclose this quantile in 95 % of samples, or
    in another share: 1 - alpha."""
    n = max(1, ceil(log(alpha) / log(max(level, 1.0 - level))))
    while level**n + (1.0 - level) ** n > alpha:
        n += 1
    return n


def of_requests(values: Floats, ordered: Floats) -> Found:
    """Intervals of a figure with one value a request; `values` are in the order of the starts."""
    n = len(values)
    if n < FEWEST:
        return Found()
    memory = _memory(values, ordered)
    if memory is None:
        limits = _order_statistics(ordered)
        limits["mean"] = _mean_interval(values, float(values.mean()), n)
        return Found("order-statistics", n, limits)
    found = Found("autocorrelation", n / memory)
    _correlated_limits(found, values, ordered, memory)
    return found


def of_gaps(gaps: npt.NDArray[np.int64], begins: Indices, order: Indices, ordered: Values) -> Found:
    """Intervals of gaps pooled over requests.

    `gaps` has each request's gaps side by side, the i-th request's from `begins[i]`; `order` puts
    the requests in the order of their starts; `ordered` are the gaps, sorted.
    """
    n, total = len(begins), len(gaps)
    if n < FEWEST:
        return Found()
    sizes = np.diff(begins, append=total)[order]
    sums = np.add.reduceat(gaps, begins)[order]
    mean = float(sums.sum()) / total
    residuals = (sums - mean * sizes) / (total / n)
    means = sums / sizes
    memory = _memory(means, np.sort(means))
    found = Found("clusters" if memory is None else "cluster-autocorrelation", n / (memory or 1.0))
    for name, level in LEVELS.items():
        if n < fewest(level):
            continue
        inside = gaps <= quantile(ordered, level)
        counts = np.add.reduceat(inside, begins, dtype=np.int64)[order]
        worth, df = worth_of_clusters(counts, sizes)
        if memory is not None:
            worth /= max(memory, autocorrelation_time(counts - counts.sum() / total * sizes))
        if worth >= _needed(level, memory):
            found.limits[name] = _woodruff(ordered, level, worth, df)
    if found.effective >= _needed(0.5, memory):
        moved = _mean_interval(residuals, 0.0, found.effective)
        found.limits["mean"] = (max(0.0, mean + moved[0]), mean + moved[1])
    return found


def _needed(level: float, memory: float | None) -> int:
    return fewest(level) if memory is None else max(fewest(level), FEWEST_CORRELATED)


def _correlated_limits(found: Found, values: Floats, ordered: Floats, memory: float) -> None:
    n = len(values)
    for name, level in LEVELS.items():
        if found.effective < _needed(level, memory):
            continue
        inside = (values <= quantile(ordered, level)).astype(np.float64)
        worth = n / max(memory, autocorrelation_time(inside))
        if worth >= _needed(level, memory):
            found.limits[name] = _woodruff(ordered, level, worth, worth - 1.0)
    worth = n / max(memory, autocorrelation_time(values))
    if worth >= FEWEST_CORRELATED:
        found.limits["mean"] = _mean_interval(values, float(values.mean()), worth)


# --- one quantile ---------------------------------------------------------------------------


def _order_statistics(ordered: Floats) -> dict[str, Interval]:
    limits = {}
    for name, level in LEVELS.items():
        ranks = order_ranks(len(ordered), level)
        if ranks is not None:
            limits[name] = (float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))
    return limits


@lru_cache(maxsize=1024)
def order_ranks(n: int, level: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the two order statistics that enclose the quantile in 95 % of samples.

    The tails are 2.5 % each; where one cannot be, the sample's extreme is taken and the other
    tail has what is left of the 5 %. None when the whole sample does not enclose it that often.
    """
    if n < fewest(level):
        return None
    first, cdf = _binomial_cdf(n, level)
    lower_tail = ALPHA - max(level**n, ALPHA / 2)
    upper_tail = ALPHA - max((1.0 - level) ** n, ALPHA / 2)
    low = first + int(np.searchsorted(cdf, lower_tail, side="right"))
    high = first + int(np.searchsorted(cdf, 1.0 - upper_tail, side="left")) + 1
    return max(1, low), min(n, high)


def _binomial_cdf(n: int, level: float) -> tuple[int, Floats]:
    """P(X <= k) for k from `first` on, as far as it differs from 0 and 1; sums of logarithms."""
    reach = 12.0 * sqrt(n * level * (1.0 - level)) + 12.0
    first = max(0, int(n * level - reach))
    k = np.arange(first, min(n, int(n * level + reach)))
    steps = np.log((n - k) / (k + 1.0)) + (log(level) - log1p(-level))
    start = (
        lgamma(n + 1)
        - lgamma(first + 1)
        - lgamma(n - first + 1)
        + first * log(level)
        + (n - first) * log1p(-level)
    )
    return first, np.cumsum(np.exp(start + np.concatenate(([0.0], np.cumsum(steps)))))


def _woodruff(ordered: Values, level: float, worth: float, df: float) -> Interval:
    """Clopper-Pearson limits of the level for `worth` observations, read off the sample.

    `df` is how well the worth itself is known: few degrees of freedom make it smaller.
    """
    worth *= (NORMAL / t_quantile(1 - ALPHA / 2, max(df, 1.0))) ** 2
    below = worth * level
    low = beta_quantile(ALPHA / 2, below, worth - below + 1.0)
    high = beta_quantile(1.0 - ALPHA / 2, below + 1.0, worth - below)
    return quantile(ordered, low), quantile(ordered, high)


def worth_of_clusters(
    counts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Independent gaps that the sample is worth for one share, and the degrees of freedom of that.

    `counts` of the `sizes` gaps of each request are inside. The degrees of freedom match the
    spread of the squared residuals, so that a share made by a few odd requests counts for little.
    """
    n, total = len(counts), float(sizes.sum())
    share = float(counts.sum()) / total
    squares = np.square(counts - share * sizes)
    square_sum = float(squares.sum())
    if square_sum == 0.0:
        return total, n - 1.0
    variance = n / (n - 1.0) * square_sum / total**2
    peakedness = n * float(np.square(squares).sum()) / square_sum**2
    df = min(n - 1.0, 2.0 * n / max(peakedness - 1.0, 1e-9))
    return min(total, share * (1.0 - share) / variance), df


# --- the mean -------------------------------------------------------------------------------


def _mean_interval(values: Floats, mean: float, worth: float) -> Interval:
    """Hall's transformed t-interval: a skewed sample moves the limits towards its long tail."""
    deviations = values - mean
    variance = float(np.square(deviations).mean())
    if variance == 0.0:
        return mean, mean
    skewness = float((deviations**3).mean()) / variance**1.5
    scale = sqrt(variance * len(values) / (len(values) - 1.0))
    reach = t_quantile(1 - ALPHA / 2, worth - 1.0) / sqrt(worth)
    return (
        mean - scale * _hall_inverse(reach, skewness, worth),
        mean - scale * _hall_inverse(-reach, skewness, worth),
    )


def _hall_inverse(y: float, skewness: float, worth: float) -> float:
    """Hall's transform x + a x^2 + a^2 x^3 / 3 + skewness / (6 worth), a = skewness / 3, undone."""
    a = skewness / 3.0
    y -= skewness / (6.0 * worth)
    if abs(a) < 1e-6:
        return y
    cube = 1.0 + 3.0 * a * y
    return (copysign(abs(cube) ** (1.0 / 3.0), cube) - 1.0) / a


# --- neighbours in time ---------------------------------------------------------------------


def _memory(values: Floats, ordered: Floats) -> float | None:
    """Autocorrelation time of the (tied) ranks; None where neighbours do not resemble one another.

    The test is Ljung and Box's on five lags of the ranks, at 1 %.
    """
    n = len(values)
    if n < FEWEST_CORRELATED:
        return None
    ranks = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")
    correlations = _autocorrelations(ranks.astype(np.float64))
    lags = np.arange(1, _LAGS + 1)
    statistic = n * (n + 2.0) * float((correlations[lags] ** 2 / (n - lags)).sum())
    return _time_of(correlations) if statistic > _CHI2_99 else None


def autocorrelation_time(series: Floats) -> float:
    return _time_of(_autocorrelations(series))


def _autocorrelations(series: Floats) -> Floats:
    """Autocorrelations at lags 0 to n - 1, by the Fourier transform; zeros for a constant."""
    n = len(series)
    centred = series - series.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    products: Floats = np.fft.irfft(spectrum * spectrum.conj(), size)[:n]
    if products[0] > 0.0:
        products /= products[0]
    return products


def _time_of(correlations: Floats) -> float:
    """1 + twice the sum of the correlations, up to where pairs of them turn negative; 1 or more."""
    half = len(correlations) // 2
    pairs = correlations[: 2 * half : 2] + correlations[1 : 2 * half : 2]
    negative = np.flatnonzero(pairs <= 0.0)
    kept = np.minimum.accumulate(pairs[: negative[0]] if len(negative) else pairs)
    return max(1.0, 2.0 * float(kept.sum()) - 1.0)
