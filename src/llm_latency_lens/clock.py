"""Time as an argument. Two clocks are read: the monotonic one, in which every mark is kept, and
the real one, in which the kernel stamps what it receives. Both run at the same rate (NTP slews
them together), so one offset converts between them until the real clock is stepped.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import time
from functools import lru_cache
from typing import Any, Protocol

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000

_EXACT_BELOW_NS = 60 * SECOND_NS


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
        """On Linux exact to some microseconds: an event loop's own timers round up to 1 ms."""
        if sys.platform.startswith("linux") and 0 < delay_ns < _EXACT_BELOW_NS:
            await _timerfd_sleep(delay_ns)
        else:
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


async def _timerfd_sleep(delay_ns: int) -> None:
    loop = asyncio.get_running_loop()
    due: asyncio.Future[None] = loop.create_future()
    descriptor = _start_timer(delay_ns)
    loop.add_reader(descriptor, _settle, due)
    try:
        await due
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _settle(due: asyncio.Future[None]) -> None:
    if not due.done():
        due.set_result(None)


def _timer_of_python(delay_ns: int) -> int:
    """A descriptor that becomes readable after the delay (timerfd_create(2))."""
    descriptor: int = os.timerfd_create(  # type: ignore[attr-defined,unused-ignore]
        time.CLOCK_MONOTONIC, flags=os.O_CLOEXEC | os.O_NONBLOCK
    )
    os.timerfd_settime_ns(descriptor, initial=delay_ns)  # type: ignore[attr-defined,unused-ignore]
    return descriptor


def _timer_of_libc(delay_ns: int) -> int:
    """The same for Python before 3.13."""
    ctypes, libc = _libc()
    setting = struct.pack("@qqqq", 0, 0, delay_ns // SECOND_NS, delay_ns % SECOND_NS)
    descriptor: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0 or libc.timerfd_settime(descriptor, 0, setting, None) < 0:
        raise OSError(ctypes.get_errno(), "timerfd")
    return descriptor


@lru_cache(maxsize=1)
def _libc() -> tuple[Any, Any]:
    import ctypes

    return ctypes, ctypes.CDLL(None, use_errno=True)


_start_timer = _timer_of_python if hasattr(os, "timerfd_create") else _timer_of_libc
