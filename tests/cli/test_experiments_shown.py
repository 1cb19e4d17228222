"""`demo` and `calibrate`, whose experiments take too long to be carried out here."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_shell import Shell

from llm_latency_lens.cli import world as real
from llm_latency_lens.errors import RunError
from llm_latency_lens.experiments.certificate import Certificate, Level

LEVEL = Level(
    streams=100,
    events=6400,
    events_per_second=4321.0,
    ttft_error_us_p50=3.21,
    ttft_error_us_p99=12.3,
    ttft_error_us_max=45.6,
    gap_error_us_p50=0.5,
    gap_error_us_p99=9.0,
    gap_error_us_max=55.0,
    cpu_us_per_event=17.0,
    merged_events=0,
)
CERTIFICATE = Certificate(
    made_at="2024-01-02T03:04:05+00:00",
    tool_version="0.1.0",
    host={},
    clock_source="kernel",
    clock_resolution_ns=1,
    levels=[LEVEL],
    limit_us=1000.0,
    max_events_per_second=4321.0,
)


@pytest.fixture
def asked(shell: Shell) -> dict[str, Any]:
    """What `calibrate` was asked for."""
    found: dict[str, Any] = {}

    def calibrate(**settings: Any) -> Certificate:
        found.update(settings)
        if settings["on_level"]:
            settings["on_level"](LEVEL)
        return CERTIFICATE

    shell.world.calibrate = calibrate
    return found


def test_calibrate_prints_a_certificate(shell: Shell, asked: dict[str, Any]):
    said = shell("calibrate", "--streams", "10,100")
    assert asked["streams"] == (10, 100)
    assert said.err == "100 streams: p99 error 9 us at 4,321 tokens a second\n"
    assert said.out.splitlines()[3].split() == (
        ["100", "4,321", "3.21", "12.3", "45.6", "0.5", "9", "55", "17"]
    )
    assert "The p99 error stays under 1 ms up to 4,321 tokens a second.\n" in said.out
    assert "Stamps by the kernel; the clock resolves 1 ns.\n" in said.out


def test_calibrate_as_json(shell: Shell, asked: dict[str, Any]):
    said = shell("calibrate", "--output", "-", "--quiet")
    assert "streams" not in asked
    assert said.err == ""
    assert json.loads(said.out)["levels"][0]["streams"] == 100


def test_calibrate_on_a_slow_machine(shell: Shell, asked: dict[str, Any], tmp_path: Path):
    slow = Certificate(
        **{
            name: getattr(CERTIFICATE, name)
            for name in CERTIFICATE.__struct_fields__
            if name != "max_events_per_second"
        },
        max_events_per_second=None,
    )
    shell.world.calibrate = lambda **_: slow
    file = tmp_path / "c.json"
    said = shell("calibrate", "--output", str(file))
    assert "The p99 error is above 1 ms at every load that was tried." in said.out
    assert json.loads(file.read_text())["max_events_per_second"] is None


@pytest.fixture
def quick_demo(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that answers at once, and a lens that sends a few requests at once."""

    @contextlib.contextmanager
    def simulator(**options: str) -> Iterator[Any]:
        quick = {"ttft": "5ms", "gap": "1ms", "tokens": "6", "seed": "1"}
        with real._simulator(**{**options, **quick}) as running:
            yield running

    def lens(**settings: Any) -> Any:
        found = real._lens(**settings)
        benchmark = found.benchmark

        class Quick:
            def benchmark(self, prompts: str, **load: Any) -> Any:
                return benchmark(prompts, **{**load, "rate": 100.0, "requests": 8})

        return Quick()

    shell.world.simulator = simulator
    shell.world.lens = lens


@pytest.mark.usefixtures("quick_demo")
def test_demo_measures_a_simulated_provider_and_checks_itself(shell: Shell):
    said = shell("demo")
    assert said.code == 0
    assert said.err.startswith("A simulated provider; 360 requests, 24 a second (about 18 s).\n")
    assert said.out.startswith("demo  8 requests in ")
    assert "\nTruth         the simulator's own log says TTFT p50 " in said.out
    assert "\nLook closer   latency-lens report " in said.out


@pytest.mark.usefixtures("quick_demo")
def test_demo_says_little_when_it_is_to_be_quiet(shell: Shell, tmp_path: Path):
    file = tmp_path / "r.json"
    said = shell("demo", "--quiet", "--output", str(file), "--name", "mine")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("mine  8 requests in ")
    assert "Truth" not in said.out
    assert json.loads(file.read_text())["requests"]["sent"] == 8


def test_an_experiment_that_fails_is_one_line(shell: Shell):
    def failing(**settings: Any) -> Certificate:
        raise RunError("the simulator failed: no reason")

    shell.world.calibrate = failing
    said = shell("calibrate")
    assert (said.code, said.out) == (3, "")
    assert said.err == "latency-lens: error: the simulator failed: no reason\n"
