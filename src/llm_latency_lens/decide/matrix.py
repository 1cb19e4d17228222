"""The decision matrix: candidates by criteria, put in one order.

Two ways of weighing, of which neither is right by nature:

- TOPSIS (Hwang and Yoon 1981): each column over its root sum of squares, times its weight; a
  candidate's score is its distance to the worst of all columns over the sum of that and its
  distance to the best of all.
- The weighted sum (Fishburn 1967), of each figure's ratio to the best in its column.

Values have candidates last but one and criteria last; whatever dimensions come before are
repetitions. A candidate that is not eligible is in no column and has the score -inf.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..metrics.intervals import Floats

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

NOBODY = -1
"""Stands for the first of no candidates."""


def topsis(values: Floats, eligible: Flags, weights: Floats, signs: Floats) -> Floats:
    """Relative closeness to the ideal, from 0 to 1; `signs` are 1 where more is better, else -1."""
    kept = eligible[..., None]
    known = np.where(kept, values, 0.0)
    norm = np.sqrt(np.square(known).sum(axis=-2, keepdims=True))
    weighed = signs * weights * known / np.where(norm > 0.0, norm, 1.0)
    best = np.where(kept, weighed, -np.inf).max(axis=-2, keepdims=True)
    worst = np.where(kept, weighed, np.inf).min(axis=-2, keepdims=True)
    from_best = _distance(weighed, np.where(np.isfinite(best), best, 0.0))
    from_worst = _distance(weighed, np.where(np.isfinite(worst), worst, 0.0))
    whole = from_best + from_worst
    # Where all are alike, each is the ideal.
    closeness = np.where(whole > 0.0, from_worst / np.where(whole > 0.0, whole, 1.0), 1.0)
    return np.where(eligible, closeness, -np.inf)


def _distance(weighed: Floats, place: Floats) -> Floats:
    found: Floats = np.sqrt(np.square(weighed - place).sum(axis=-1))
    return found


def weighted_sum(values: Floats, eligible: Flags, weights: Floats, signs: Floats) -> Floats:
    """Sum of weight times ratio to the best, from 0 to 1."""
    kept = eligible[..., None]
    most = np.where(kept, values, -np.inf).max(axis=-2, keepdims=True)
    least = np.where(kept, values, np.inf).min(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_more = np.where(most > 0.0, values / most, 1.0)
        of_less = np.where(values > least, least / values, 1.0)
    ratios = np.where(signs > 0.0, of_more, of_less)
    return np.where(eligible, (weights * np.where(kept, ratios, 0.0)).sum(axis=-1), -np.inf)


def first(scores: Floats) -> Places:
    """The place of the highest score, NOBODY where no candidate is eligible."""
    best: Places = scores.argmax(axis=-1)
    return np.where(np.isfinite(scores.max(axis=-1)), best, NOBODY)


def dominators(values: Floats, eligible: Flags, signs: Floats) -> list[int | None]:
    """For each candidate one that is at least as good in every criterion and better in one; None
    for those on the Pareto front, and for those that are not eligible."""
    better = signs * values
    found: list[int | None] = []
    for own, one in enumerate(better):
        beats = eligible & (better >= one).all(axis=-1) & (better > one).any(axis=-1)
        places = np.flatnonzero(beats)
        found.append(int(places[0]) if eligible[own] and len(places) else None)
    return found
