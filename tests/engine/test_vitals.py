"""The instrument's watch on itself."""

from __future__ import annotations

import time

import pytest

from llm_latency_lens.clock import MS_NS, SECOND_NS, SystemClock
from llm_latency_lens.engine.host import describe_clock, describe_host, public_url
from llm_latency_lens.engine.vitals import BEAT_NS, Vitals
from llm_latency_lens.metrics.context import Health
from llm_latency_lens.testing.clock import FakeClock


def _after(*steps_ns: int) -> Health:
    """Beats that come so long after each other."""
    clock = FakeClock()
    vitals = Vitals(clock)
    for step_ns in steps_ns:
        clock.advance(step_ns)
        vitals.beat()
    return vitals.finish()


def test_beats_on_time_are_no_stall() -> None:
    health = _after(*[BEAT_NS] * 20)
    assert (health.loop_stalls, health.loop_stall_ms_max, health.suspended_s) == (0, 0.0, 0.0)
    assert health.capture_s == pytest.approx(1.0)
    assert health.cpu_s >= 0


def test_late_beats_are_counted_and_the_latest_told() -> None:
    health = _after(BEAT_NS, BEAT_NS + 99 * MS_NS, BEAT_NS, BEAT_NS + 101 * MS_NS, BEAT_NS)
    assert (health.loop_stalls, health.loop_stall_ms_max) == (1, 101.0)
    assert health.suspended_s == 0


def test_a_beat_that_comes_early_is_on_time() -> None:
    assert _after(BEAT_NS // 2, BEAT_NS).loop_stall_ms_max == 0


def test_a_process_that_stood_still_was_suspended_and_one_that_worked_was_not() -> None:
    assert _after(BEAT_NS, BEAT_NS + 30 * SECOND_NS).suspended_s == pytest.approx(30)
    assert _after(BEAT_NS, BEAT_NS + 999 * MS_NS).suspended_s == 0

    clock = FakeClock()
    vitals = Vitals(clock)
    begun = time.process_time_ns()
    clock.advance(BEAT_NS + SECOND_NS + 1)
    while time.process_time_ns() - begun < 110 * MS_NS:  # a tenth of what the clock shows
        pass
    vitals.beat()
    health = vitals.finish()
    assert (health.suspended_s, health.loop_stalls) == (0, 1)
    assert health.cpu_s > 0.1


def test_steps_of_the_clock() -> None:
    for steps, told in (
        ([0, 900_000, -900_000], 0.0),
        ([5 * MS_NS], 5.0),
        ([-7 * MS_NS, 4 * MS_NS], -7.0),
        ([2 * MS_NS, 2 * MS_NS, -10 * MS_NS], -6.0),
        ([3600 * SECOND_NS], 3_600_000.0),
    ):
        clock = FakeClock()
        vitals = Vitals(clock)
        for step in steps:
            clock.step_realtime(step)
            clock.advance(BEAT_NS)
            vitals.beat()
        assert vitals.finish().clock_step_ms == told


def test_the_waiting_for_a_cpu_is_told_where_the_system_knows_it() -> None:
    health = Vitals(SystemClock()).finish()
    assert health.run_delay_s is None or health.run_delay_s >= 0


def test_the_host_is_described_without_its_user() -> None:
    described = describe_host()
    assert set(described) == {"name", "os", "machine", "cpus", "python"}
    assert all(described.values())


def test_the_clock_is_described_by_its_grain() -> None:
    assert describe_clock(FakeClock())["offset_uncertainty_ns"] == 0
    described = describe_clock(SystemClock())
    assert described["resolution_ns"] >= 1
    assert 0 <= described["offset_uncertainty_ns"] < MS_NS


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://me:secret@host:8000/v1", "https://host:8000/v1"),
        ("https://host/v1?key=secret#secret", "https://host/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://secret@host", "https://host"),
        ("localhost:8000/v1", "localhost:8000/v1"),
        ("me:secret@host:8000/v1", "host:8000/v1"),
        ("//me:secret@host/v1", "//host/v1"),
        ("http://[::1", "(not a URL)"),
        ("http://me:secret@[::1", "(not a URL)"),
    ],
)
def test_a_url_is_told_without_what_may_be_a_key(url: str, public: str) -> None:
    assert public_url(url) == public
