"""Time as an argument. Two clocks are read: the monotonic one, in which every mark is kept, and
the real one, in which the kernel stamps what it receives. Both run at the same rate (NTP slews
them together), so one offset converts between them until the real clock is stepped.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000


class Clock(Protocol):
    """Where the package takes its time from."""

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back; its zero has no meaning."""
        ...

    def realtime_ns(self) -> int:
        """Nanoseconds since the Unix epoch, as the kernel stamps received data."""
        ...

    async def sleep(self, delay_ns: int) -> None:
        """Wait; returns at once for a delay of 0 or less."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    monotonic_ns = staticmethod(time.monotonic_ns)
    realtime_ns = staticmethod(time.time_ns)

    async def sleep(self, delay_ns: int) -> None:
        await asyncio.sleep(max(0, delay_ns) / SECOND_NS)


def realtime_offset_ns(clock: Clock, samples: int = 3) -> int:
    """Real time minus monotonic time, from the tightest of a few bracketed readings."""
    best_width = best_offset = None
    for _ in range(samples):
        before = clock.monotonic_ns()
        real = clock.realtime_ns()
        after = clock.monotonic_ns()
        width = after - before
        if best_width is None or width < best_width:
            best_width, best_offset = width, real - (before + after) // 2
    assert best_offset is not None
    return best_offset
