"""What would change the answer: another weight, another figure, another limit.

All by the figures as they were measured: each is moved alone, away from what it is, until another
candidate is first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from msgspec import Struct

from ..metrics.intervals import Floats
from .matrix import NOBODY, first, topsis
from .standing import Standing

_FARTHEST = 100.0
_FACTORS = np.geomspace(1.0, _FARTHEST, 926)[1:]
"""Steps of half a percent."""


class WeightChange(Struct, kw_only=True, frozen=True):
    """With its weight times `factor`, all others kept, `first` would be first."""

    metric: str
    factor: float
    first: str


class FigureChange(Struct, kw_only=True, frozen=True):
    """If this figure of this candidate were `to` instead of `value`, `first` would be first; null
    where nobody would keep the limits."""

    candidate: str
    metric: str
    value: float
    to: float
    first: str | None


class LimitChange(Struct, kw_only=True, frozen=True):
    """Without this limit, which it misses, the candidate would be first."""

    candidate: str
    requirement: str
    value: float


class Sensitivity(Struct, kw_only=True, frozen=True):
    """The nearest changes of each kind that give another answer; what is not named can change a
    hundredfold without doing so."""

    weights: list[WeightChange]
    figures: list[FigureChange]
    limits: list[LimitChange]


def sensitivity(standing: Standing) -> Sensitivity:
    """Of an answer that names somebody."""
    return Sensitivity(
        weights=list(_weights(standing)),
        figures=list(_figures(standing)),
        limits=list(_limits(standing)),
    )


def _weights(standing: Standing) -> Iterator[WeightChange]:
    if len(standing.wishes.criteria) < 2:
        return
    chosen, eligible = standing.point[:, standing.places], standing.eligible(standing.point)
    for place, one in enumerate(standing.wishes.criteria):
        for factors in (_FACTORS, 1.0 / _FACTORS):
            weights = np.tile(standing.weights, (len(factors), 1))
            weights[:, place] *= factors
            weights /= weights.sum(axis=1, keepdims=True)
            firsts = first(topsis(chosen, eligible, weights[:, None, :], standing.signs))
            if (at := _changed(firsts, standing.leader)) is not None:
                name = standing.names[firsts[at]]
                yield WeightChange(metric=one.metric, factor=float(factors[at]), first=name)


def _changed(firsts: np.ndarray, leader: int) -> int | None:
    places = np.flatnonzero(firsts != leader)
    return int(places[0]) if len(places) else None


def _figures(standing: Standing) -> Iterator[FigureChange]:
    """The first one's figures made worse, the others' made better."""
    signs = directions(standing)
    for candidate, name in enumerate(standing.names):
        for place, metric in enumerate(standing.metrics):
            if metric not in signs:
                continue  # a profile's, which nobody has
            value = float(standing.point[candidate, place])
            worse = candidate == standing.leader
            moved = _moved(value, up=(signs[metric] > 0.0) != worse)
            tried = np.tile(standing.point, (len(moved), 1, 1))
            tried[:, candidate, place] = moved
            firsts = first(standing.scores(tried))
            if (at := _changed(firsts, standing.leader)) is not None:
                found = firsts[at]
                yield FigureChange(
                    candidate=name,
                    metric=metric,
                    value=value,
                    to=float(moved[at]),
                    first=None if found == NOBODY else standing.names[found],
                )


def _moved(value: float, *, up: bool) -> Floats:
    """Farther and farther from the value; a share of nothing grows in steps of its own."""
    if value == 0.0 and up:
        return np.geomspace(1e-4, 1.0, 200)
    return value * (_FACTORS if up else 1.0 / _FACTORS)


def directions(standing: Standing) -> dict[str, float]:
    """1 where a figure should be high, -1 where low: by its criterion, else by its limit."""
    wishes = standing.wishes
    found = {one.metric: 1.0 if ">" in one.sign else -1.0 for one in wishes.requirements}
    return {**found, **{one.metric: float(one.sign) for one in wishes.criteria}}


def _limits(standing: Standing) -> Iterator[LimitChange]:
    """Candidates that one limit alone keeps from being first."""
    for one in standing.wishes.requirements:
        others = tuple(other for other in standing.wishes.requirements if other is not one)
        without = replace(standing, wishes=replace(standing.wishes, requirements=others))
        found = without.leader
        if found not in (standing.leader, NOBODY):
            value = float(standing.point[found, standing.metrics.index(one.metric)])
            yield LimitChange(candidate=standing.names[found], requirement=one.text, value=value)
