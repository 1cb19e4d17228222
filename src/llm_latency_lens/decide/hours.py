"""Does a figure depend on the hour of the day?

The test of Kruskal and Wallis on the values of runs, grouped by hour. Groups are small, so that its
p value comes from random orders of the values and not from a table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .changes import Floats, ranked

RUNS_AN_HOUR = 3
"""Runs in an hour, below which the hour is not compared."""
ORDERS = 1999


def differ(hours: Sequence[int], values: Sequence[float], *, seed: int = 0) -> float | None:
    """The p value of no difference between hours; None for fewer than two hours with
    `RUNS_AN_HOUR` runs each."""
    found, counts = np.unique(np.asarray(hours), return_counts=True)
    chosen = np.isin(hours, found[counts >= RUNS_AN_HOUR])
    places = np.unique(np.asarray(hours)[chosen], return_inverse=True)[1]
    if not len(places) or places.max() < 1:
        return None
    ranks = ranked(np.asarray(values, np.float64)[chosen])
    sizes = np.bincount(places)

    def between(order: Floats) -> float:
        sums = np.bincount(places, order)
        return float((sums * sums / sizes).sum())

    rng = np.random.default_rng(seed)
    # A billionth less, so that the same sum added up in another order counts as the same.
    limit = between(ranks) * (1 - 1e-9)
    as_large = sum(between(rng.permutation(ranks)) >= limit for _ in range(ORDERS))
    return (as_large + 1) / (ORDERS + 1)
