"""Which candidate to take: measured candidates and wishes in, one decision out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np

from ..errors import UsageError
from ..metrics.intervals import Floats, quantile
from . import choosing_words as words
from .decision import Answer, Change, Decision, Figure, More, Option, Spent, Weighed
from .figures import Wishes
from .matrix import NOBODY, dominators, weighted_sum
from .resample import Candidate
from .sensitivity import directions, sensitivity
from .standing import CONFIDENCE, RESAMPLES, Standing, enough, is_decided, standing_of

_ORIGIN = ("provider", "model", "base_url", "region", "project", "api_version", "operation")


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a decision is made. `current` is the candidate in use."""

    current: str | None = None
    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = 0
    runs: Sequence[str] = ()
    spent: Spent | None = None
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The settings with which each candidate was measured."""
    notes: Sequence[str] = ()


def choose(candidates: Sequence[Candidate], wishes: Wishes, how: How) -> Decision:
    """The decision. Raises UsageError where there is nothing to decide by."""
    check_names([one.name for one in candidates], how.current)
    standing = standing_of(candidates, wishes, resamples=how.resamples, seed=how.seed)
    check_known(standing, wishes)
    return decision_of(standing, candidates, how)


def check_names(names: Sequence[str], current: str | None) -> None:
    """Raise UsageError for what is no choice."""
    if len(names) < 2:
        raise UsageError("a choice needs two candidates or more")
    if current is not None and current not in names:
        raise UsageError(f"--current {current}: no such candidate; there are {', '.join(names)}")


def check_known(standing: Standing, wishes: Wishes) -> None:
    """Raise UsageError for a criterion or a limit on a figure that no candidate has."""
    needed = [one.metric for one in standing.wishes.criteria]
    needed += [one.metric for one in wishes.requirements]
    for metric in needed:
        if np.isnan(standing.point[:, standing.metrics.index(metric)]).all():
            hint = ": add prices with --prices FILE" if metric.startswith("cost.") else ""
            raise UsageError(f"no candidate has {metric}{hint}")
    if not standing.wishes.criteria:
        raise UsageError("there is no criterion left to choose by: name one with --minimise")


def decision_of(standing: Standing, candidates: Sequence[Candidate], how: How) -> Decision:
    """What the standing comes to."""
    leader, shares = standing.leader, standing.shares()
    decided = is_decided(standing, how.confidence)
    answer: Answer = "decided" if decided else "not enough data"
    if decided and leader == NOBODY:
        answer = "nobody"
    options = list(_options(standing, candidates, shares, how))
    more = [] if decided else _more(standing, how.confidence)
    changes = list(_changes(standing, how.current)) if leader != NOBODY else []
    return Decision(
        answer=answer,
        recommended=None if leader == NOBODY else standing.names[leader],
        sentence=words.sentence(standing, options, answer, more),
        share=float(shares[leader]),
        confidence=how.confidence,
        resamples=how.resamples,
        seed=how.seed,
        profile=standing.wishes.profile,
        requirements=[one.text for one in standing.wishes.requirements],
        criteria=[
            Weighed(metric=one.metric, direction="high" if one.sign > 0 else "low", weight=weight)
            for one, weight in zip(standing.wishes.criteria, standing.weights.tolist(), strict=True)
        ],
        candidates=options,
        more=more,
        sensitivity=None if leader == NOBODY else sensitivity(standing),
        current=how.current,
        changes=changes,
        notes=[*words.notes(standing, how.current), *how.notes],
        runs=list(how.runs),
        spent=how.spent,
    )


def _more(standing: Standing, confidence: float) -> list[More] | None:
    wanted = enough(standing, confidence)
    if wanted is None:
        return None
    return [
        More(candidate=standing.names[place], requests=_rounded(size - standing.requests[place]))
        for place, size in wanted.items()
    ]


def _rounded(requests: int) -> int:
    """Up, to two digits: it is an estimate."""
    unit: int = 10 ** max(0, len(str(requests)) - 2)
    return -(-requests // unit) * unit


def _options(
    standing: Standing, candidates: Sequence[Candidate], shares: Floats, how: How
) -> Iterator[Option]:
    point = standing.point
    eligible = standing.eligible(point)
    scores, sums = standing.scores(point), standing.scores(point, weighted_sum)
    ranks, sum_ranks = _ranks(scores), _ranks(sums)
    above = dominators(point[:, standing.places], eligible, standing.signs)
    for place, one in enumerate(candidates):
        origin = how.origins.get(one.name, {})
        able = bool(eligible[place])
        dominator = above[place]
        yield Option(
            name=one.name,
            origin={key: origin[key] for key in _ORIGIN if origin.get(key)},
            requests=one.requests,
            failed=int(one.sample.failed.sum()),
            eligible=able,
            rank=ranks[place] if able else None,
            topsis=float(scores[place]) if able else None,
            weighted_sum=float(sums[place]) if able else None,
            weighted_sum_rank=sum_ranks[place] if able else None,
            first_share=float(shares[place]),
            dominated_by=None if dominator is None else standing.names[dominator],
            misses=words.misses(standing, place),
            figures={
                metric: _figure(standing, place, column)
                for column, metric in enumerate(standing.metrics)
            },
            reason=words.reason(standing, place, dominator),
        )


def _ranks(scores: Floats) -> list[int]:
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(len(scores), np.int64)
    ranks[order] = np.arange(1, len(scores) + 1)
    return [int(rank) for rank in ranks]


def _figure(standing: Standing, place: int, column: int) -> Figure:
    value = float(standing.point[place, column])
    if isnan(value):
        return Figure(value=None, ci95=None)
    return Figure(value=value, ci95=_limits(standing.drawn[place, :, column]))


def _limits(drawn: Floats) -> tuple[float, float] | None:
    ordered = np.sort(drawn[~np.isnan(drawn)])
    if not len(ordered):
        return None
    return quantile(ordered, 0.025), quantile(ordered, 0.975)


def _changes(standing: Standing, current: str | None) -> Iterator[Change]:
    if current is None or current == standing.names[standing.leader]:
        return
    old, new = standing.names.index(current), standing.leader
    for column, metric in enumerate(standing.metrics):
        if metric not in directions(standing):
            continue
        a, b = (float(standing.point[place, column]) for place in (old, new))
        limits = _limits(standing.drawn[new, :, column] - standing.drawn[old, :, column])
        if not isnan(a) and not isnan(b) and limits:
            yield Change(
                metric=metric,
                current=a,
                recommended=b,
                difference=b - a,
                difference_ci95=limits,
                relative=(b - a) / a if a else None,
            )
