"""Time for tests: a clock that moves only when it is told to, or when everyone waits for it."""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections.abc import Coroutine, Mapping
from itertools import count
from typing import Any, TypeVar

from ..clock import SECOND_NS
from ..errors import UsageError

T = TypeVar("T")


class FakeClock:
    """A `clock.Clock` whose time is a variable.

    Two ways to use it:

    * `advance(ns)` moves it by hand. Sleepers that fall due wake in the order of their deadlines,
      each seeing the time it asked for.
    * `run(coroutine)` runs an event loop on it: whenever every task waits, time jumps to the next
      deadline, be it of `FakeClock.sleep`, `asyncio.sleep`, `asyncio.timeout` or `call_later`.
      An hour of schedule takes no time. File descriptors are served first, so a socket pair
      inside the process works; a wait on a thread or process does not hold the clock back.
    """

    def __init__(self, monotonic_ns: int = 0, realtime_ns: int = 1_700_000_000 * SECOND_NS) -> None:
        self._now_ns = monotonic_ns
        self._offset_ns = realtime_ns - monotonic_ns
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def monotonic_ns(self) -> int:
        return self._now_ns

    def realtime_ns(self) -> int:
        return self._now_ns + self._offset_ns

    async def sleep(self, delay_ns: int) -> None:
        if delay_ns <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self._now_ns + delay_ns, next(self._order), future)
        heapq.heappush(self._sleepers, entry)
        await future

    @property
    def sleeping(self) -> int:
        """How many sleepers wait for the clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def advance(self, delay_ns: int) -> None:
        """Move both clocks forward and wake who is due; UsageError for a negative delay."""
        if delay_ns < 0:
            raise UsageError(f"a monotonic clock does not go back (asked for {delay_ns} ns)")
        self._move_to(self._now_ns + delay_ns)

    def step_realtime(self, step_ns: int) -> None:
        """Set the real clock forward or back, as an administrator or NTP does; wakes nobody."""
        self._offset_ns += step_ns

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on an event loop whose time is this clock."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(main)

    def next_deadline_ns(self) -> int | None:
        """The earliest moment that a sleeper waits for; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _move_to(self, target_ns: int) -> None:
        while (due_ns := self.next_deadline_ns()) is not None and due_ns <= target_ns:
            _, _, future = heapq.heappop(self._sleepers)
            self._now_ns = max(self._now_ns, due_ns)
            future.set_result(None)
        self._now_ns = target_ns


class _Loop(asyncio.SelectorEventLoop):
    """The stock event loop, with its time taken from a FakeClock."""

    def __init__(self, clock: FakeClock) -> None:
        self._fake = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._fake.monotonic_ns() / SECOND_NS

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        # Threads live in real time: a limit on this clock would be over at once.
        await super().shutdown_default_executor()


class _JumpingSelector(selectors.BaseSelector):
    """Serves ready descriptors; where the loop would wait for a time, moves the clock there."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        target_ns = self._next_wakeup_ns(timeout)
        if target_ns is None:
            return self._real.select(None)
        self._clock.advance(target_ns - self._clock.monotonic_ns())
        return ready

    def _next_wakeup_ns(self, timeout: float | None) -> int | None:
        """The loop's own timer or the first sleeper, whichever is earlier."""
        sleeper_ns = self._clock.next_deadline_ns()
        if timeout is None:
            return sleeper_ns
        timer_ns = self._clock.monotonic_ns() + math.ceil(timeout * SECOND_NS)
        return timer_ns if sleeper_ns is None else min(timer_ns, sleeper_ns)
