"""One target, watched: is it down, does it spend its budgets too fast, is it slower than it was?

`take` is told of each probe and only notes it down; `look` works out what is wrong now. Budgets
live on a clock that nobody sets (`steady_s`), times of day on the real one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from math import log
from statistics import median

import msgspec

from ...decide.anomalies import Hours, Kept, Unlike, against_same_hour
from ...decide.burning import Burn, Burning, Dumped
from ...decide.counted import count, counted
from ...decide.shifts import Past, Shift, Shifts
from ...record import Record
from ..config import DAY_S, AlertsConfig, TargetConfig
from ..probe import Row
from . import words
from .figures_of_rows import figure_of, tells
from .incident import About, Condition, Kind, Severity

FIGURES = ("ttft_ms", "tpot_ms")
"""Figures that are held against their past."""
HOUR_S = 3600
ANSWERS_AN_HOUR = 6
"""Answers, below which an hour is not judged."""
WORTH = 0.25
"""Share by which a figure must have changed to be worth a word."""
_SMALL = f"it is less than {100 * WORTH:.0f} % away from what it was before"
USUAL_AFTER_S = float(DAY_S)
"""How long a change lasts until it counts as what is usual."""


@dataclass(slots=True)
class _Figure:
    """One figure: its hours, its changes."""

    shifts: Shifts = field(default_factory=Shifts)
    hours: Hours = field(default_factory=Hours)
    hour: int = 0
    values: array[float] = field(default_factory=lambda: array("d"))
    unlike: Unlike | None = None
    unlike_hour: int = 0
    shift: Shift | None = None
    """The change that people are told of."""
    first: Shift | None = None
    """The same before the last change, as long as that is not settled."""
    ending: str = ""

    def add(self, at_unix_s: float, value: float) -> None:
        hour = int(at_unix_s // HOUR_S)
        if hour != self.hour:
            self._close()
            self.hour = hour
        self.values.append(value)
        if found := self.shifts.add(at_unix_s, value):
            self.changed(found)

    def _close(self) -> None:
        """The hour is over: is it unlike those of the days before?"""
        if len(self.values) >= ANSWERS_AN_HOUR and not self.shifts.settling:
            value = median(self.values)
            found = against_same_hour(self.hours.get, self.hour, value)
            held = self.unlike is not None
            self.unlike = found if found and (found.odd or (held and not found.eased)) else None
            self.unlike_hour = self.hour
            self.hours.put(self.hour, value)
        self.values = array("d")

    def changed(self, found: Shift) -> None:
        """A change, or better figures of it. Two changes that undo each other are none."""
        if not found.settled:
            self.first = self.shift
        whole = found
        if (first := self.first) is not None:
            after = first.after * found.after / found.before
            answers = first.answers + found.answers
            whole = Shift(first.since_s, first.before, after, answers, found.settled)
        small = abs(log(1.0 + whole.slower)) < log(1.0 + WORTH)
        self.shift = None if small else whole
        self.ending = _SMALL if small else ""
        if found.settled:
            self.hours.scale(found.after / found.before)
            self.first = self.unlike = None

    def look(self, now_unix_s: float) -> None:
        settled = not self.shifts.settling
        if self.shift and settled and now_unix_s - self.shift.since_s >= USUAL_AFTER_S:
            self.shift, self.ending = None, "it has been so for a day and counts as usual now"


class Usual(msgspec.Struct, kw_only=True):
    """What is kept of a figure's past."""

    past: Past
    hours: Kept
    shift: Shift | None = None
    first: Shift | None = None
    unlike: Unlike | None = None
    unlike_hour: int = 0


class Standing(msgspec.Struct):
    """What is kept of a target's present; `burns` by the objectives' texts."""

    failures: int = 0
    since_unix_s: float = 0.0
    why: str = ""
    window_s: float = 0.0
    burns: dict[str, Dumped] = {}


