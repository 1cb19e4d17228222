"""Two samples that belong together pair by pair: how far apart they are, and how sure that is.

A pair is two requests that were sent at about the same time and say the same. Whole pairs are
drawn again and again (bootstrap), so that what strikes both alike, such as a busy hour or a long
prompt, is in both or in neither and falls out of the difference. Where neighbouring pairs resemble
one another, as many are drawn as the sample is worth (`intervals.of_requests`). The limits are
quantiles of what comes out; the draws are seeded. The page "statistics" of the documentation has
the coverage that was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, erfc, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from .comparison import Method
from .intervals import FEWEST_CORRELATED, Floats, fewest, of_requests, quantile
from .result import Interval
from .special import t_quantile

Statistic = Literal["median", "mean"]
Seed = int | Sequence[int]
Ints = npt.NDArray[np.int64]
Replicates = tuple[Floats, Floats]

_LEAST = 2000
"""Replicates for one interval of 95 %; more where limits lie farther out."""
_TAIL = 50
"""Replicates that should lie beyond each limit."""
_BUDGET = 1 << 22
"""Values drawn at most for one interval."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Gap:
    """`difference` is a - b, `ratio` a / b; an interval that the sample cannot give is None."""

    pairs: int
    a: float
    b: float
    difference: float
    ratio: float | None
    difference_limits: Interval | None = None
    ratio_limits: Interval | None = None
    method: Method = "none"

    @property
    def distinct(self) -> bool | None:
        """Whether the interval leaves out 0; None without an interval."""
        if self.difference_limits is None:
            return None
        low, high = self.difference_limits
        return not low <= 0.0 <= high


def compare(a: Floats, b: Floats, statistic: Statistic, alpha: float, seed: Seed) -> Gap:
    """One value a request: `a[i]` and `b[i]` are a pair, in the order of time."""
    measure = _MEASURES[statistic]
    whole = np.stack([a, b])[:, None, :]
    value_a, value_b = (float(value) for value in measure(whole)[:, 0])
    found = _gap(len(a), value_a, value_b)
    worth, method = _worth(a - b, fewest(0.5, alpha))
    if not worth:
        return found
    rng = np.random.default_rng(seed)

    def draw(count: int) -> Replicates:
        chosen = rng.integers(0, len(a), (count, worth))
        return measure(a[chosen]), measure(b[chosen])

    beyond = alpha if statistic == "median" else _expanded(alpha, worth)
    return _sure(found, _draws(draw, worth, alpha), beyond, method)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Gaps of requests, those of one request side by side; `sizes` says how many each has."""

    gaps: Floats
    sizes: Ints


def compare_pooled(a: Pooled, b: Pooled, level: float, alpha: float, seed: Seed) -> Gap:
    """A quantile of gaps pooled over requests: the i-th requests of both are a pair.

    Requests are drawn, never gaps, and there must be as many of them as a quantile of requests
    would need.
    """
    tails = Tail(a, level), Tail(b, level)
    value_a, value_b = (quantile(np.sort(one.gaps), level) for one in (a, b))
    pairs = len(a.sizes)
    found = _gap(pairs, value_a, value_b)
    means = [np.add.reduceat(one.gaps, _begins(one.sizes)) / one.sizes for one in (a, b)]
    worth, method = _worth(means[0] - means[1], fewest(level, alpha))
    if not worth:
        return found
    rng = np.random.default_rng(seed)
    even = np.full(pairs, 1.0 / pairs)

    def draw(count: int) -> Replicates:
        times = rng.multinomial(worth, even, size=count)
        return tails[0].quantiles(times), tails[1].quantiles(times)

    drawn = _draws(draw, max(tail.reach for tail in tails), alpha)
    return _sure(found, drawn, alpha, method)


def _begins(sizes: Ints) -> Ints:
    return np.cumsum(sizes) - sizes


def _median(values: Floats) -> Floats:
    return np.asarray(np.median(values, axis=-1))


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=-1))


_MEASURES: dict[Statistic, Callable[[Floats], Floats]] = {"median": _median, "mean": _mean}


def _worth(differences: Floats, needed: int) -> tuple[int, Method]:
    """How many independent pairs there are, by what; 0 where they are too few for an interval."""
    if len(differences) < needed:
        return 0, "none"
    found = of_requests(differences, np.sort(differences))
    if found.method != "autocorrelation":
        return len(differences), "paired-bootstrap"
    worth = int(found.effective)
    if worth < max(needed, FEWEST_CORRELATED):
        return 0, "none"
    return worth, "paired-bootstrap-autocorrelation"


def _expanded(alpha: float, worth: int) -> float:
    """The share of replicates of a mean to leave out, so that few pairs have limits as wide as
    Student's: a bootstrap of few has too little spread (Hesterberg)."""
    return erfc(sqrt(worth / (worth - 1.0)) * t_quantile(1.0 - alpha / 2, worth - 1.0) / sqrt(2.0))


