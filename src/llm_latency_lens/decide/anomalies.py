"""Is this hour unlike the same hour of earlier days?

The modified z-score of Iglewicz and Hoaglin (1993): 0.6745 times the distance from the median, in
median absolute deviations; above 3.5 a value is called an outlier. It is taken of logarithms, so
that twice as slow and half as slow are equally far.

The median is that of the same hour of up to 28 days before. Of seven values their own deviation
says little (one in thirty ordinary values would pass 3.5), so the deviations of all hours of the
day are pooled, each value against the median of the *other* days at its hour: that is what is
asked of the new value too. Where the hour's own deviation is larger, it counts.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log

import msgspec

HOUR_S = 3600
DAY_H = 24
DAYS = 28
FEWEST_DAYS = 7
SCORE = 3.5
EASED = 2.0
"""The score at which an hour is as usual again."""
SLOWER = 0.25
"""Share by which an hour must be slower, at least, to be worth a word."""
FINEST = 0.02
"""The smallest deviation, as a share: clocks and rounding make as much."""
_NORMAL = 0.6745
"""The median absolute deviation of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """`usual` is the median of the same hour over `days` days; `score` the modified z-score."""

    value: float
    usual: float
    score: float
    days: int

    @property
    def slower(self) -> float:
        """By which share: 0.35 is 35 % slower."""
        return self.value / self.usual - 1.0

    @property
    def odd(self) -> bool:
        return self.score > SCORE and self.slower >= SLOWER

    @property
    def eased(self) -> bool:
        return self.score < EASED or self.slower < SLOWER / 2


Known = Callable[[int], float | None]
"""What an hour came to, by hours since some midnight; None where nobody knows."""


class Kept(msgspec.Struct, frozen=True):
    """`Hours` as bytes of 32 bits each."""

    hours: bytes
    values: bytes


class Hours:
    """What each hour of the last `DAYS` days came to, in little room."""

    __slots__ = ("_hours", "_values")

    def __init__(self) -> None:
        self._hours = array("i", bytes(4 * _ROOM))
        self._values = array("f", bytes(4 * _ROOM))

    def get(self, hour: int) -> float | None:
        place = hour % _ROOM
        return self._values[place] if self._hours[place] == hour else None

    def put(self, hour: int, value: float) -> None:
        """A value above 0; what is `_ROOM` hours older is forgotten."""
        self._hours[hour % _ROOM], self._values[hour % _ROOM] = hour, value

    def scale(self, ratio: float) -> None:
        """Put all of them on another level."""
        self._values = array("f", [value * ratio for value in self._values])

    def dump(self) -> Kept:
        return Kept(self._hours.tobytes(), self._values.tobytes())

    def load(self, kept: Kept) -> None:
        self._hours, self._values = array("i", kept.hours), array("f", kept.values)


_ROOM = DAY_H * (DAYS + 1)


def against_same_hour(known: Known, hour: int, value: float) -> Unlike | None:
    """A value of an hour against the same hour of the days before; None where fewer than
    `FEWEST_DAYS` are known. Values are above 0."""
    same = _logs(known, hour)
    if len(same) < FEWEST_DAYS:
        return None
    usual = _middle(same)
    pooled: list[float] = []
    for other in range(hour - DAY_H + 1, hour + 1):
        pooled += _apart(_logs(known, other if other == hour else other + DAY_H))
    spread = max(_middle(sorted(pooled)), _middle(sorted(_apart(same))), FINEST * _NORMAL)
    return Unlike(value, exp(usual), _NORMAL * (log(value) - usual) / spread, len(same))


def _logs(known: Known, hour: int) -> list[float]:
    """The same hour of the days before, in order of size."""
    days = (known(hour - DAY_H * day) for day in range(1, DAYS + 1))
    return sorted(log(value) for value in days if value is not None)


def _apart(ordered: list[float]) -> list[float]:
    """How far each value is from the median of the others."""
    n = len(ordered)
    if n < 2:
        return []
    low, high = (n - 2) // 2, (n - 1) // 2
    return [
        abs(value - (ordered[low + (i <= low)] + ordered[high + (i <= high)]) / 2)
        for i, value in enumerate(ordered)
    ]


def _middle(ordered: list[float]) -> float:
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2 if n else 0.0
