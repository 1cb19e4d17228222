"""Has a figure become slower, and since when? Change points while the values come in.

Page's cumulative sums (1954), two of them, slower and faster, in the form whose false alarms have
a bound: the sum of log likelihood ratios of "`SHIFT` slower" against "as before" passes `LIMIT` by
chance once in exp(`LIMIT`) values or less (Lorden 1971), if the values are normal and their mean
and spread are known. The change began after the sum last stood at nought.

What makes that nearly true here:

- a value is the logarithm of the median of at least `ANSWERS` answers over at least five minutes;
- from it goes what is usual at its time of day, the median of that hour over the last days, once
  `SEASON_DAYS` are known, and before that the median of all;
- the spread is robust (median absolute deviation) and grown by how much neighbours resemble each
  other, as the variance of sums is (an AR(1) under noise);
- no single value adds more than a `STEPS`th of the limit: one odd stretch is no change;
- nothing is said before a day has been seen.

`changes` looks back over a finished series: each look has its 5 % of false alarms, and costs some
hundred random orders. Looks that never end need this.
"""

from __future__ import annotations

from array import array
from math import exp, log, sqrt
from statistics import median

import msgspec

STRETCH_S = 300.0
ANSWERS = 5
SHIFT = 0.35
"""The change that is looked for; less than half of it, on the logarithm's scale, is never told."""
LIMIT = 13.0
STEPS = 3
"""Stretches that a change takes to be told, at least."""
SETTLING = 9
"""Stretches after that, until it is known well enough how large it is."""
DAY_S = 86_400
KEPT_DAYS = 7
LEARN_S = 6 * 3600.0
"""How often it is worked out anew what is usual."""
SEASON_DAYS = 3
FEWEST = 100
"""Stretches of the past, below which nothing is said."""
FINEST = 0.03
"""The smallest spread: a figure that hardly varies is not judged by the noise of clocks."""
MOST_ALIKE = 0.97
_DELTA = log(1.0 + SHIFT)
_OF_NORMAL = 1.4826


class Shift(msgspec.Struct, frozen=True):
    """`before` and `after` are medians of the figure; `answers` those seen since `since_s`. It is
    told twice: as soon as it is plain, and once it is `settled`, with better figures."""

    since_s: float
    before: float
    after: float
    answers: int
    settled: bool = False

    @property
    def slower(self) -> float:
        """By which share: 0.35 is 35 % slower, -0.2 is 20 % faster."""
        return self.after / self.before - 1.0


class Run(msgspec.Struct):
    """Stretches since a sum last stood at nought: what was usual then, and what was seen, both as
    logarithms. `left` are those that it still takes to settle a change that was told."""

    value: float = 0.0
    at_s: list[float] = []
    answers: list[int] = []
    usual: list[float] = []
    seen: list[float] = []
    left: int = SETTLING

    def add(self, at_s: float, answers: int, usual: float, seen: float) -> None:
        self.at_s.append(at_s)
        self.answers.append(answers)
        self.usual.append(usual)
        self.seen.append(seen)

    def gain(self, gain: float) -> None:
        self.value += gain
        if self.value <= 0.0:
            self.value, self.at_s, self.answers, self.usual, self.seen = 0.0, [], [], [], []

    @property
    def rise(self) -> float:
        return median(self.seen) - median(self.usual)

    def date(self) -> None:
        """Leave out what a sum had gathered before: the change began where the mean of all that
        follows is surest to be another, which is how likelihood dates it."""
        apart, best, place = 0.0, 0.0, 0
        count = len(self.seen)
        for number in range(count - 1, -1, -1):
            apart += self.seen[number] - self.usual[number]
            sure = apart * apart / (count - number)
            if sure > best and count - number >= STEPS:
                best, place = sure, number
        self.at_s, self.answers = self.at_s[place:], self.answers[place:]
        self.usual, self.seen = self.usual[place:], self.seen[place:]

    def told(self, *, settled: bool) -> Shift:
        before, after = exp(median(self.usual)), exp(median(self.seen))
        return Shift(self.at_s[0], before, after, sum(self.answers), settled)


class Past(msgspec.Struct, frozen=True):
    """What is kept of a figure over a restart: stretches of the last days, their seconds and the
    logarithms of their medians, as bytes of 64 and 32 bits, and a change that is not settled."""

    at_s: bytes
    logs: bytes
    change: Run | None = None


