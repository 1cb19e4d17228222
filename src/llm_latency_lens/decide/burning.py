"""Is an error budget spent too fast, now? Multi-window, multi-burn-rate alerts.

The rules are those of Google's Site Reliability Workbook, chapter "Alerting on SLOs": a burn rate
of 14.4 over the last hour and the last five minutes, and so on, for an objective over 30 days.
For another length all windows are scaled with it, so that a rule always stands for the same share
of the budget. The long window says that it matters, the short one that it still goes on.

A prober sees few requests: of sixty an hour a single failure burns a budget of 0.1 % sixteen times
too fast, which the workbook names as the problem of services with low traffic. So a rule also
needs `FEWEST` requests in its long window that missed; how many gaps missed in one answer does
not matter for this.

What was before the first request is taken as good: a rule stands for a share of the budget, and
three failures of the first ten minutes are no tenth of a month's.

An alert ends when its rule has not held for as long as its short window is.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import msgspec

from .sla import Promise

FEWEST = 3
"""Requests that missed in the long window, below which no rule holds."""
STEPS = 30
"""Parts of a window, by which it moves on."""
DAY_S = 86_400.0
OF_S = 30 * DAY_S
"""The window of the objective that the workbook's rules are for."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`burn_rate` is how many times as fast as allowed the budget is spent; a page wants somebody
    now, a ticket on the next working day."""

    burn_rate: float
    long_s: float
    short_s: float
    page: bool


WORKBOOK = (
    Rule(14.4, 3600.0, 300.0, page=True),
    Rule(6.0, 6 * 3600.0, 1800.0, page=True),
    Rule(3.0, DAY_S, 2 * 3600.0, page=False),
    Rule(1.0, 3 * DAY_S, 6 * 3600.0, page=False),
)
"""The fastest first."""


def rules(window_s: float) -> tuple[Rule, ...]:
    """The rules for an objective over this window."""
    scale = window_s / OF_S
    return tuple(
        Rule(rule.burn_rate, rule.long_s * scale, rule.short_s * scale, rule.page)
        for rule in WORKBOOK
    )


class Counts(msgspec.Struct, frozen=True):
    """What is known of a window: `bad` are requests that missed, or had a gap that did."""

    total: int
    missed: int
    bad: int


class Burning(msgspec.Struct, frozen=True):
    """A rule that holds: `long` and `short` are burn rates over its windows."""

    rule: int
    burn_rate: float
    long_s: float
    short_s: float
    page: bool
    long: float
    short: float
    counts: Counts


class Window:
    """Counts of the last while, in `STEPS` parts: what is older than the window by a part or more
    is forgotten. Adding and reading take the same time, however much was counted."""

    __slots__ = ("_at", "_parts", "_step_s", "_sums")

    def __init__(self, window_s: float) -> None:
        self._step_s = window_s / STEPS
        self._parts = array("q", bytes(8 * 3 * (STEPS + 1)))
        self._sums = [0, 0, 0]
        self._at = 0

    def add(self, now_s: float, total: int, missed: int) -> None:
        place = 3 * (self._move(now_s) % (STEPS + 1))
        for i, number in enumerate((total, missed, missed > 0)):
            self._parts[place + i] += number
            self._sums[i] += number

    def counts(self, now_s: float) -> Counts:
        self._move(now_s)
        return Counts(*self._sums)

    def _move(self, now_s: float) -> int:
        """Forget what is too old; a time before the last one counts as the last."""
        at = max(self._at, int(now_s / self._step_s))
        for step in range(max(self._at + 1, at - STEPS), at + 1):
            place = 3 * (step % (STEPS + 1))
            for i in range(3):
                self._sums[i] -= self._parts[place + i]
                self._parts[place + i] = 0
        self._at = at
        return at

    def dump(self) -> list[int]:
        """The part that is now, and each part that is not empty as its age and counts."""
        found = [self._at]
        for age in range(STEPS + 1):
            place = 3 * ((self._at - age) % (STEPS + 1))
            part = self._parts[place : place + 3]
            if self._at >= age and any(part):
                found += [age, *part]
        return found

    def load(self, dumped: list[int]) -> None:
        self._at = dumped[0]
        for start in range(1, len(dumped), 4):
            age, *part = dumped[start : start + 4]
            place = 3 * ((self._at - age) % (STEPS + 1))
            for i, number in enumerate(part):
                self._parts[place + i] = number
                self._sums[i] += number


@dataclass(slots=True)
class Burn:
    """One objective of one target, over `window_s`. Times are seconds of any clock that does not
    go back."""

    promise: Promise
    window_s: float
    _windows: dict[float, Window] = field(init=False)
    _rules: tuple[Rule, ...] = field(init=False)
    _held_s: list[float | None] = field(init=False)
    """When each rule last held, of those that are in force."""
    _since_s: float | None = None
    """The first request."""

    def __post_init__(self) -> None:
        self._rules = rules(self.window_s)
        lengths = {length for rule in self._rules for length in (rule.long_s, rule.short_s)}
        self._windows = {length: Window(length) for length in sorted({*lengths, self.window_s})}
        self._held_s = [None] * len(self._rules)

    @property
    def lengths_s(self) -> tuple[float, ...]:
        """The windows over which rates are worth telling: the rules' long ones, and the whole."""
        return (*(rule.long_s for rule in self._rules), self.window_s)

    def add(self, now_s: float, total: int, missed: int) -> None:
        """What one request came to (`counted.count`)."""
        if total:
            if self._since_s is None:
                self._since_s = now_s
            for window in self._windows.values():
                window.add(now_s, total, missed)

    def rate(self, length_s: float, now_s: float) -> float:
        """The burn rate over one of the rules' windows, or all of the objective's; 0 where nothing
        was counted."""
        counts = self._windows[length_s].counts(now_s)
        if not counts.total or self._since_s is None:
            return 0.0
        seen = min(1.0, (now_s - self._since_s) / length_s)
        return seen * counts.missed / counts.total / (1.0 - self.promise.share)

    def left(self, now_s: float) -> float:
        """The share of the whole budget that is left; below 0 where more was spent."""
        return 1.0 - self.rate(self.window_s, now_s)

    def judge(self, now_s: float) -> Burning | None:
        """The fastest rule that is in force, with what its windows hold now."""
        for number, rule in enumerate(self._rules):
            rates = self.rate(rule.long_s, now_s), self.rate(rule.short_s, now_s)
            long = self._windows[rule.long_s].counts(now_s)
            if long.bad >= FEWEST and min(rates) >= rule.burn_rate:
                self._held_s[number] = now_s
            held_s = self._held_s[number]
            if held_s is not None and now_s - held_s <= rule.short_s:
                return Burning(number, rule.burn_rate, rule.long_s, rule.short_s, rule.page,
                               *rates, long)  # fmt: skip
            self._held_s[number] = None
        return None

    def dump(self) -> Dumped:
        windows = [window.dump() for window in self._windows.values()]
        return Dumped(windows, list(self._held_s), self._since_s)

    def load(self, dumped: Dumped) -> None:
        """Take up what was counted; of another length of the objective's window nothing fits."""
        for window, parts in zip(self._windows.values(), dumped.windows, strict=True):
            window.load(parts)
        self._held_s, self._since_s = list(dumped.held_s), dumped.since_s


class Dumped(msgspec.Struct, frozen=True):
    """A `Burn`, as it is kept over a restart."""

    windows: list[list[int]]
    held_s: list[float | None]
    since_s: float | None
