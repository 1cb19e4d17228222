"""The verdict of a gate, its tables, and what GitHub is told."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import jsonschema
import msgspec
import pytest
from test_thresholds import summed

from drawn_samples import context, drawn, made, records
from llm_latency_lens.decide import gate as gates
from llm_latency_lens.decide.gate import Gate, Limits, gate
from llm_latency_lens.decide.regressions import Allowed
from llm_latency_lens.decide.sample import Sample, sample_of
from llm_latency_lens.decide.thresholds import parse_threshold
from llm_latency_lens.metrics.result import Reason, Validity
from llm_latency_lens.report.gate import headline, markdown, remarks, shown, text

DOCS = Path(__file__).parents[2] / "docs/reference"
RESULT = summed(60)


def judged(*thresholds: str, run: Sample | None = None, base: Sample | None = None, **more: object):
    limits = Limits(thresholds=[parse_threshold(one) for one in thresholds], **more)  # type: ignore[arg-type]
    return gate(RESULT, limits, run, base)


def printed(found: Gate) -> str:
    out = io.StringIO()
    text(found, out, color=False)
    return out.getvalue()


SLOW = judged(
    "ttft_ms.p95<1ms",
    "error_rate<1%",
    "cost.per_request<1",
    run=sample_of(records(200, 2, ttft="lognormal:300ms,0.3"), context("slow", concurrency=4)),
    base=drawn(200, 1),
    allowed=[Allowed("itl_ms.p99", share=0.1)],
)


def test_a_verdict_passes_where_nothing_is_missed() -> None:
    found = judged("ttft_ms.p95<10s", run=drawn(900, 1), base=drawn(900, 2), metrics=["e2e_ms.p50"])
    assert found.passed
    assert headline(found) == "1 of 1 threshold kept; nothing found worse"
    assert "gate passed" in printed(found)
    assert markdown(found).startswith("### ✅ Latency gate passed\n")
    assert list(remarks(found)) == [f"::warning::{warning}" for warning in found.warnings]


def test_missed_thresholds_and_worse_figures_fail() -> None:
    assert not SLOW.passed
    assert [one.metric for one in SLOW.missed] == ["ttft_ms.p95", "cost.per_request"]
    assert "ttft_ms.p95" in [one.metric for one in SLOW.worse]
    assert not judged("ttft_ms.p95<1ms").passed
    told = printed(SLOW)
    assert "gate FAILED  1 of 3 thresholds kept; worse than the baseline: ttft_ms.p95" in told
    assert "missed by" in told
    assert "the run has no cost.per_request" in told
    assert "concurrency 4, was 2" in told


def test_too_few_data_pass_unless_they_are_required() -> None:
    few = {"run": drawn(20, 1), "base": drawn(20, 2), "metrics": ["ttft_ms.p95"]}
    found = judged(**few)  # type: ignore[arg-type]
    assert found.passed
    assert "not enough data for ttft_ms.p95" in headline(found)
    assert (
        "the run is too short to judge; 3,500 requests in each run could tell how many would find"
        " a change by 10 %; the baseline has 20, this run 20"
    ) in " ".join(printed(found).split())
    assert not judged(**few, require_data=True).passed  # type: ignore[arg-type]
    assert any(line.startswith("::warning title=ttft_ms.p95::not") for line in remarks(found))


def test_a_narrow_page_leaves_out_the_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = [line for line in printed(SLOW).splitlines() if line[2:].startswith("e2e_ms.p50")]
    assert "sure between" not in printed(SLOW)
    assert len(table[0]) < 80


def test_what_a_baseline_lacks_is_said() -> None:
    found = judged(run=drawn(20, 1), base=made([1.0] * 20), metrics=["itl_ms.p99"])
    assert "the baseline has no itl_ms.p99" in printed(found)
    assert "| – | – | – | – |" in markdown(found)


def test_a_run_is_not_held_against_itself_unnoticed() -> None:
    same = drawn(20, 1)
    found = judged(run=same, base=same, metrics=["ttft_ms.p95"])
    assert "the baseline was made of this very run" in found.warnings


def test_another_loop_is_another_way() -> None:
    a = drawn(20, 1)
    about = msgspec.structs.replace(a.about, mode="open", run="other", settings={"model": "x"})
    (warning, *_) = judged(run=replace(a, about=about), base=a, metrics=["ttft_ms.p95"]).warnings
    assert "open loop, was closed loop; provider not set, was openai; model x, was sim" in warning


def test_a_doubtful_run_is_said_to_be_doubtful() -> None:
    reason = Reason(code="drift", severity="doubtful", message="it drifts", advice="wait")
    doubtful = msgspec.structs.replace(
        RESULT, validity=Validity(verdict="doubtful", reasons=[reason])
    )
    found = gate(doubtful, Limits(thresholds=[parse_threshold("error_rate<1%")]))
    assert found.warnings == ["the run's own verdict is doubtful: it drifts"]
    assert "::warning::the run's own verdict is doubtful: it drifts" in list(remarks(found))


def test_the_json_follows_its_published_schema() -> None:
    written = json.loads((DOCS / "gate.schema.json").read_text())
    assert written == gates.json_schema()
    jsonschema.validate(json.loads(gates.encode(SLOW)), written)
    costs = made(costs=["0.01"] * 20)
    found = judged(run=costs, base=costs, metrics=["cost.per_request"])
    told = json.loads(gates.encode(found))
    jsonschema.validate(told, written)
    assert told["regressions"][0]["baseline"] == 0.01


def test_annotations_are_escaped() -> None:
    lines = list(remarks(SLOW))
    assert lines[0].startswith("::error title=ttft_ms.p95<1ms::")
    assert all("%" not in line.replace("%25", "").replace("%3A", "") for line in lines)
    assert all("\n" not in line for line in lines)


def test_markdown_holds_no_foreign_markup() -> None:
    found = msgspec.structs.replace(SLOW, warnings=["<b>|\nx"])
    assert "> ⚠️ &lt;b>\\| x" in markdown(found)


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("ttft_ms.p95", 1234.0, "1,234 ms"),
        ("error_rate", 0.015, "1.5 %"),
        ("run.duration_s", 90.0, "1 min 30 s"),
        ("read_lag_us.p99", 40.0, "40 us"),
        ("run.clock.resolution_ns", 2_000_000.0, "2 ms"),
        ("cost.per_request", Decimal("0.00012"), "$0.00012"),
        ("stalls.count", 3, "3"),
    ],
)
def test_figures_have_their_units(metric: str, value: float, words: str) -> None:
    assert shown(metric, value) == words
