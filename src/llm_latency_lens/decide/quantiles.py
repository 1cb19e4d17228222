"""Whether a quantile is larger in one sample than in another: a one-sided two-sample test.

The question is asked of levels, not of values: is there a point that p of the first sample lie
below and p of the second? For every point the likelihood ratio says how hard it is to believe; the
statistic is that of the most believable one (the empirical likelihood ratio for a difference of
quantiles). So the two samples may differ in shape, no density has to be estimated, ties count for
"no difference", and what a sample is worth (`metrics.intervals`) stands where its size would.

Where requests do not depend on one another the statistic is compared with its permutation
distribution, which is that of ranks alone and is drawn here, seeded. Where they do, it is compared
with its limit, whose tail is longer than it should be: measured false alarms are in the
documentation's page on the gate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import erfc, inf, log, sqrt

import numpy as np
import numpy.typing as npt

from ..metrics.intervals import Floats, quantile
from ..metrics.special import normal_quantile

_DRAWS = 4000
_EQUAL = 1e-9
_TAIL = 100.0
"""Where more observations than this lie beyond a quantile, the limit is near enough."""
_AT_ONCE = 2048
_SHAPE = 24
"""Values around a quantile that say how dense the sample is there."""
_DOUBT = 2.0
"""Standard errors of a level within which the true quantile is looked for."""
_HOLE = 10.0
"""How much wider than its neighbours a step between two values is that is no accident."""
_DULL = 0.25
"""How much smaller the statistic's root is than the likelihood ratio's own: it takes the most
believable point."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sorted samples, what each is worth in independent observations, and the level.

    `exact` says that both are as many independent requests as they are worth; then these are whole
    numbers.
    """

    a: Floats
    b: Floats
    worth_a: float
    worth_b: float
    level: float
    exact: bool

    def moved(self, factor: float, shift: float) -> Pair:
        """With a moved so far."""
        return replace(self, a=self.a * factor + shift)

    def swapped(self) -> Pair:
        """With a and b in each other's place."""
        return Pair(self.b, self.a, self.worth_b, self.worth_a, self.level, self.exact)


def pair_of(a: Floats, b: Floats, worth: tuple[float, float], level: float, exact: bool) -> Pair:
    """Worths are rounded down to two digits where draws are needed, which are found again then."""
    worth_a, worth_b = map(_rounded, worth) if exact else worth
    return Pair(a, b, worth_a, worth_b, level, exact)


