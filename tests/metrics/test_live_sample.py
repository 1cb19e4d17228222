"""The running sample of the progress display."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llm_latency_lens.metrics.live import LiveSample
from llm_latency_lens.record import EventKind, Record, Status


def answered(ttft_ms: int, *gaps_ms: int, status: Status = Status.OK, attempt: int = 0) -> Record:
    record = Record("r", 0, status, start_ns=0, attempt=attempt)
    at_ns = ttft_ms * 1_000_000
    record.events.add(at_ns, 0, EventKind.TEXT, "x")
    for gap_ms in gaps_ms:
        at_ns += gap_ms * 1_000_000
        record.events.add(at_ns, 0, EventKind.TEXT, "x")
    return record


def test_it_has_nothing_to_say_before_the_first_record() -> None:
    sample = LiveSample()
    assert sample.ttft_ms(0.5) is None
    assert sample.itl_ms(0.99) is None


def test_quantiles_are_interpolated_between_samples() -> None:
    sample = LiveSample()
    for ttft_ms in (10, 20, 40):
        sample.add(answered(ttft_ms, 1, 3))
    assert sample.ttft_ms(0.5) == 20.0
    assert sample.ttft_ms(0.75) == 30.0
    assert sample.ttft_ms(1.0) == 40.0
    assert sample.itl_ms(0.5) == pytest.approx(2.0)


def test_only_first_attempts_that_succeeded_count() -> None:
    sample = LiveSample()
    sample.add(answered(10, 1, status=Status.FAILED))
    sample.add(answered(10, 1, attempt=1))
    warm = answered(10, 1)
    warm.warmup = True
    sample.add(warm)
    sample.add(Record("r", 0, Status.OK, start_ns=0))
    assert sample.ttft_ms(0.5) is None


def test_what_runs_beside_the_capture_does_not_load_numpy() -> None:
    modules = "context, lines, live, result"
    code = (
        f"import sys; from llm_latency_lens.metrics import {modules}; print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_old_values_are_forgotten() -> None:
    sample = LiveSample(kept=2)
    for ttft_ms in (1000, 10, 20):
        sample.add(answered(ttft_ms))
    assert sample.ttft_ms(1.0) == 20.0


def test_several_quantiles_and_the_newest_samples() -> None:
    sample = LiveSample(kept=4)
    assert sample.levels_ms((0.5, 0.99)) == ([], [])
    assert sample.newest_ms(3) == ([], [])
    for ttft_ms in (500, 100, 200, 300, 400):
        sample.add(answered(ttft_ms, ttft_ms // 10))
    assert sample.levels_ms((0.0, 0.5, 1.0)) == ([100, 250, 400], [10, 25, 40])
    assert sample.newest_ms(3) == ([200, 300, 400], [20, 30, 40])
