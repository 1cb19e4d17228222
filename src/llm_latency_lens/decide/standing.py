"""How candidates stand: who is first as measured, in how many resamples, and what would decide.

A resample is one way in which the requests could have come out as well. In each, the limits are
checked and the order is found anew; the share in which a candidate is first is how sure one can be
of it. What more requests would do is foreseen by drawing the resamples nearer to what was
measured, as the square root of the requests would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, inf

import numpy as np

from ..metrics.intervals import Floats
from ..metrics.objectives import Objective
from .figures import Wishes
from .matrix import NOBODY, Flags, Places, first, topsis, weighted_sum
from .resample import Candidate, figures_of

RESAMPLES = 2000
CONFIDENCE = 0.95
MOST = 1_000_000
"""Requests of a candidate beyond which nothing is foreseen."""
_STEP = 1.5
_POWER = 1.0 + 0.8416 / 1.6449
"""How much farther the answer must be from another for four runs in five to decide it."""
_SMALL = 0.005
"""A share of resamples below which a candidate is not worth more requests."""


@dataclass(frozen=True)
class Standing:
    """Arrays have candidates first, then resamples (but `point`), then metrics."""

    names: tuple[str, ...]
    metrics: tuple[str, ...]
    wishes: Wishes
    requests: tuple[int, ...]
    point: Floats
    drawn: Floats
    lacking: tuple[Mapping[str, int], ...]

    @property
    def places(self) -> list[int]:
        """Of the criteria among the metrics."""
        return [self.metrics.index(one.metric) for one in self.wishes.criteria]

    @property
    def weights(self) -> Floats:
        found = np.array([one.weight for one in self.wishes.criteria])
        shares: Floats = found / found.sum()
        return shares

    @property
    def signs(self) -> Floats:
        return np.array([float(one.sign) for one in self.wishes.criteria])

    def eligible(self, values: Floats) -> Flags:
        """Who keeps every limit and has every figure that it is ranked by."""
        known: Flags = np.asarray(~np.isnan(values[..., self.places]).any(axis=-1))
        for one in self.wishes.requirements:
            known &= _kept(one, values[..., self.metrics.index(one.metric)])
        return known

    def scores(self, values: Floats, how: Callable[..., Floats] = topsis) -> Floats:
        """Scores of the candidates, who are last but one in `values`."""
        chosen = values[..., self.places]
        eligible = self.eligible(values)
        return how(chosen, eligible, self.weights, self.signs)

    @cached_property
    def leader(self) -> int:
        """Who is first as measured; NOBODY where nobody keeps the limits."""
        return int(first(self.scores(self.point)))

    @property
    def sums_leader(self) -> int:
        """Who is first by the weighted sum."""
        return int(first(self.scores(self.point, weighted_sum)))

    def firsts(self, times: Sequence[float] | None = None) -> Places:
        """Who is first in each resample, if every candidate had so many times its requests."""
        drawn = self.drawn
        if times is not None:
            shrunk = 1.0 / np.sqrt(np.array(times))[:, None, None]
            drawn = self.point[:, None, :] + (drawn - self.point[:, None, :]) * shrunk
        return first(self.scores(drawn.swapaxes(0, 1)))

    def otherwise(self, times: Sequence[float] | None = None) -> float:
        """Share of resamples that give another answer than the measured figures do."""
        return float((self.firsts(times) != self.leader).mean())

    def shares(self) -> Floats:
        """Of resamples, for each candidate and at the end for nobody."""
        found = self.firsts()
        nobody = len(self.names)
        counts = np.bincount(np.where(found == NOBODY, nobody, found), minlength=nobody + 1)
        return counts / len(found)


def _kept(limit: Objective, values: Floats) -> Flags:
    bound = float(limit.limit)
    with np.errstate(invalid="ignore"):
        match limit.sign:
            case "<":
                return np.asarray(values < bound)
            case "<=":
                return np.asarray(values <= bound)
            case ">":
                return np.asarray(values > bound)
    return np.asarray(values >= bound)


def standing_of(
    candidates: Sequence[Candidate],
    wishes: Wishes,
    *,
    resamples: int = RESAMPLES,
    seed: int | Sequence[int] = 0,
) -> Standing:
    """How they stand by these wishes. A profile's criterion that no candidate has is left out."""
    metrics = wishes.metrics
    # Each candidate has a generator of its own, so that its resamples are the same in any company.
    seeds = [seed] if isinstance(seed, int) else [*seed]
    found = [
        figures_of(one, metrics, resamples, np.random.default_rng([*seeds, *one.name.encode()]))
        for one in candidates
    ]
    point = np.stack([one.point for one in found])
    criteria = tuple(
        one
        for one in wishes.criteria
        if one.metric in wishes.explicit or not np.isnan(point[:, metrics.index(one.metric)]).all()
    )
    return Standing(
        names=tuple(one.name for one in candidates),
        metrics=metrics,
        wishes=replace(wishes, criteria=criteria),
        requests=tuple(one.requests for one in candidates),
        point=point,
        drawn=np.stack([one.drawn for one in found]),
        lacking=tuple(one.lacking for one in found),
    )