class Shifts:
    """One figure of one target. Times are unix seconds; values are above 0."""

    def __init__(self) -> None:
        self._at_s = array("q")
        self._logs = array("f")
        self._usual: list[float] = []
        self._settled = False
        self._spread = 0.0
        self._learnt_s = 0.0
        self._begun_s: float | None = None
        self._now: list[float] = []
        self._slower, self._faster = Run(), Run()
        self._change: Run | None = None

    @property
    def settling(self) -> bool:
        """Whether a change was told of which it is not yet known how large it is."""
        return self._change is not None

    def add(self, at_s: float, value: float) -> Shift | None:
        """One answer; gives a change when this one makes it plain, or settles it."""
        found = None
        if self._begun_s is None:
            self._begun_s = at_s
        elif at_s - self._begun_s >= STRETCH_S and len(self._now) >= ANSWERS:
            found = self.stretch(self._begun_s, median(self._now), len(self._now))
            self._now.clear()
            self._begun_s = at_s
        self._now.append(value)
        return found

    def stretch(self, at_s: float, middle: float, answers: int) -> Shift | None:
        """The same of a whole stretch that began at `at_s`."""
        seen = log(middle)
        if self._change is None and not 0.0 <= at_s - self._learnt_s < LEARN_S:
            self._learn(at_s)
        self._at_s.append(int(at_s))
        self._logs.append(seen)
        if not self._spread:
            return None
        usual = self._expected(at_s)
        if self._change is not None:
            self._change.add(at_s, answers, usual, seen)
            self._change.left -= 1
            return None if self._change.left else self._settle(self._change)
        for run, sign, level in self._sides(usual):
            apart = sign * (seen - level) - _DELTA / 2
            run.add(at_s, answers, usual, seen)
            run.gain(min(_DELTA / self._spread**2 * apart, LIMIT / STEPS))
            if run.value >= LIMIT:
                self._change, self._slower, self._faster = run, Run(), Run()
                run.date()
                return run.told(settled=False)
        return None

    def _settle(self, change: Run) -> Shift:
        """Put what was before on the level of now: the time of day stays, and so does the spread,
        and the next change is looked for from there."""
        change.date()
        rise = change.rise
        for place in range(len(self._logs) - len(change.seen)):
            self._logs[place] += rise
        self._usual = [value + rise for value in self._usual]
        self._change = None
        return change.told(settled=True)

    def _sides(self, usual: float) -> tuple[tuple[Run, float, float], ...]:
        """The two sums, and the level that a value must be beyond: of the time of day where its
        season is known, of the slowest and the fastest hour of all where it is not yet."""
        slowest, fastest = (usual, usual) if self._settled else (max(self._usual), min(self._usual))
        return (self._slower, 1.0, slowest), (self._faster, -1.0, fastest)

    def _expected(self, at_s: float) -> float:
        """Hours' medians stand for the middle of the hour, and between them is a line."""
        place = at_s % DAY_S / 3600.0 - 0.5
        hour, part = int(place // 1), place % 1
        return (1 - part) * self._usual[hour % 24] + part * self._usual[(hour + 1) % 24]

    def _learn(self, now_s: float) -> None:
        """What is usual, and how far values stray from it."""
        self._learnt_s = now_s
        old = next((i for i, at in enumerate(self._at_s) if at >= now_s - KEPT_DAYS * DAY_S), 0)
        if old:
            del self._at_s[:old], self._logs[:old]
        if len(self._logs) < FEWEST or now_s - self._at_s[0] < DAY_S:
            return
        self._season()
        rest = [seen - self._expected(at) for at, seen in zip(self._at_s, self._logs, strict=True)]
        middle = median(rest)
        spread = max(_OF_NORMAL * median(abs(value - middle) for value in rest), FINEST)
        self._spread = spread * sqrt(_grown([value - middle for value in rest], 3 * spread))

    def _season(self) -> None:
        """The median of each hour of the day."""
        hours: list[list[float]] = [[] for _ in range(24)]
        days: list[set[int]] = [set() for _ in range(24)]
        for at, seen in zip(self._at_s, self._logs, strict=True):
            hour = at % DAY_S // 3600
            hours[hour].append(seen)
            days[hour].add(at // DAY_S)
        every = median(self._logs)
        self._usual = [median(values) if values else every for values in hours]
        self._settled = min(map(len, days)) >= SEASON_DAYS

    def dump(self) -> Past:
        return Past(self._at_s.tobytes(), self._logs.tobytes(), self._change)

    def load(self, past: Past) -> Shift | None:
        """Take up what was kept; a change that was not settled is, with what was seen of it."""
        self._at_s, self._logs = array("q", past.at_s), array("f", past.logs)
        return None if past.change is None else self._settle(past.change)


def _grown(rest: list[float], most: float) -> float:
    """How many times as large the variance of a sum is as without memory: that of an AR(1) under
    noise, from how neighbours resemble each other and how the next but one do. Values beyond `most`
    count as that."""
    kept = [max(-most, min(value, most)) for value in rest]
    whole = sum(value * value for value in kept)
    if not whole:
        return 1.0
    one, two = (
        sum(a * b for a, b in zip(kept, kept[lag:], strict=False)) / whole for lag in (1, 2)
    )
    if one <= 2 / sqrt(len(kept)):
        return 1.0
    return 1.0 + 2.0 * one / (1.0 - min(max(two / one, one), MOST_ALIKE))