def _rounded(worth: float) -> float:
    whole = max(1, int(worth))
    unit = 10 ** max(0, len(str(whole)) - 2)
    return float(whole // unit * unit)


def larger(pair: Pair) -> float:
    """p-value of "the quantile of b is not larger than that of a"; 1 where it is not."""
    found = statistic(pair)
    if found <= 0.0:
        return 1.0
    drawn = _null_of(pair)
    if drawn is None:
        return 0.5 * erfc(sqrt(found / 2.0))
    beyond = len(drawn) - int(np.searchsorted(drawn, found - _EQUAL))
    return (beyond + 1.0) / (len(drawn) + 1.0)


def statistic(pair: Pair) -> float:
    """Twice the log likelihood ratio at the most believable common quantile; 0 where b's sample
    quantile is not larger. Ties are counted for a."""
    a, b, level = pair.a, pair.b, pair.level
    first = max(0, int(np.searchsorted(b, quantile(a, level))) - 1)
    last = min(len(b), int(level * len(b)) + 2)
    if first >= last:
        return 0.0
    step = max(1, (last - first) // _AT_ONCE)
    places = np.arange(first, last, step)
    found = _ratios(pair, places)
    best = int(places[found.argmin()])
    if step > 1:
        near = np.arange(max(first, best - step), min(last, best + step))
        found = _ratios(pair, near)
    below_all = 2.0 * pair.worth_b * -log(1.0 - level)
    return min(float(found.min()), below_all)


def _ratios(pair: Pair, places: npt.NDArray[np.int64]) -> Floats:
    points = pair.b[places]
    in_a = np.searchsorted(pair.a, points, side="left") / len(pair.a)
    in_b = np.searchsorted(pair.b, points, side="right") / len(pair.b)
    if pair.exact:
        # As a sample of so many would show it: the draws know no other shares.
        in_a = np.floor(in_a * pair.worth_a + _EQUAL) / pair.worth_a
        in_b = np.ceil(in_b * pair.worth_b - _EQUAL) / pair.worth_b
    return _ratio(in_a, in_b, pair.worth_a, pair.worth_b, pair.level)


def _ratio(in_a: Floats, in_b: Floats, worth_a: float, worth_b: float, level: float) -> Floats:
    """Only what speaks for a larger b counts: more than `level` of a below, less of b."""
    return 2.0 * (
        worth_a * _divergence(np.maximum(in_a, level), level)
        + worth_b * _divergence(np.minimum(in_b, level), level)
    )


def _divergence(share: Floats, level: float) -> Floats:
    """Kullback and Leibler's, of two coins."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(share > 0, share * np.log(share / level), 0.0)
        outside = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - level)), 0.0)
    found: Floats = inside + outside
    return found


# --- the permutation distribution -----------------------------------------------------------


def _null_of(pair: Pair) -> Floats | None:
    """Sorted draws of the statistic where nothing differs; None where the limit is to be used."""
    if not pair.exact:
        return None
    worth_a, worth_b, level = pair.worth_a, pair.worth_b, pair.level
    if level < 0.5:
        worth_a, worth_b, level = worth_b, worth_a, 1.0 - level
    if min(worth_a, worth_b) * (1.0 - level) > _TAIL:
        return None
    return _null(int(worth_a), int(worth_b), level)


@lru_cache(maxsize=256)
def _null(size_a: int, size_b: int, level: float) -> Floats:
    """Only the largest of each sample decide: their places among uniform numbers are drawn."""
    rng = np.random.default_rng((size_a, size_b))
    tops = [_largest(rng, size, level) for size in (size_a, size_b)]
    merged = np.concatenate(tops, axis=1)
    of_b = np.argsort(merged, axis=1) >= tops[0].shape[1]
    seen_b = np.cumsum(of_b, axis=1)
    seen_a = np.arange(1, merged.shape[1] + 1) - seen_b
    found = _ratio(1 - seen_a / size_a, 1 - (seen_b - 1) / size_b, size_a, size_b, level)
    found = np.where(of_b, found, np.inf).min(axis=1)
    found = np.minimum(found, 2.0 * size_b * -log(1.0 - level))
    return np.sort(found)


def _largest(rng: np.random.Generator, size: int, level: float) -> Floats:
    """Distances from 1 of the largest of `size` uniform numbers, the largest first."""
    beyond = size * (1.0 - level)
    kept = min(size, int(beyond + 8.0 * sqrt(beyond) + 12.0))
    steps = np.cumsum(rng.exponential(size=(_DRAWS, kept)), axis=1)
    whole = steps[:, -1:] + rng.gamma(size + 1 - kept, size=(_DRAWS, 1))
    found: Floats = steps / whole
    return found


# --- how much would be enough ---------------------------------------------------------------


def enough(pair: Pair, change: float, alpha: float, power: float) -> float:
    """Independent observations that each sample would need to be worth, for a change of b's
    quantile by this share of it to be found with this power. Infinite where there is none: where
    the quantile may lie between two kinds of requests, a change of both moves nobody past it."""
    width = abs(log(1.0 + change))
    if any(_has_hole(_shape(one, pair.level), pair.level, width) for one in (pair.a, pair.b)):
        return inf
    ordered = np.sort(np.concatenate([_shape(pair.a, pair.level), _shape(pair.b, pair.level)]))
    density, seen = _density(ordered, pair.level, width)
    # The density is known from so few independent values alone; believe a little less of it.
    seen *= min(1.0, (pair.worth_a + pair.worth_b) / (len(pair.a) + len(pair.b)))
    moved = 0.5 * density * width / (1.0 + 1.5 / sqrt(seen))
    level = pair.level
    above, below = min(level + moved, 1.0 - 1e-12), max(level - moved, 1e-12)
    shares = np.array([above, below])
    each = 2.0 * float(_divergence(shares, level).sum())
    reach = normal_quantile(1.0 - alpha) + normal_quantile(power) + _DULL
    return reach**2 / each if each > 0 else inf


def _has_hole(ordered: Floats, level: float, width: float) -> bool:
    """Whether a hole wider than the change lies where the quantile may be, and is no accident."""
    n = len(ordered)
    reach = _DOUBT * sqrt(level * (1.0 - level) / n)
    low = max(0, int((level - reach) * (n - 1)))
    high = min(n, int((level + reach) * (n - 1)) + 2)
    with np.errstate(invalid="ignore"):
        # Gaps of 0, of events that came together, all lie at minus infinity: no step apart.
        steps = np.nan_to_num(np.diff(ordered), nan=0.0, posinf=inf)
    places = low + np.flatnonzero(steps[low : high - 1] > width)
    # Steps grow towards the ends of any sample: each is weighed by how many values lie beyond it.
    beyond = np.minimum(np.arange(1, n), np.arange(n - 1, 0, -1))
    weighed = (steps * beyond)[max(0, low - _SHAPE) : high + _SHAPE]
    most = float(weighed.max(initial=0.0))
    others = float(weighed.sum()) - most if np.isfinite(most) else inf
    return any(steps[place] * beyond[place] * len(weighed) > _HOLE * others for place in places)


def _shape(ordered: Floats, level: float) -> Floats:
    """Logarithms of the values over their quantile."""
    middle = quantile(ordered, level)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log(ordered / middle)
    return found


def _density(ordered: Floats, level: float, width: float) -> tuple[float, float]:
    """Density of logarithms around 0, where the quantile is, over at least `width`; and how many
    values it rests on."""
    n = len(ordered)
    place = int(level * (n - 1))
    low = min(int(np.searchsorted(ordered, -width / 2)), place - _SHAPE // 2)
    high = max(int(np.searchsorted(ordered, width / 2, side="right")), place + _SHAPE // 2)
    low, high = max(low, 0), min(high, n - 1)
    reach = max(float(ordered[high] - ordered[low]), width)
    seen = max(high - low, 1)
    return (seen / n / reach if np.isfinite(reach) else 0.0), seen