class Watch:
    """Never raises for a row, whatever it holds."""

    def __init__(self, target: TargetConfig, alerts: AlertsConfig, window_s: float) -> None:
        self.about = About(
            target.name, target.provider, target.model, target.region or "", target.labels
        )
        self.whom = target.provider, target.model, target.base_url, target.region
        self.standing = Standing()
        self.figures = {name: _Figure() for name in FIGURES}
        self._alerts = alerts
        self._window_s = window_s
        self._burns = {
            promise.text: Burn(promise, window_s)
            for promise in target.promises
            if alerts.burn_rates
        }
        self._answers: list[tuple[float, Row]] = []

    # -- what comes in ------------------------------------------------------------------------

    def take(self, row: Row, record: Record | None, steady_s: float) -> None:
        """A probe that has ended; without a record it is one that was read from the history."""
        if row.status == "cancelled":
            return
        at_unix_s = row.at_unix_ns / 1e9
        self._stand(row, at_unix_s)
        if row.asked_for:
            return
        for burn in self._burns.values():
            burn.add(steady_s, *_counts(burn, row, record))
        self.learn(row)

    def learn(self, row: Row) -> None:
        """Note an answer down for `look`."""
        if row.ok and not row.asked_for and self._alerts.anomalies:
            self._answers.append((row.at_unix_ns / 1e9, row))

    def _stand(self, row: Row, at_unix_s: float) -> None:
        standing = self.standing
        if row.ok:
            standing.failures = 0
            return
        if not standing.failures:
            standing.since_unix_s = at_unix_s
        standing.failures += 1
        status = f", HTTP {row.http_status}" if row.http_status else ""
        standing.why = f"{row.error_kind} in {row.error_stage}{status}"

    # -- what is wrong ------------------------------------------------------------------------

    @property
    def down(self) -> bool:
        return self.standing.failures >= self._alerts.down_after

    def look(self, now_unix_s: float, steady_s: float) -> Iterator[Condition]:
        """All that is wrong with the target now."""
        answers, self._answers = self._answers, []
        for at_unix_s, row in answers:
            for name, figure in self.figures.items():
                value = getattr(row, name)
                if value is not None and value > 0.0:
                    figure.add(at_unix_s, value)
        if self.down:
            yield self._is_down(now_unix_s)
        for text, burn in self._burns.items():
            if found := burn.judge(steady_s):
                yield self._burns_up(text, burn, found, now_unix_s, steady_s)
        for name, figure in self.figures.items():
            figure.look(now_unix_s)
            if figure.shift:
                yield self._has_changed(name, figure.shift, now_unix_s)
            if figure.unlike:
                yield self._is_unlike(name, figure, figure.unlike, now_unix_s)

    def spent_out(self, spent: Decimal, now_unix_s: float) -> Condition:
        """The day's money is spent."""
        return self._condition(
            "cost", "warning", "max_cost_usd_per_day", now_unix_s,
            words.cost(self.about.name, spent), spent_usd=float(spent),
        )  # fmt: skip

    def burn_rates(self, steady_s: float) -> Iterator[tuple[str, float, float]]:
        """(objective, length of a window, burn rate over it), the whole window's last."""
        for text, burn in self._burns.items():
            for length_s in burn.lengths_s:
                yield text, length_s, burn.rate(length_s, steady_s)

    def ending(self, key: tuple[str, str, str]) -> str:
        """Why a change is over."""
        kind, _, what = key
        return self.figures[what].ending if kind == "change" and what in self.figures else ""

    def _is_down(self, now_unix_s: float) -> Condition:
        standing = self.standing
        since = words.clock(standing.since_unix_s, now_unix_s)
        return self._condition(
            "down", "critical", "", standing.since_unix_s,
            words.down(self.about.name, standing.failures, since, standing.why),
            failures=standing.failures,
        )  # fmt: skip

    def _burns_up(
        self, text: str, burn: Burn, found: Burning, now_unix_s: float, steady_s: float
    ) -> Condition:
        left = burn.left(steady_s)
        return self._condition(
            "burn_rate", "critical" if found.page else "warning", text, now_unix_s,
            words.burning(self.about.name, text, found, left),
            burn_rate=found.long, burn_rate_short=found.short, limit=found.burn_rate,
            long_s=found.long_s, short_s=found.short_s, budget_left=left,
        )  # fmt: skip

    def _has_changed(self, name: str, shift: Shift, now_unix_s: float) -> Condition:
        return self._condition(
            "change", "warning" if shift.slower > 0 else "info", name, shift.since_s,
            words.changed(self.about.name, name, shift, now_unix_s),
            before=shift.before, after=shift.after, slower=shift.slower, probes=shift.answers,
        )  # fmt: skip

    def _is_unlike(self, name: str, figure: _Figure, found: Unlike, now: float) -> Condition:
        began = float(figure.unlike_hour * HOUR_S)
        return self._condition(
            "anomaly", "warning", name, began,
            words.unlike(self.about.name, name, found, words.clock(began, now)),
            usual=found.usual, value=found.value, slower=found.slower, score=found.score,
            days=found.days,
        )  # fmt: skip

    def _condition(
        self, kind: Kind, severity: Severity, what: str, since: float, sentence: str,
        **figures: float,
    ) -> Condition:  # fmt: skip
        return Condition(kind, severity, self.about, what, sentence, since, figures)

    def succeed(self, old: Watch) -> None:
        """Go on where another one ended, which may have been told otherwise. Whoever is another
        now, though of the same name, has no past."""
        if self.whom != old.whom:
            return
        self.load(old.dump())
        if self._alerts.anomalies:
            self.figures, self._answers = old.figures, old._answers

    # -- over a restart -----------------------------------------------------------------------

    def dump(self) -> Standing:
        self.standing.window_s = self._window_s
        self.standing.burns = {text: burn.dump() for text, burn in self._burns.items()}
        return self.standing

    def load(self, standing: Standing) -> None:
        self.standing = standing
        if standing.window_s == self._window_s:
            for text in self._burns.keys() & standing.burns.keys():
                self._burns[text].load(standing.burns[text])

    def dump_usual(self) -> dict[str, Usual]:
        return {
            name: Usual(
                past=figure.shifts.dump(),
                hours=figure.hours.dump(),
                shift=figure.shift,
                first=figure.first,
                unlike=figure.unlike,
                unlike_hour=figure.unlike_hour,
            )
            for name, figure in self.figures.items()
        }

    def load_usual(self, usual: dict[str, Usual]) -> None:
        for name in self.figures.keys() & usual.keys():
            figure, kept = self.figures[name], usual[name]
            figure.hours.load(kept.hours)
            figure.shift, figure.first = kept.shift, kept.first
            figure.unlike, figure.unlike_hour = kept.unlike, kept.unlike_hour
            if found := figure.shifts.load(kept.past):
                figure.changed(found)


def _counts(burn: Burn, row: Row, record: Record | None) -> tuple[int, int]:
    if record is not None:
        return counted(burn.promise, record)
    figure = burn.promise.figure
    if not tells(figure):
        return 0, 0
    return count(burn.promise, ok=row.ok, value=figure_of(figure, row), gaps=row.gaps_ms)