def _draws(draw: Callable[[int], Replicates], size: int, alpha: float) -> Replicates:
    """Enough replicates for limits this far out, some at a time to spare the memory."""
    wanted = max(_LEAST, ceil(2 * _TAIL / alpha))
    wanted = max(_LEAST, min(wanted, _BUDGET // size))
    parts = [draw(count) for count in _portions(wanted, max(1, _AT_ONCE // size))]
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


def _portions(whole: int, most: int) -> Iterator[int]:
    while whole > 0:
        yield min(whole, most)
        whole -= most


def _gap(pairs: int, a: float, b: float) -> Gap:
    return Gap(pairs, a, b, a - b, a / b if b > 0 else None)


def _sure(found: Gap, drawn: Replicates, alpha: float, method: Method) -> Gap:
    """The same with its intervals."""
    a, b = drawn
    return replace(
        found,
        difference_limits=_limits(a - b, alpha),
        ratio_limits=_limits(a / b, alpha) if (b > 0).all() else None,
        method=method,
    )


def _limits(values: Floats, alpha: float) -> Interval:
    ordered = np.sort(values)
    return quantile(ordered, alpha / 2), quantile(ordered, 1.0 - alpha / 2)


class Tail:
    """The long gaps of a pool, ready for the quantile of any drawing of its requests."""

    def __init__(self, pooled: Pooled, level: float) -> None:
        order = np.argsort(pooled.gaps, kind="stable")[::-1]
        owners = np.repeat(np.arange(len(pooled.sizes)), pooled.sizes)
        self._gaps = pooled.gaps[order]
        self._owners = owners[order]
        self._sizes = pooled.sizes
        self._level = level
        share = min(1.0, 4 * (1.0 - level))
        self.reach = min(len(order), int(share * len(order)) + 100)
        """How many gaps, the longest first, nearly every drawing decides among."""

    def quantiles(self, times: Ints) -> Floats:
        """For each row, which says how often each request was drawn; NaN where no gap is left."""
        rank: Floats = (times @ self._sizes - 1).astype(np.float64) * (1.0 - self._level)
        found = self._at(times, rank, self.reach)
        found = found if found is not None else self._all(times, rank)
        return np.where(rank >= 0.0, found, np.nan)

    def _all(self, times: Ints, rank: Floats) -> Floats:
        found = self._at(times, rank, len(self._gaps))
        assert found is not None
        return found

    def _at(self, times: Ints, rank: Floats, reach: int) -> Floats | None:
        """Between the two gaps nearest to this rank, counted from the longest as 0; None where the
        first `reach` gaps do not go so far."""
        passed = np.cumsum(times[:, self._owners[:reach]], axis=1)
        upper = np.floor(rank)
        # The rank behind the last gap is asked for only with a weight of 0.
        lower = np.minimum(upper + 1, times @ self._sizes - 1)
        if (passed[:, -1] <= lower).any():
            return None
        rows = [(passed > at[:, None]).argmax(axis=1) for at in (upper, lower)]
        high, low = (self._gaps[row] for row in rows)
        found: Floats = high + (low - high) * (rank - upper)
        return found
