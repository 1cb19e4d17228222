"""When did a figure change? Change points of a series, without a model of its values.

Hierarchical divisive estimation (E-divisive: Matteson and James 2014): the split whose two sides
differ most, by their energy distance, is a change when few random orders of the same values have
a split that differs as much; then the parts are searched in the same way. Here values are replaced
by their ranks, which makes the distance that of Cramer and von Mises: it is the same for a figure
and its logarithm, and one odd run is one rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST = 8
"""Values, below which nothing is said."""
SIDE = 4
"""Values on each side of a change, at least."""
ALPHA = 0.05
"""How often a series without a change is said to have one."""
ORDERS = 999
"""Random orders that a split is held against."""
FEWEST_ALIKE = 20
"""Values, below which it cannot be seen whether neighbours resemble each other."""
BLOCKS = 8
"""Blocks of neighbours, at least: fewer have too few orders."""
MOST = 200
"""Values; more are replaced by medians of neighbours."""


@dataclass(frozen=True, slots=True)
class Change:
    """`at` is the first value after the change; `before` and `after` are medians of the values
    from the change before, or the beginning, and to the one after, or the end."""

    at: int
    before: float
    after: float
    p: float


def changes(values: Sequence[float], *, seed: int = 0) -> list[Change]:
    """The changes in a series, in its order; none for fewer than `FEWEST` values."""
    series = np.asarray(values, np.float64)
    if len(series) < FEWEST:
        return []
    step = -(-len(series) // MOST)
    ranks = ranked(_thinned(series, step))
    found = _search(ranks, np.random.default_rng(seed))
    cuts = sorted(found)
    bounds = [0, *(cut * step for cut in cuts), len(series)]
    return [
        Change(
            at=bounds[i],
            before=float(np.median(series[bounds[i - 1] : bounds[i]])),
            after=float(np.median(series[bounds[i] : bounds[i + 1]])),
            p=found[cut],
        )
        for i, cut in enumerate(cuts, 1)
    ]


def _search(ranks: Floats, rng: np.random.Generator) -> dict[int, float]:
    """Where the changes are, and the p value with which each was found."""
    found: dict[int, float] = {}
    length = _memory(ranks)
    while True:
        edges = [0, *sorted(found), len(ranks)]
        parts = [ranks[a:b] for a, b in pairwise(edges)]
        best = max(
            ((*_best(part), edge) for part, edge in zip(parts, edges, strict=False)),
            key=lambda split: split[0],
        )
        cut = best[2] + best[1]
        if best[0] <= 0.0:
            return found
        p = _p(best[0], parts, length, rng)
        if p > ALPHA:
            return found
        found[cut] = p


def _p(distance: float, parts: list[Floats], length: int, rng: np.random.Generator) -> float:
    """How often parts in random order have a split as good; stops when it is often."""
    as_good = 0
    for _ in range(ORDERS):
        as_good += max(_best(_shuffled(part, length, rng))[0] for part in parts) >= distance
        if as_good >= ALPHA * (ORDERS + 1):
            return 1.0
    return (as_good + 1) / (ORDERS + 1)


def _memory(ranks: Floats) -> int:
    """How many neighbours are shuffled together, so that they go on resembling each other: the
    length of blocks for a mean (Carlstein 1986), 1 where neighbours are independent.

    How much they resemble each other is seen in steps of one and of two values: the second are
    larger by as much. The largest steps are left out, for they may be changes.
    """
    n = len(ranks)
    if n < FEWEST_ALIKE:
        return 1
    left_out = n // 10
    one, two = (
        float(np.sort((ranks[lag:] - ranks[:-lag]) ** 2)[:-left_out].mean()) for lag in (1, 2)
    )
    alike = min(two / one - 1, 0.9) if one else 0.0
    if alike <= n**-0.5:
        return 1
    wanted = (1.5 * n * (2 * alike / (1 - alike**2)) ** 2) ** (1 / 3)
    return max(1, min(round(float(wanted)), n // BLOCKS))


def _shuffled(part: Floats, length: int, rng: np.random.Generator) -> Floats:
    """The values in random order, blocks of neighbours kept together."""
    if length == 1 or len(part) <= length:
        return rng.permutation(part)
    turned = np.roll(part, rng.integers(len(part)))
    blocks = [turned[i : i + length] for i in range(0, len(part), length)]
    return np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])


def _best(part: Floats) -> tuple[float, int]:
    """The largest distance between neighbouring stretches, and where they meet.

    The first begins with the part; the second ends anywhere, so that what comes and goes is seen.
    """
    n = len(part)
    if n < 2 * SIDE:
        return 0.0, 0
    sums = np.abs(part[:, None] - part).cumsum(axis=0).cumsum(axis=1)
    meet = np.arange(SIDE, n - SIDE + 1)
    end = np.arange(2 * SIDE, n + 1)
    first = sums[meet - 1, meet - 1][:, None]  # every pair twice, here and below
    both = sums[end - 1, end - 1]
    shared = sums[np.ix_(meet - 1, end - 1)]
    between, second = shared - first, both - 2 * shared + first
    left, right = meet[:, None].astype(float), (end - meet[:, None]).astype(float)
    allowed = right >= SIDE
    right = np.where(allowed, right, SIDE)
    energy = (
        2 * between / (left * right) - first / (left * (left - 1)) - second / (right * (right - 1))
    )
    distances = np.where(allowed, energy * left * right / (left + right), 0.0)
    place = int(np.argmax(distances))
    return float(distances.flat[place]), int(meet[place // len(end)])


def ranked(values: Floats) -> Floats:
    """Twice the rank of each value, the mean of the ranks where values are equal."""
    ordered = np.sort(values)
    ranks = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")
    return ranks.astype(np.float64)


def _thinned(series: Floats, step: int) -> Floats:
    if step == 1:
        return series
    return np.array([np.median(series[i : i + step]) for i in range(0, len(series), step)])
