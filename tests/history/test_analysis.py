"""Many runs, looked at together: what is there is found, and what cannot be told is said so."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from kept import answer, failed, keep, say, typical

from llm_latency_lens.metrics import analysis
from llm_latency_lens.report.analysis import amount, spark

DOCS = Path(__file__).parents[2] / "docs/reference"


def analyse(*flags: str) -> analysis.Analysis:
    said = say("analyze", *flags, "--output", "-")
    assert (said.code, said.err) == (0, "")
    jsonschema.Draft202012Validator(analysis.json_schema()).validate(json.loads(said.out))
    return analysis.decode(said.out)


@pytest.fixture
def slower(home: Path) -> list[Path]:
    """Twelve runs; from the eighth on the first token takes half as long again."""
    return [
        keep(
            home,
            number,
            typical(ttft_ms=(150.0 if number >= 7 else 100.0) + number % 3),
            every=timedelta(hours=25),
        )
        for number in range(12)
    ]


def test_it_says_when_it_got_slower(slower: list[Path]) -> None:
    (series,) = analyse("--metric", "ttft_ms.p50").series
    assert (series.group, series.runs, series.requests, series.changed) == (
        "openai/m",
        12,
        48,
        "yes",
    )
    (change,) = series.changes
    assert (change.last_before, change.first_after) == (slower[6].name, slower[7].name)
    assert (change.before, change.after, change.worse) == (116.0, 166.0, True)
    assert change.ratio == pytest.approx(166 / 116)
    assert f"{change.at:%Y-%m-%dT%H}" == "2026-03-11T12"
    assert [point.value for point in series.points][5:9] == [117.0, 115.0, 166.0, 167.0]
    assert [point.run_id for point in series.points] == [path.name for path in slower]
    text = say("analyze", "--metric", "ttft_ms.p50").out
    assert "slower since 2026-03-11 12:00 UTC: 116 ms before, 166 ms after (+43.1 %)" in text
    assert "each      ▁▁▁▁▁▁▁" in text
    assert "hours     cannot be told: 3 runs in each of two hours of the day are needed" in text


def test_throughput_that_falls_is_worse_and_one_that_rises_is_not(slower: list[Path]) -> None:
    found = analyse("--metric", "throughput.output_tokens_per_second")
    assert found.worse == "lower"
    (series,) = found.series
    assert (series.value, series.changes[0].worse) == (None, True)
    assert series.changes[0].after < series.changes[0].before
    text = say("analyze", "--metric", "throughput.output_tokens_per_second").out
    assert "slower since" in text
    assert "/s" in text


def test_a_trend_has_its_slope_and_interval(home: Path) -> None:
    for number in range(9):
        keep(home, number, typical(ttft_ms=100.0 + 2 * number))
    (series,) = analyse("--metric", "ttft_ms.max").series
    assert series.trend.found == "yes"
    assert series.trend.per_day == pytest.approx(2.0)
    assert series.trend.ci95 == (pytest.approx(2.0), pytest.approx(2.0))
    assert series.trend.p == pytest.approx(2 / 362880)
    text = say("analyze", "--metric", "ttft_ms.max").out
    assert "trend     rises by 2 ms a day (+2 ms to +2 ms a day), p < 0.001" in text


def test_too_few_runs_cannot_tell(home: Path) -> None:
    keep(home, 0, typical())
    (series,) = analyse().series
    assert (series.trend.found, series.changed, series.hours.differ) == ("unknown",) * 3
    assert (series.trend.p, series.hours.p) == (None, None)
    text = say("analyze").out
    assert "changes   cannot be told: a change needs 8 runs, there is one" in text
    assert "  each  " not in text


def test_nothing_found_is_said_with_what_could_hide(home: Path) -> None:
    for number in range(10):
        keep(home, number, typical(ttft_ms=100.0 + (number * 7) % 10))
    text = say("analyze", "--metric", "ttft_ms.p50").out
    assert "changes   none found" in text
    assert "trend     none shown: -" in text


def test_the_hour_of_the_day(home: Path) -> None:
    for number in range(16):
        busy = number % 2 == 1
        keep(home, number, typical(ttft_ms=180.0 if busy else 100.0), every=timedelta(hours=12))
    (series,) = analyse("--metric", "ttft_ms.p50").series
    assert (series.hours.differ, series.changed) == ("yes", "no")
    assert [(hour.hour, hour.runs, hour.value) for hour in series.hours.hours] == [
        (5, 8, 115.0),
        (17, 8, 195.0),
    ]
    text = say("analyze", "--metric", "ttft_ms.p50").out
    assert "hours     differ: 115 ms at 05 h, 195 ms at 17 h UTC, p < 0.001" in text


def test_groups_and_filters(home: Path) -> None:
    keep(home, 0, typical(), name="chat")
    keep(home, 1, typical(ttft_ms=200.0), name="code", config={"region": "us"})
    arms = {"a": {"model": "one"}, "b": {"model": "two"}}
    mixed = [answer(0, 50.0, model="one", arm="a"), answer(1, 70.0, model="two", arm="b")]
    keep(home, 2, mixed, name="duel", config={"experiment": "compare", "arms": arms})

    def groups(*flags: str) -> dict[str | None, float | None]:
        found = analyse("--metric", "ttft_ms.p50", *flags)
        return {one.group: one.value for one in found.series}

    assert groups() == {"openai/m": 165.0, "openai/one": 50.0, "openai/two": 70.0}
    assert groups("--by", "scenario") == {"chat": 115.0, "code": 215.0, "duel": 60.0}
    assert groups("--by", "region") == {"eu": 105.0, "us": 215.0}
    assert groups("--by", "none") == {None: 125.0}
    assert groups("--by", "provider") == {"openai": 125.0}
    assert groups("--by", "source") == {"latency-lens": 125.0}
    assert groups("--model", "tw*") == {"openai/two": 70.0}
    assert groups("--since", "2026-03-05", "--by", "scenario") == {"code": 215.0, "duel": 60.0}
    assert analyse("--metric", "throughput.requests_per_second").left_out == 1


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("ttft_ms.mean", 115.0),
        ("ttft_ms.min", 100.0),
        ("itl_ms.p50", 25.0),
        ("itl_ms.p99", 30.0),
        ("e2e_ms.p90", 177.0),
        ("cost.per_request", 0.01),
        ("error_rate", 0.2),
        ("output_tokens_per_second.p50", 40.0),
    ],
)
def test_every_metric_is_that_of_the_result(home: Path, metric: str, value: float) -> None:
    keep(home, 0, [*typical(), failed(4), answer(9, 1.0, (1.0,), warmup=True)])
    (series,) = analyse("--metric", metric).series
    assert series.value == pytest.approx(value)
    assert series.points[0].value == pytest.approx(value)
    assert series.points[0].requests == (5 if metric == "error_rate" else 4)


def test_a_metric_that_no_run_has(home: Path) -> None:
    keep(home, 0, typical())
    said = say("analyze", "--metric", "server_ms.p50")
    assert (said.code, said.out.splitlines()[-1]) == (0, "No run has this metric.")
    assert "; 1 run without it" in said.out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--metric", "ttft"], "no metric 'ttft': write error_rate"),
        (["--metric", "ttft_ms"], "'ttft_ms' names no figure of ttft_ms"),
        (["--metric", "ttft_ms.p42"], "names no figure of ttft_ms"),
        (["--metric", "throughput.offered_rate"], "no metric"),
        (["--by", "colour"], "--by must be model, provider"),
        (["--model", "nope"], "there is no run to look at: model nope"),
        (["--output", "/no/such/folder/x.json"], "cannot write"),
    ],
)
def test_wrong_input_is_one_line(home: Path, flags: list[str], told: str) -> None:
    keep(home, 0, typical())
    said = say("analyze", *flags)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_it_can_be_written_to_a_file(home: Path, tmp_path: Path) -> None:
    keep(home, 0, typical())
    said = say("analyze", "--output", str(tmp_path / "a.json"))
    assert "ttft_ms.p95 by model" in said.out
    assert analysis.decode((tmp_path / "a.json").read_bytes()).metric == "ttft_ms.p95"


@pytest.mark.parametrize(
    ("metric", "value", "sign", "text"),
    [
        ("ttft_ms.p95", 1234.0, False, "1,234 ms"),
        ("ttft_ms.p95", 0.25, True, "+250 us"),
        ("ttft_ms.p95", -3.0, True, "-3 ms"),
        ("cost.per_request", 0.0123, False, "$0.0123"),
        ("cost.per_request", -0.5, True, "-$0.50"),
        ("cost.per_request", 1e-7, True, "+$0.0000001"),
        ("error_rate", 0.025, False, "2.5 %"),
        ("throughput.requests_per_second", 12.5, False, "12.5/s"),
        ("tokens_per_event.p50", 1.5, False, "1.5"),
    ],
)
def test_amounts_have_their_units(metric: str, value: float, sign: bool, text: str) -> None:
    assert amount(metric, value, sign=sign) == text


def test_sparks() -> None:
    assert spark([1, 2, 3, 8]) == "▁▂▃█"
    assert spark([5, 5, 5]) == "▄▄▄"
    assert spark([0, 0, 1, 1, 9, 9], width=3) == "▁▂█"


def test_the_schema_in_the_documentation_is_the_one_of_the_code() -> None:
    assert json.loads((DOCS / "analysis.schema.json").read_text()) == analysis.json_schema()


def test_every_field_is_explained() -> None:
    page = (DOCS / "analysis-json.md").read_text()
    fields = {
        field
        for definition in analysis.json_schema()["$defs"].values()
        for field in definition.get("properties", {})
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []
