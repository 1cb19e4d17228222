"""The fake clock: moved by hand, or by a loop that jumps to whatever is awaited next."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.clock import MS_NS, SECOND_NS, Clock, realtime_offset_ns
from llm_latency_lens.errors import UsageError
from llm_latency_lens.testing.clock import FakeClock


async def timer(seconds: float) -> None:
    """Wait on a timer of the event loop itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def test_it_is_a_clock_and_starts_where_it_is_told() -> None:
    clock: Clock = FakeClock(monotonic_ns=5, realtime_ns=1000)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (5, 1000)
    assert realtime_offset_ns(clock) == 995


def test_advance_moves_both_clocks_and_a_step_only_the_real_one() -> None:
    clock = FakeClock(monotonic_ns=0, realtime_ns=100)
    clock.advance(7)
    clock.step_realtime(-50)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (7, 57)


def test_it_never_goes_back() -> None:
    with pytest.raises(UsageError, match="does not go back"):
        FakeClock().advance(-1)


def test_sleepers_wake_in_the_order_of_their_deadlines_with_the_time_they_asked_for() -> None:
    clock = FakeClock()
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, delay_ns: int) -> None:
        await clock.sleep(delay_ns)
        woken.append((name, clock.monotonic_ns()))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name, delay_ns in (("c", 30), ("a", 10), ("b", 20), ("now", 0), ("past", -5)):
                group.create_task(sleeper(name, delay_ns))

    clock.run(main())
    assert woken == [("now", 0), ("past", 0), ("a", 10), ("b", 20), ("c", 30)]


def test_advancing_by_hand_wakes_only_who_is_due() -> None:
    clock = FakeClock()

    async def main() -> tuple[bool, bool, int]:
        short = asyncio.create_task(clock.sleep(10))
        long = asyncio.create_task(clock.sleep(20))
        await asyncio.sleep(0)
        assert clock.sleeping == 2
        clock.advance(15)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        state = (short.done(), long.done(), clock.sleeping)
        long.cancel()
        return state

    assert asyncio.run(main()) == (True, False, 1)
    assert clock.next_deadline_ns() is None


def test_asyncio_timers_run_on_it_too_and_take_no_time() -> None:
    clock = FakeClock()

    async def main() -> str:
        await timer(3600)
        try:
            async with asyncio.timeout(86_400):
                await clock.sleep(10 * 86_400 * SECOND_NS)
        except TimeoutError:
            return "timed out"
        return "slept"

    before = time.monotonic()
    assert clock.run(main()) == "timed out"
    assert time.monotonic() - before < 5
    assert abs(clock.monotonic_ns() - (86_400 + 3600) * SECOND_NS) < MS_NS


def test_a_sleeper_and_a_timer_interleave() -> None:
    clock = FakeClock()
    seen: list[str] = []

    async def mark(name: str, seconds: float, *, fake: bool) -> None:
        await (clock.sleep(int(seconds * SECOND_NS)) if fake else timer(seconds))
        seen.append(name)

    async def main() -> None:
        await asyncio.gather(
            mark("timer 1", 1, fake=False),
            mark("clock 2", 2, fake=True),
            mark("timer 3", 3, fake=False),
            mark("clock 4", 4, fake=True),
        )

    clock.run(main())
    assert seen == ["timer 1", "clock 2", "timer 3", "clock 4"]


def test_descriptors_are_served_before_time_jumps() -> None:
    clock = FakeClock()

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            reading = asyncio.create_task(loop.sock_recv(right, 10))
            await loop.sock_sendall(left, b"hello")
            async with asyncio.timeout(1):
                return await reading

    assert clock.run(main()) == b"hello"
    assert clock.monotonic_ns() < SECOND_NS


def test_a_loop_without_deadlines_waits_for_other_threads() -> None:
    clock = FakeClock()

    async def main() -> int:
        return await asyncio.to_thread(lambda: 42)

    assert clock.run(main()) == 42
    assert clock.monotonic_ns() == 0


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=20))
def test_any_sleeps_in_a_row_add_up_exactly(delays: list[int]) -> None:
    clock = FakeClock()

    async def main() -> None:
        for delay_ns in delays:
            await clock.sleep(delay_ns)

    clock.run(main())
    assert clock.monotonic_ns() == sum(delays)
