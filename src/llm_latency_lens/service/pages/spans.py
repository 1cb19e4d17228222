"""The spans of time that pages show."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import UsageError
from ..api.desk import aligned, step_of
from ..config import DAY_S
from .telling import length

RANGES = {"1h": 3600, "6h": 6 * 3600, "24h": DAY_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S}
USUAL = "24h"
WHOLE_S = 1e10
"""A step that holds any span, since steps are counted from the Unix epoch."""
_LEAST_S, _MOST_S = 15.0, 60.0


@dataclass(frozen=True, slots=True)
class Span:
    """A range that ends now, in whole steps."""

    name: str
    since_unix_s: float
    until_unix_s: float
    step_s: float

    @property
    def places(self) -> list[float]:
        """The beginnings of its steps."""
        count = round((self.until_unix_s - self.since_unix_s) / self.step_s)
        return [self.since_unix_s + place * self.step_s for place in range(count)]

    @property
    def step(self) -> str:
        return length(self.step_s)

    @property
    def told(self) -> str:
        return f"the last {length(RANGES[self.name])}"

    @property
    def every_s(self) -> float:
        """How often a page of it is worth a new look."""
        return min(_MOST_S, max(_LEAST_S, self.step_s / 10))


def span_of(name: str | None, now_unix_s: float, interval_s: float) -> Span:
    """Raises UsageError for a range that there is not."""
    name = name or USUAL
    if name not in RANGES:
        raise UsageError(f"there is no range {name!r}: choose {', '.join(RANGES)}")
    step_s = step_of(RANGES[name], interval_s)
    since, until = aligned(now_unix_s - RANGES[name], now_unix_s, step_s)
    return Span(name, since, until, step_s)
