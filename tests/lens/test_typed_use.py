"""The library as a typed program uses it: mypy checks this file with all that is strict.

Where a comment says that a line is wrong, mypy fails if it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import assert_type

import pytest

from llm_latency_lens import (
    Benchmark,
    Coldstart,
    Comparison,
    Estimate,
    Gate,
    Lens,
    LiveRun,
    Plot,
    Profile,
    Record,
    Result,
    Trial,
    load,
    load_trial,
)
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with start_simulator(SimConfig.from_options(ttft="3ms", gap="1ms", tokens="4")) as simulator:
        yield simulator.base_url


def test_types_are_there_for_others() -> None:
    assert (files("llm_latency_lens") / "py.typed").is_file()


def test_a_program_with_types(url: str, tmp_path: Path) -> None:
    lens = Lens(model="sim", base_url=url, api_key="none", run_dir=tmp_path)
    one = assert_type(lens.profile("hi"), Profile)
    assert_type(one.ttft_ms, float | None)
    many = assert_type(lens.benchmark(["a", "b"], requests=4, concurrency=2), Benchmark)
    assert_type(many.result, Result)
    for record in many.records():
        assert_type(record, Record)
    assert_type(many.gate("error_rate<1%", allow_invalid=True), Gate)
    assert_type(many.plot("timeline"), Plot)
    assert_type(lens.estimate("hi", requests=4), Estimate | None)
    compared = assert_type(lens.compare({"other": lens}, "hi", requests=1), Trial[Comparison])
    assert_type(compared.result.candidates[0].name, str)
    assert_type(load(many.run_dir).result, Result)
    assert_type(load_trial(compared.run_dir), Trial[Comparison] | Trial[Coldstart])


def test_iteration_has_types(url: str, tmp_path: Path) -> None:
    lens = Lens(model="sim", base_url=url, api_key="none", run_dir=tmp_path)
    live = assert_type(lens.records("hi", requests=1), LiveRun)

    async def read() -> list[Record]:
        return [record async for record in live]

    assert_type([record.ttft_ns for record in live], list[int | None])
    assert read.__name__ == "read"


def wrong(lens: Lens) -> None:
    lens.benchmark("hi", reqests=4)  # type: ignore[call-arg]  # wrong: no such option
    lens.benchmark("hi", arrival="sometimes")  # type: ignore[arg-type]  # wrong: no such arrival
    lens.profile(7)  # type: ignore[arg-type]  # wrong: no prompt
    lens.benchmark("hi").plot("pie")  # type: ignore[arg-type]  # wrong: no such plot
    lens.benchmark("hi").to_arrow("gaps")  # type: ignore[arg-type]  # wrong: no such table
