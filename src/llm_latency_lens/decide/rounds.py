"""What to measure next, so that nothing is measured that cannot change the answer.

Successive elimination (Even-Dar, Mannor and Mansour 2006): every candidate is measured alike, and
one is left out of the next round when it is all but certain that it is not the best. Here that is
told by the resamples and not by a bound for rewards between 0 and 1, which latencies are not; one
that was left out comes back if others' figures bring it back into reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from ..metrics.intervals import LEVELS, fewest
from .figures import Wishes
from .standing import Standing, foresee, is_decided, matter

FIRST = 20
"""Requests of each candidate in the first round at least."""
_GROWTH = 0.4
"""A round has at most so many times the requests of all rounds before it."""
_FEWEST = 5
"""Requests for which a candidate is asked at all."""


def first_round(wishes: Wishes) -> int:
    """Requests of each candidate, enough for every figure to be known at all."""
    levels = [name.rpartition(".")[2] for name in wishes.metrics]
    return max([FIRST, *(fewest(LEVELS[level]) for level in levels if level in LEVELS)])


def next_round(standing: Standing, confidence: float) -> Mapping[str, int]:
    """Requests for each candidate that still counts; empty when the answer is settled."""
    if is_decided(standing, confidence):
        return {}
    sizes = foresee(standing, confidence).sizes
    more = [size - n for size, n in zip(sizes, standing.requests, strict=True)]
    share = min(1.0, _GROWTH * sum(standing.requests) / max(1, sum(more)))
    scaled = [max(_FEWEST, ceil(n * share)) if n * share >= 1.0 else 0 for n in more]
    if not any(scaled):
        scaled = [_FEWEST if place in matter(standing) else 0 for place in range(len(more))]
    return {name: n for name, n in zip(standing.names, scaled, strict=True) if n}