# --- deciding -------------------------------------------------------------------------------


def matter(standing: Standing) -> list[int]:
    """Candidates of whom more requests could change the answer: the first, those that are first in
    some resamples, and those whose own figures alone make another one first, as by the limit that
    they are near to."""
    shares = standing.shares()[: len(standing.names)]
    found = {*np.flatnonzero(shares >= _SMALL).tolist(), *_doubtful(standing)}
    if standing.leader != NOBODY:
        found.add(standing.leader)
    return sorted(found)


def _doubtful(standing: Standing) -> list[int]:
    """Candidates whose own spread changes the answer while all others are as measured."""
    places = range(len(standing.names))
    alone = ([1.0 if other == place else inf for other in places] for place in places)
    return [place for place, times in enumerate(alone) if standing.otherwise(times) >= _SMALL]


def lacking(standing: Standing) -> dict[int, int]:
    """Requests that candidates who matter need at the very least, where they have fewer."""
    found = {place: max(standing.lacking[place].values(), default=0) for place in matter(standing)}
    return {place: needed for place, needed in found.items() if needed}


def is_decided(standing: Standing, confidence: float) -> bool:
    """Whether the answer, be it that nobody keeps the limits, comes out of so many resamples, and
    every figure that it rests on has requests enough."""
    return standing.otherwise() <= 1.0 - confidence and not lacking(standing)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Requests that each candidate should have, and whether that would decide."""

    sizes: tuple[int, ...]
    decides: bool


def foresee(standing: Standing, confidence: float, power: float = 1.0) -> Foreseen:
    """Where more requests should go, step by step to whom they take the most doubt for the fewest
    (as in optimal computing budget allocation: Chen, Lin, Yucesan and Chick 2000), until the
    answer would stand. `power` widens all spreads, for the answer to stand in most repetitions."""
    least = lacking(standing)
    sizes = [max(n, least.get(place, 1)) for place, n in enumerate(standing.requests)]

    def doubt(wanted: Sequence[float]) -> float:
        pairs = zip(wanted, standing.requests, strict=True)
        return standing.otherwise([size / max(1, n) / power**2 for size, n in pairs])

    now = doubt(sizes)
    while now > 1.0 - confidence:
        if max(sizes) > MOST:
            return Foreseen(tuple(sizes), False)
        grown = [ceil(size * _STEP) for size in sizes]
        tried = [doubt([*sizes[:i], grown[i], *sizes[i + 1 :]]) for i in range(len(sizes))]
        gains = [(now - after) / (grown[i] - sizes[i]) for i, after in enumerate(tried)]
        best = int(np.argmax(gains))
        chosen = [best] if gains[best] > 0.0 else _doubtful(standing) or matter(standing)
        for place in chosen:
            sizes[place] = grown[place]
        now = doubt(sizes)
    return Foreseen(tuple(sizes), True)


def enough(standing: Standing, confidence: float) -> dict[int, int] | None:
    """How many requests, of whom, would decide in four runs of five, by what was measured so far;
    None where no number within reason would."""
    found = foresee(standing, confidence, _POWER)
    if not found.decides:
        return None
    pairs = enumerate(zip(found.sizes, standing.requests, strict=True))
    return {place: size for place, (size, n) in pairs if size > n}
