"""Rate limits over a run: for each of them the moment at which the least of it was left."""

from __future__ import annotations

from math import inf

from ..record import RateLimit, Record
from .result import LimitSeen

_Key = tuple[float, float, float]


class LimitSum:
    """Takes records in any order; what comes out does not depend on it."""

    __slots__ = ("_answers", "_lowest")

    def __init__(self) -> None:
        self._answers: dict[str, int] = {}
        self._lowest: dict[str, RateLimit] = {}

    def add(self, record: Record) -> None:
        """Every answer tells, those of the warm-up and of retries, too."""
        for limit in record.rate_limits:
            name = limit.name
            self._answers[name] = self._answers.get(name, 0) + 1
            known = self._lowest.get(name)
            if known is None or _key(limit) < _key(known):
                self._lowest[name] = limit

    def result(self) -> dict[str, LimitSeen]:
        """By name, in the order of the alphabet."""
        return {
            name: LimitSeen(
                limit=limit.limit,
                remaining=limit.remaining,
                reset_s=limit.reset_s,
                answers=self._answers[name],
            )
            for name, limit in sorted(self._lowest.items())
        }


def _key(limit: RateLimit) -> _Key:
    """The least left comes first; among equals the one that takes longest to come back.

    What is not told comes last.
    """
    remaining, reset_s, size = limit.remaining, limit.reset_s, limit.limit
    return (
        inf if remaining is None else remaining,
        inf if reset_s is None else -reset_s,
        inf if size is None else -size,
    )
