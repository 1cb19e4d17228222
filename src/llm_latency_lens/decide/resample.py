"""A candidate's figures as they were measured, and as they could have been measured as well.

Requests are drawn again and again from those that were answered (bootstrap; the unit is the
request, with all that was measured of it, so that figures which go together stay together). Where
neighbours in time resemble one another, only as many are drawn as the sample is worth. A share
that is small can be seen as none at all: it is drawn from what its counts leave possible (Jeffreys'
interval: Brown, Cai and DasGupta 2001). The user's scores are taken for exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil, nan

import numpy as np

from ..metrics.intervals import FEWEST, LEVELS, Floats, fewest, of_requests
from ..metrics.objectives import COST
from ..metrics.paired import Ints, Pooled, Tail
from .figures import GAPS, MEAN, RATE
from .sample import Sample, value

_AT_ONCE = 1 << 21
"""Counts of requests held at a time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of those to choose from: what was measured of it, and what the user says of it."""

    name: str
    sample: Sample
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return len(self.sample.failed)


@dataclass(frozen=True, slots=True)
class Figures:
    """The named figures of one candidate: `point` as measured (NaN where there is none), `drawn`
    with one row for each resample. `lacking` are requests that a figure needs at least, where the
    candidate has fewer; those that resemble their neighbours count for less."""

    point: Floats
    drawn: Floats
    lacking: Mapping[str, int]


def figures_of(
    candidate: Candidate, metrics: Sequence[str], count: int, rng: np.random.Generator
) -> Figures:
    """The figures with `count` resamples of them."""
    columns = {name: _column(candidate, name) for name in metrics}
    point = np.array([_point(candidate, name, columns[name]) for name in metrics])
    drawn = np.full((count, len(metrics)), nan)
    for place, name in enumerate(metrics):
        if name in candidate.scores:
            drawn[:, place] = candidate.scores[name]
        elif name == RATE:
            drawn[:, place] = _shares(candidate.sample, count, rng)
    resampled = {name: column for name, column in columns.items() if column is not None}
    drawers = {name: _drawer(name, column) for name, column in resampled.items()}
    n = candidate.sample.answers
    worths = {name: _worth(column) for name, column in resampled.items()}
    share = min((worths[name] / _count(column) for name, column in resampled.items()), default=0.0)
    worth = max(1, int(share * n))
    begin = 0
    for rows in _portions(count if drawers else 0, max(1, _AT_ONCE // max(n, 1))):
        times = _times(n, worth, rows, rng)
        for name, draw in drawers.items():
            drawn[begin : begin + rows, metrics.index(name)] = draw(times)
        begin += rows
    needed = {name: _needed(name) for name in resampled}
    lacking = {
        name: ceil(needed[name] * _count(column) / max(1, worths[name]))
        for name, column in resampled.items()
        if worths[name] < needed[name]
    }
    return Figures(point, drawn, lacking)


# --- what a figure is made of ---------------------------------------------------------------


def _column(candidate: Candidate, name: str) -> Pooled | None:
    """The values, those of one request side by side; None for what is not drawn from requests, and
    for what no request has."""
    sample = candidate.sample
    if name in candidate.scores or name == RATE:
        return None
    metric = name if name == COST else name.split(".", maxsplit=1)[0]
    if metric == GAPS:
        found = Pooled(value(sample.gaps), sample.sizes)
    elif metric == COST:
        costs = [nan if cost is None else float(cost) for cost in sample.costs]
        found = _one_each(np.array(costs, np.float64))
    elif metric in sample.figures:
        found = _one_each(value(sample.figures[metric]))
    else:
        return None
    return found if len(found.gaps) else None


def _one_each(values: Floats) -> Pooled:
    known = ~np.isnan(values)
    return Pooled(values[known], known.astype(np.int64))


def _point(candidate: Candidate, name: str, column: Pooled | None) -> float:
    sample = candidate.sample
    if name in candidate.scores:
        return candidate.scores[name]
    if name == RATE:
        return float(sample.failed.mean()) if len(sample.failed) else nan
    if column is None:
        return nan
    if name == COST:
        known = [cost for cost in sample.costs if cost is not None]
        return float(sum(known, Decimal(0)) / len(known))
    of = name.split(".")[1]
    if of == MEAN:
        return float(column.gaps.mean())
    return float(np.quantile(column.gaps, LEVELS[of]))


def _count(column: Pooled) -> int:
    return int((column.sizes > 0).sum())


def _worth(column: Pooled) -> int:
    """Independent requests that these values are worth."""
    kept = column.sizes > 0
    begins = (np.cumsum(column.sizes) - column.sizes)[kept]
    each = np.add.reduceat(column.gaps, begins) / column.sizes[kept]
    found = of_requests(each, np.sort(each))
    return int(found.effective) if found.effective else len(each)


def _needed(name: str) -> int:
    of = name.rpartition(".")[2]
    return fewest(LEVELS[of]) if of in LEVELS else FEWEST


# --- drawing --------------------------------------------------------------------------------


def _shares(sample: Sample, count: int, rng: np.random.Generator) -> Floats:
    hits, size = float(sample.failed.sum()), len(sample.failed)
    found: Floats = rng.beta(hits + 0.5, size - hits + 0.5, count)
    return found


def _times(n: int, worth: int, rows: int, rng: np.random.Generator) -> Ints:
    """How often each of `n` requests was drawn, in each row."""
    chosen = rng.integers(0, n, (rows, worth)) + n * np.arange(rows)[:, None]
    found: Ints = np.bincount(chosen.ravel(), minlength=rows * n).reshape(rows, n)
    return found


def _portions(whole: int, most: int) -> Iterator[int]:
    while whole > 0:
        yield min(whole, most)
        whole -= most


class _Mean:
    def __init__(self, column: Pooled) -> None:
        begins = np.cumsum(column.sizes) - column.sizes
        sums = np.concatenate(([0.0], np.cumsum(column.gaps)))
        self._sums = sums[begins + column.sizes] - sums[begins]
        self._sizes = column.sizes

    def __call__(self, times: Ints) -> Floats:
        sizes = times @ self._sizes
        found: Floats = np.where(sizes > 0, times @ self._sums / np.maximum(sizes, 1), nan)
        return found


def _drawer(name: str, column: Pooled) -> Callable[[Ints], Floats]:
    of = name.rpartition(".")[2]
    return Tail(column, LEVELS[of]).quantiles if of in LEVELS else _Mean(column)
