"""What a day's probes cost, and whether one more may be sent. A day ends at midnight UTC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from ..clock import SECOND_NS
from ..pricing import ZERO
from .config import DAY_S


def day_of(unix_ns: int) -> int:
    """Days since the Unix epoch."""
    return unix_ns // (DAY_S * SECOND_NS)


class Spending:
    """A sum for each target, from midnight on. `most` are its limits, and `in_all` that of all.

    A probe under way counts with the most that it can cost; so does one of which nobody can say
    what it cost.
    """

    def __init__(self) -> None:
        self._day = 0
        self._spent: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._held: dict[str, Decimal] = {}

    def restore(self, spent: Iterable[tuple[str, Decimal | None]], now_unix_ns: int) -> None:
        """Count what was spent on targets today before a restart."""
        self._turn(now_unix_ns)
        for target, cost in spent:
            self._spent[target] += cost or ZERO

    def allows(
        self,
        target: str,
        bound: Decimal,
        now_unix_ns: int,
        most: Decimal | None,
        in_all: Decimal | None,
    ) -> bool:
        """Whether a probe that costs at most `bound` fits into today's limits."""
        self._turn(now_unix_ns)
        if most is not None and self._of(target) + bound > most:
            return False
        return in_all is None or self._total() + bound <= in_all

    def begin(self, target: str, bound: Decimal) -> None:
        """A probe is sent: what it can cost is spoken for. A target has one at a time, and one
        that a person asked for."""
        self._held[target] = self._held.get(target, ZERO) + bound

    def end(self, target: str, bound: Decimal, cost: Decimal, now_unix_ns: int) -> None:
        """It has ended, and cost that."""
        self._turn(now_unix_ns)
        left = self._held.pop(target, ZERO) - bound
        if left > 0:
            self._held[target] = left
        self._spent[target] += cost

    def today(self, target: str, now_unix_ns: int) -> Decimal:
        """Dollars spent on the target since midnight."""
        self._turn(now_unix_ns)
        return self._spent[target]

    def _of(self, target: str) -> Decimal:
        return self._spent[target] + self._held.get(target, ZERO)

    def _total(self) -> Decimal:
        return sum(self._spent.values(), ZERO) + sum(self._held.values(), ZERO)

    def _turn(self, now_unix_ns: int) -> None:
        """A new day. A clock that is set back does not bring the old one back."""
        day = day_of(now_unix_ns)
        if day > self._day:
            self._day = day
            self._spent.clear()
