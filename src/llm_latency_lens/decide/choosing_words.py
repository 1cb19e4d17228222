"""A decision in words: who, how sure, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from ..metrics.objectives import COST, unit_of
from ..pricing import dollars
from .figures import RATE
from .matrix import NOBODY
from .sensitivity import directions
from .standing import Standing, lacking

if TYPE_CHECKING:
    from .decision import Answer, More, Option


def shown(metric: str, value: float) -> str:
    """A figure with its unit."""
    if metric == COST:
        return dollars(Decimal(f"{value:.3g}"))
    if metric == RATE:
        return f"{100 * value:.3g} %"
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} ms" if unit_of(metric) == "ms" else number


def sentence(
    standing: Standing, options: Sequence[Option], answer: Answer, more: Sequence[More] | None
) -> str:
    """The answer on one line or two."""
    shares = standing.shares()
    if answer == "nobody":
        return (
            "No candidate keeps every limit, in"
            f" {_percent(shares[NOBODY])} of resamples: {_limits(standing)}."
        )
    if answer == "decided":
        name, share = standing.names[standing.leader], _percent(shares[standing.leader])
        return f"Take {name}: it ranks first in {share} of resamples."
    return f"The data do not decide: {_standing(standing, options)}. {_advice(standing, more)}"


def _standing(standing: Standing, options: Sequence[Option]) -> str:
    told = [(one.first_share, one.name) for one in options if one.first_share >= 0.005]
    told.sort(reverse=True)
    parts = [f"{name} in {_percent(share)}" for share, name in told[:3]]
    if parts:
        parts[0] = f"{told[0][1]} ranks first in {_percent(told[0][0])} of resamples"
    nobody = standing.shares()[NOBODY]
    if nobody >= 0.005:
        parts.append(f"nobody keeps the limits in {_percent(nobody)}")
    return ", ".join(parts)


def _advice(standing: Standing, more: Sequence[More] | None) -> str:
    if more is None:
        return (
            "No number of requests within reason would tell them apart: by these wishes they are"
            " as good as alike."
        )
    if not more:
        return "A few more requests of each would."
    asked = [f"{one.requests:,} of {one.candidate}" for one in more]
    least = ""
    needs = [
        (n, name) for place in lacking(standing) for name, n in standing.lacking[place].items()
    ]
    if needs:
        most, name = max(needs)
        least = f"; {name} needs {most:,} requests at least"
    joined = " and ".join([", ".join(asked[:-1]), asked[-1]] if len(asked) > 1 else asked)
    return f"About {joined} more requests would{least}."


def _percent(share: float) -> str:
    if 0.995 <= share < 1.0:
        return f"{100 * min(share, 0.999):.1f} %"
    return f"{100 * share:.0f} %"


def _limits(standing: Standing) -> str:
    return ", ".join(one.text for one in standing.wishes.requirements)


# --- each candidate -------------------------------------------------------------------------


def misses(standing: Standing, place: int) -> list[str]:
    """What keeps the candidate from being ranked, each in words."""
    found = []
    for one in standing.wishes.requirements:
        value = float(standing.point[place, standing.metrics.index(one.metric)])
        if isnan(value):
            found.append(f"{one.text}: it has no {one.metric}")
        elif not one.met(type(one.limit)(value)):
            found.append(f"{one.text}: it has {shown(one.metric, value)}")
    limited = {one.metric for one in standing.wishes.requirements}
    for criterion in standing.wishes.criteria:
        column = standing.metrics.index(criterion.metric)
        if criterion.metric not in limited and np.isnan(standing.point[place, column]):
            found.append(f"it has no {criterion.metric}")
    return found


def reason(standing: Standing, place: int, dominator: int | None) -> str:
    """Why the candidate is where it is."""
    if found := misses(standing, place):
        return f"out: {'; '.join(found)}"
    leader = standing.leader
    if place == leader:
        return _of_first(standing)
    if dominator is not None:
        told = _beside(standing, place, dominator)
        return f"{standing.names[dominator]} is at least as good in everything: {told}"
    return f"beside {standing.names[leader]}: {_beside(standing, place, leader)}"


def _of_first(standing: Standing) -> str:
    eligible = standing.eligible(standing.point)
    best = []
    for column, sign, one in zip(
        standing.places, standing.signs, standing.wishes.criteria, strict=True
    ):
        values = np.where(eligible, sign * standing.point[:, column], -np.inf)
        if values[standing.leader] >= values.max():
            value = standing.point[standing.leader, column]
            best.append(f"{one.metric} ({shown(one.metric, value)})")
    if not int(eligible.sum()) > 1:
        return "the only one that keeps the limits"
    return f"best in {', '.join(best)}" if best else "best in nothing, and near the best in all"


def _beside(standing: Standing, place: int, other: int) -> str:
    """What it is better and worse in than another, what counts most first."""
    told: list[tuple[float, str]] = []
    for column, weight, one in zip(
        standing.places, standing.weights, standing.wishes.criteria, strict=True
    ):
        a, b = standing.point[place, column], standing.point[other, column]
        if a == b or not b:
            continue
        change = a / b - 1.0
        beside = f"{shown(one.metric, a)} against {shown(one.metric, b)} ({100 * change:+.0f} %)"
        told.append((weight * abs(change), f"{one.metric} {beside}"))
    told.sort(reverse=True)
    return ", ".join(text for _, text in told[:3]) or "alike in all"


# --- what a reader should know besides ------------------------------------------------------


def notes(standing: Standing, current: str | None) -> Iterator[str]:
    """Whatever qualifies the answer."""
    wishes, leader = standing.wishes, standing.leader
    known = directions(standing)
    left_out = [metric for metric in standing.metrics if metric not in known]
    if left_out:
        named = ", ".join(left_out)
        yield f"no candidate has {named}, which the profile would count: it is left out"
    if leader not in (NOBODY, standing.sums_leader):
        yield (
            f"the weighted sum puts {standing.names[standing.sums_leader]} first: the two ways of"
            " weighing do not agree, so that the weights matter more than the data"
        )
    if wishes.profile:
        own = " with your changes" if wishes.explicit else ""
        yield f"weights are those of the profile {wishes.profile}{own}"
    if current is not None and leader != NOBODY and standing.names[leader] == current:
        yield f"{current} is what is in use: nothing to change"
