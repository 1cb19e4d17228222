"""How a run ends when it does not end by itself."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real_command import COMMAND, Command, Simulate

pytestmark = pytest.mark.real

_PATIENCE_S = 30.0


@contextmanager
def under_way(
    lens: Command, base_url: str, run: Path, *args: str
) -> Iterator[subprocess.Popen[str]]:
    """A benchmark that has answers on the disk already and would go on for a minute."""
    command = [
        *(str(COMMAND), "benchmark", "openai/sim", "Hi", "--base-url", base_url, "--quiet"),
        *("--concurrency", "4", "--duration", "60s", "--run-dir", str(run), *args),
    ]
    with subprocess.Popen(
        command,
        env=lens.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _wait_for_bytes(run / "timelines.bin", 20_000, process)
            yield process
        finally:
            process.kill()


def _wait_for_bytes(file: Path, size: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not (file.exists() and file.stat().st_size > size):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.05)


def test_the_first_interrupt_lets_answers_end(
    simulate: Simulate, lens: Command, tmp_path: Path
) -> None:
    base_url = simulate(ttft="50ms", gap="5ms", tokens="40").base_url
    result = tmp_path / "result.json"
    with under_way(lens, base_url, tmp_path / "run", "--output", str(result)) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130, err
    assert "TTFT" in out
    assert "Traceback" not in err
    found = json.loads(result.read_text())
    assert found["run"]["interrupted"] is True
    assert found["requests"]["ok"] > 0
    assert found["requests"]["cancelled"] == 0


def test_the_second_interrupt_cuts_them_off(
    simulate: Simulate, lens: Command, tmp_path: Path
) -> None:
    # One answer in three never ends, so that there is something to cut off.
    base_url = simulate(ttft="20ms", gap="5ms", tokens="20", faults="endless:10%").base_url
    result = tmp_path / "result.json"
    args = ("--output", str(result), "--grace", "50s")
    with under_way(lens, base_url, tmp_path / "run", *args) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130, err
    assert "TTFT" in out
    found = json.loads(result.read_text())
    assert found["requests"]["ok"] > 0
    assert found["requests"]["cancelled"] > 0


def test_what_was_captured_survives_kill_9(
    simulate: Simulate, lens: Command, tmp_path: Path
) -> None:
    base_url = simulate(ttft="50ms", gap="5ms", tokens="40").base_url
    run = tmp_path / "run"
    with under_way(lens, base_url, run) as process:
        process.kill()
        process.communicate(timeout=_PATIENCE_S)
    ran = lens("report", str(run))
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) <= 1
    assert ran.result["requests"]["ok"] > 0
    assert ran.result["metrics"]["ttft_ms"]["p50"] == pytest.approx(50, abs=10)
