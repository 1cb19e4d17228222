"""Questions to a monitor, asked so that no one of them keeps its probes waiting.

What waits for the disk or reckons for long does so in a thread, few at a time, and what would take
too long is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from math import ceil, floor
from typing import TYPE_CHECKING, TypeVar

from ...clock import SECOND_NS
from ...errors import UsageError
from ..config import DAY_S, TargetConfig
from .deciding import Wanted, decide
from .faults import BusyError, NotThereError
from .shapes import Budget, Happened, Opened, Reloaded, budgets_of
from .stream import Stream
from .watched import Monitored

if TYPE_CHECKING:
    from ...decide.decision import Decision
    from ..history import Bin
    from ..live import TargetNow
    from ..probe import Row

T = TypeVar("T")

AT_ONCE = 2
WAITING = 16
MOST_POINTS = 1000
MOST_ROWS = 8_000
"""Probes that a decision is made from, of all candidates together, the newest of each: more would
keep others waiting for an answer that they hardly change."""
MOST_CANDIDATES = 16
"""What a decision is made between at most; it takes seconds as it is."""
DAYS_S = 300.0
"""How long what days came to is not asked again: but for the last of them it stays the same."""
POINTS = 240
"""Points that a span is divided into at most where nobody says a step."""
STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


class Desk:
    """One for all who ask over HTTP."""

    def __init__(self, monitor: Monitored) -> None:
        self.monitor = monitor
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._deciding = asyncio.Semaphore(1)
        self._waiting = 0
        self._days: dict[str, tuple[float, list[Bin]]] = {}
        self.stream = Stream(self._happened, monitor.clock)
        monitor.takers.append(self.stream)

    def _happened(self) -> dict[str, Happened]:
        reload = self.monitor.last_reload
        opened = [one.id for one in self.monitor.alerts.incidents(open_only=True)]
        return {
            "incidents": Opened(open=opened),
            "reload": Reloaded(at_unix_s=reload.at_unix_s, error=reload.error),
        }

    @property
    def now_unix_s(self) -> float:
        return self.monitor.clock.realtime_ns() / SECOND_NS

    @property
    def targets(self) -> Sequence[TargetConfig]:
        return self.monitor.config.targets

    def target(self, name: str) -> TargetConfig:
        """Raises NotThereError."""
        for one in self.targets:
            if one.name == name:
                return one
        raise NotThereError(f"no target is named {name!r}")

    def now(self, name: str) -> TargetNow | None:
        """How a target stands; None for one that was added just now."""
        return self.monitor.live.target(name)

    def budgets(self, name: str) -> list[Budget]:
        """The error budgets of a target."""
        return budgets_of(self.target(name), self.monitor.alerts.burn_rates(name))

    def unsilence(self, silence_id: str) -> None:
        """Raises NotThereError."""
        if not self.monitor.alerts.unsilence(silence_id):
            raise NotThereError(f"there is no silence {silence_id!r} that can be ended")

    async def series(
        self, name: str, since_unix_s: float, until_unix_s: float, step_s: float
    ) -> list[Bin]:
        """Steps of time, of those that have probes. Raises UsageError for too many."""
        check_span(since_unix_s, until_unix_s)
        if until_unix_s - since_unix_s > MOST_POINTS * step_s:
            raise UsageError(
                f"that is more than {MOST_POINTS} points: ask for a shorter time, or a step of"
                f" {step_of(until_unix_s - since_unix_s, 0.0):g} s"
            )
        history = self.monitor.history
        return await self._ask(lambda: history.series(name, since_unix_s, until_unix_s, step_s))

    async def days(self, name: str, count: int) -> list[Bin]:
        """The last days of UTC, as they were up to five minutes ago."""
        now_unix_s = self.now_unix_s
        at_unix_s, found = self._days.get(name, (0.0, []))
        if not 0.0 <= now_unix_s - at_unix_s < DAYS_S:
            until = ceil(now_unix_s / DAY_S) * DAY_S
            found = await self.series(name, until - count * DAY_S, until, DAY_S)
            known = {one.name for one in self.targets}
            self._days = {key: kept for key, kept in self._days.items() if key in known}
            self._days[name] = now_unix_s, found
        return found

    async def rows(
        self,
        name: str,
        since_unix_s: float,
        until_unix_s: float,
        *,
        newest: int,
        failed: bool = False,
    ) -> list[Row]:
        """The newest probes of one target, the oldest of them first; only those that failed, if
        asked for."""
        check_span(since_unix_s, until_unix_s)
        history = self.monitor.history
        return await self._ask(
            lambda: history.rows(since_unix_s, until_unix_s, name, newest=newest, failed=failed)
        )

    async def decision(self, wanted: Wanted, since_unix_s: float, until_unix_s: float) -> Decision:
        """Which target to take. Raises UsageError for what is no choice."""
        chosen = [self.target(name) for name in dict.fromkeys(wanted.targets)] or [*self.targets]
        if len(chosen) < 2:
            raise UsageError("a choice needs two targets or more")
        if len(chosen) > MOST_CANDIDATES:
            raise UsageError(
                f"a choice between {len(chosen)} targets takes too long: name up to"
                f" {MOST_CANDIDATES} of them with targets"
            )
        if self._deciding.locked():
            raise BusyError("another decision is being made: ask again when it is done")
        async with self._deciding:
            most = MOST_ROWS // len(chosen)
            rows = {
                one.name: await self.rows(one.name, since_unix_s, until_unix_s, newest=most)
                for one in chosen
            }
            return await asyncio.to_thread(decide, chosen, rows, wanted)

    async def _ask(self, question: Callable[[], T]) -> T:
        async with self._slot():
            return await asyncio.to_thread(question)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            raise BusyError("too many questions wait for an answer: ask again in a second")
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1


def check_span(since_unix_s: float, until_unix_s: float) -> None:
    """Raise UsageError for a span that is none."""
    if since_unix_s >= until_unix_s:
        raise UsageError("since must be before until")


def step_of(span_s: float, interval_s: float) -> float:
    """A round step of time for a span: so many points at most, and two probes in each at least."""
    for step_s in STEPS_S:
        if step_s >= 2 * interval_s and span_s <= POINTS * step_s:
            return float(step_s)
    return float(ceil(span_s / POINTS / STEPS_S[-1]) * STEPS_S[-1])


def aligned(since_unix_s: float, until_unix_s: float, step_s: float) -> tuple[float, float]:
    """The span widened to whole steps, so that a step is the same whoever asks and when."""
    return floor(since_unix_s / step_s) * step_s, ceil(until_unix_s / step_s) * step_s
