"""The instrument watches itself: is the loop on time, is there a CPU, does the clock step?"""

from __future__ import annotations

import time
from pathlib import Path

from ..clock import MS_NS, SECOND_NS, Clock, realtime_offset_ns
from ..metrics.context import Health

BEAT_NS = 50 * MS_NS
_STALL_NS = 100 * MS_NS
_STEP_NS = MS_NS
_SUSPENDED_NS = SECOND_NS
_SCHEDSTAT = Path("/proc/thread-self/schedstat")


class Vitals:
    """Fills a `Health` from heartbeats; one for each capture."""

    def __init__(self, clock: Clock) -> None:
        self.health = Health()
        self._clock = clock
        self._begun = clock.monotonic_ns()
        self._due = self._begun + BEAT_NS
        self._offset = realtime_offset_ns(clock)
        self._cpu = self._cpu_before = time.process_time_ns()
        self._run_delay = _run_delay_ns()

    def beat(self) -> None:
        """To be called every BEAT_NS; what it finds late, was."""
        now = self._clock.monotonic_ns()
        late = now - self._due
        cpu = time.process_time_ns()
        health = self.health
        # A process that was late without using its CPU did not work: it was stopped.
        if late > _SUSPENDED_NS and cpu - self._cpu_before < late // 10:
            health.suspended_s += late / SECOND_NS
        health.loop_stall_ms_max = max(health.loop_stall_ms_max, late / MS_NS)
        health.loop_stalls += late > _STALL_NS
        step = realtime_offset_ns(self._clock) - self._offset
        if abs(step) > _STEP_NS and abs(step) > abs(health.clock_step_ms) * MS_NS:
            health.clock_step_ms = step / MS_NS
        self._due = now + BEAT_NS
        self._cpu_before = cpu

    def finish(self) -> Health:
        health = self.health
        health.capture_s = (self._clock.monotonic_ns() - self._begun) / SECOND_NS
        health.cpu_s = (time.process_time_ns() - self._cpu) / SECOND_NS
        delay = _run_delay_ns()
        if delay is not None and self._run_delay is not None:
            health.run_delay_s = (delay - self._run_delay) / SECOND_NS
        return health


def _run_delay_ns() -> int | None:
    """How long this thread was ready to run and had no CPU (Linux, sched-stats.rst); else None."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
