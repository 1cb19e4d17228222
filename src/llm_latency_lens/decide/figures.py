"""Which figures candidates are chosen by, how they are written, and the usual sets of them.

    ttft_ms.p95   itl_ms.p99   output_tokens_per_second   cost   error_rate   quality

A figure without its statistic is the median; `cost` is `cost.per_request`; whatever else is a
column of the user's scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

from ..errors import UsageError
from ..metrics.intervals import LEVELS
from ..metrics.objectives import COST, Objective, parse_limit
from .sample import KEPT

RATE, GAPS, MEAN = "error_rate", "itl_ms", "mean"
_STATISTICS = (*LEVELS, MEAN)
_NAMES = (GAPS, *KEPT)
FIGURES = (*(f"{name}.{of}" for name in _NAMES for of in _STATISTICS), RATE, COST)
_USUAL = {"cost": COST, **{name: f"{name}.p50" for name in _NAMES}}

Profile = Literal["interactive", "batch", "cheapest"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A figure that should be high (`sign` 1) or low (-1), and how much it counts."""

    metric: str
    sign: Literal[1, -1]
    weight: float = 1.0


PROFILES: Mapping[str, tuple[Criterion, ...]] = {
    "interactive": (
        Criterion("ttft_ms.p95", -1, 4.0),
        Criterion("itl_ms.p95", -1, 2.0),
        Criterion("output_tokens_per_second.p50", 1, 2.0),
        Criterion(COST, -1, 2.0),
    ),
    "batch": (
        Criterion(COST, -1, 6.0),
        Criterion("output_tokens_per_second.p50", 1, 2.0),
        Criterion("e2e_ms.mean", -1, 2.0),
    ),
    "cheapest": (Criterion(COST, -1, 1.0),),
}
RELIABLE = "error_rate<5%"
"""Asked of every candidate where a profile is used and nothing else is asked of the error rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is wanted: limits that must be kept, and criteria, of which `explicit` were named by
    the user: those must be known of some candidate, while a profile's may be left out."""

    requirements: tuple[Objective, ...] = ()
    criteria: tuple[Criterion, ...]
    explicit: frozenset[str] = frozenset()
    profile: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every figure that is needed, each once: those of the criteria first."""
        named = [one.metric for one in self.criteria] + [one.metric for one in self.requirements]
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Wishes as a person writes them."""

    require: Sequence[str] = ()
    minimise: Sequence[str] = ()
    maximise: Sequence[str] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    profile: str | None = None


def wishes_of(asked: Asked, columns: Sequence[str] = ()) -> Wishes:
    """The wishes; `columns` are those of the user's scores, which count as something to be high
    unless they are named otherwise. Without any criterion the profile is `interactive`. Raises
    UsageError."""
    for column in columns:
        if column in FIGURES or column in _USUAL:
            raise UsageError(f"the scores' column {column} has the name of a measured figure")
    named = _named(asked, columns)
    requirements = tuple(_requirement(text, columns) for text in asked.require)
    profile = asked.profile or (None if named else "interactive")
    if profile and profile not in PROFILES:
        raise UsageError(f"there is no profile {profile}: {', '.join(PROFILES)}")
    criteria = {one.metric: one for one in PROFILES.get(profile or "", ())}
    limited = {one.metric for one in requirements}
    free = [column for column in columns if column not in named and column not in limited]
    criteria |= {column: Criterion(column, 1) for column in free}
    criteria |= named
    weights = {figure(name, columns): weight for name, weight in asked.weights.items()}
    for metric, weight in weights.items():
        if metric not in criteria:
            known = ", ".join(criteria)
            raise UsageError(f"--weight {metric}: this is no criterion here, but {known}")
        criteria[metric] = replace(criteria[metric], weight=weight)
    if profile and RATE not in limited:
        requirements = (*requirements, parse_limit(RELIABLE, lambda _: None))
    return Wishes(
        requirements=requirements,
        criteria=tuple(one for one in criteria.values() if one.weight > 0.0),
        explicit=frozenset({*named, *weights}),
        profile=profile,
    )


def _named(asked: Asked, columns: Sequence[str]) -> dict[str, Criterion]:
    found: dict[str, Criterion] = {}
    signs: tuple[tuple[Sequence[str], Literal[1, -1]], ...] = (
        (asked.minimise, -1),
        (asked.maximise, 1),
    )
    for names, sign in signs:
        for name in names:
            metric = figure(name, columns)
            if metric in found:
                raise UsageError(f"{metric} is named twice as a criterion")
            found[metric] = Criterion(metric, sign)
    return found


def figure(text: str, columns: Sequence[str] = ()) -> str:
    """The whole name of a figure, or of a column. Raises UsageError, with what is nearest."""
    name = text.strip().removeprefix("metrics.")
    name = _USUAL.get(name, name)
    if matter := _wrong(name, columns):
        raise UsageError(f"{text!r}: {matter}")
    return name


def _requirement(text: str, columns: Sequence[str]) -> Objective:
    found = parse_limit(text, lambda metric: _wrong(metric.removeprefix("metrics."), columns))
    return replace(found, metric=found.metric.removeprefix("metrics."))


def _wrong(metric: str, columns: Sequence[str]) -> str | None:
    if metric in FIGURES or metric in columns:
        return None
    if metric in _USUAL:
        near = [_USUAL[metric]]
        if metric in _NAMES:
            near = [f"{metric}.{of}" for of in ("p50", "p95", "mean")]
    else:
        near = get_close_matches(metric, [*columns, *_USUAL, *FIGURES], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "write one such as ttft_ms.p95"
    return f"candidates cannot be chosen by {metric}: {hint}"
