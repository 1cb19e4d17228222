"""The machine's own clocks: readings, the offset between them, and sleeps that never end early."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import time

import pytest

from llm_latency_lens import clock as clocks
from llm_latency_lens.clock import MS_NS, SECOND_NS, Clock, SystemClock, realtime_offset_ns
from llm_latency_lens.testing.clock import FakeClock

CLOCK: Clock = SystemClock()
TIMERS = [
    pytest.param(name, marks=pytest.mark.skipif(not usable, reason="not on this system"))
    for name, usable in (
        ("_timer_of_libc", sys.platform.startswith("linux")),
        ("_timer_of_python", hasattr(os, "timerfd_create")),
    )
]


def test_it_reads_the_clocks_of_the_system() -> None:
    before = time.monotonic_ns(), time.time_ns()
    readings = CLOCK.monotonic_ns(), CLOCK.realtime_ns()
    after = time.monotonic_ns(), time.time_ns()
    assert before[0] <= readings[0] <= after[0]
    assert before[1] <= readings[1] <= after[1]


def test_the_offset_converts_between_them() -> None:
    offset = realtime_offset_ns(CLOCK)
    assert abs(time.monotonic_ns() + offset - time.time_ns()) < 50 * MS_NS
    assert abs(realtime_offset_ns(CLOCK, samples=9) - offset) < MS_NS


class HastyClock(FakeClock):
    """Each reading takes time, and some take more."""

    def __init__(self, widths_ns: list[int]) -> None:
        super().__init__(realtime_ns=SECOND_NS)
        self._widths = widths_ns

    def realtime_ns(self) -> int:
        width_ns = self._widths.pop(0)
        self.advance(width_ns)  # the real clock was read at the end of it
        return super().realtime_ns()


def test_the_offset_is_that_of_the_tightest_reading() -> None:
    assert realtime_offset_ns(HastyClock([10_000, 20, 3_000])) == SECOND_NS + 10
    assert realtime_offset_ns(HastyClock([8]), samples=1) == SECOND_NS + 4


@pytest.mark.parametrize("delay_ns", [1, 999, MS_NS // 3, 3 * MS_NS])
def test_a_sleep_is_never_short(delay_ns: int) -> None:
    async def main() -> int:
        begun = time.monotonic_ns()
        await CLOCK.sleep(delay_ns)
        return time.monotonic_ns() - begun

    assert asyncio.run(main()) >= delay_ns


@pytest.mark.parametrize("delay_ns", [0, -1, -SECOND_NS])
def test_no_sleep_lets_others_run(delay_ns: int) -> None:
    async def main() -> list[str]:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "other")
        await CLOCK.sleep(delay_ns)
        return [*order, "sleeper"]

    assert asyncio.run(main()) == ["other", "sleeper"]


def test_a_long_sleep_is_left_to_the_loop() -> None:
    """Its rounding to a millisecond does not matter there, and it holds no descriptor."""
    clock = FakeClock()

    async def main() -> None:
        await CLOCK.sleep(3600 * SECOND_NS)

    clock.run(main())
    assert clock.monotonic_ns() >= 3600 * SECOND_NS


def test_a_sleep_that_is_cancelled_gives_its_descriptor_back() -> None:
    async def main() -> tuple[int, int]:
        before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        sleepers = [asyncio.create_task(CLOCK.sleep(50 * SECOND_NS)) for _ in range(5)]
        await asyncio.sleep(0)
        for sleeper in sleepers:
            sleeper.cancel()
        await asyncio.wait(sleepers)
        assert all(sleeper.cancelled() for sleeper in sleepers)
        return before, len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0

    before, after = asyncio.run(main())
    assert before == after


def test_a_sleep_that_is_over_when_it_is_cancelled() -> None:
    async def main() -> None:
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        clocks._settle(due)
        clocks._settle(due)
        assert due.done()

    asyncio.run(main())


@pytest.mark.parametrize("name", TIMERS)
def test_both_ways_to_a_timer_of_the_kernel(name: str) -> None:
    start = getattr(clocks, name)
    begun = time.monotonic_ns()
    descriptor = start(SECOND_NS // 500)
    try:
        assert not os.get_inheritable(descriptor)
        assert not os.get_blocking(descriptor)
        assert select.select([descriptor], [], [], 10)[0]
        assert time.monotonic_ns() - begun >= SECOND_NS // 500
    finally:
        os.close(descriptor)
    later = start(90 * SECOND_NS)
    assert not select.select([later], [], [], 0)[0]
    os.close(later)


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_that_the_kernel_refuses(name: str) -> None:
    with pytest.raises(OSError, match=r"Invalid argument|timerfd"):
        getattr(clocks, name)(-SECOND_NS)
