"""Limits and baselines from Python: what `gate` and `baseline` do, by methods."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from drawn_samples import kept, records
from llm_latency_lens import Benchmark, RunError, StoreError, UsageError, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def before(folder: Path) -> Benchmark:
    return load(kept(folder / "before", records(200), name="before"))


@pytest.fixture(scope="module")
def after(folder: Path) -> Benchmark:
    """Half as slow again."""
    slow = records(200, 2, ttft="lognormal:300ms,0.3")
    return load(kept(folder / "after", slow, name="after"))


def test_limits_on_figures(before: Benchmark) -> None:
    found = before.gate("ttft_ms.p50<10s", "error_rate<1%")
    assert found.passed
    found = before.gate("ttft_ms.p50<1ms")
    assert not found.passed
    assert [one.metric for one in found.missed] == ["ttft_ms.p50"]


def test_a_baseline_is_a_file_or_another_run(
    before: Benchmark, after: Benchmark, tmp_path: Path
) -> None:
    before.baseline(tmp_path / "main.lens")
    by_file = after.gate(baseline=tmp_path / "main.lens", metrics=["ttft_ms.p95"])
    assert [one.metric for one in by_file.worse] == ["ttft_ms.p95"]
    assert not by_file.passed
    by_run = after.gate(baseline=before, metrics=["ttft_ms.p95"])
    assert by_run.regressions == by_file.regressions
    allowed = after.gate(baseline=before, metrics=["ttft_ms.p95"], allow=["ttft_ms.p95:200%"])
    assert allowed.passed


def test_wrong_wishes_are_one_line(before: Benchmark, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing to hold the run to"):
        before.gate()
    with pytest.raises(UsageError):
        before.gate("ttft_ms")
    with pytest.raises(StoreError, match=re.escape(f"{tmp_path / 'nosuch'}: No such file")):
        before.gate(baseline=tmp_path / "nosuch")
    (tmp_path / "text").write_text("text")
    with pytest.raises(StoreError, match="this is no baseline"):
        before.gate(baseline=tmp_path / "text")
    silent = load(kept(folder / "silent", [], name="silent"))
    with pytest.raises(UsageError, match="the run silent has no request that succeeded"):
        silent.baseline(tmp_path / "x.lens")
    with pytest.raises(RunError, match="the run silent is invalid and cannot be judged"):
        silent.gate("ttft_ms.p50<1s")
    assert not silent.gate("ttft_ms.p50<1s", allow_invalid=True).passed
