"""`latency-lens import`: what other tools measured takes its place among the runs."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
from kept import keep, say, typical

from llm_latency_lens.lens import load
from llm_latency_lens.metrics.portraits import Portraits
from llm_latency_lens.metrics.shapes import Shapes
from llm_latency_lens.report.waterfall import request_facts
from llm_latency_lens.sinks import FORMATS
from llm_latency_lens.store import runs

FIXTURES = Path(__file__).parents[1] / "imports/fixtures"
AIPERF = FIXTURES / "aiperf-0.13.0"
VLLM = FIXTURES / "vllm-bench-detailed.json"
SUMMARY = FIXTURES / "vllm-bench-summary.json"
LLMPERF = FIXTURES / "llmperf_550_150_individual_responses.json"


def rows() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(say("runs", "list", "--format", "json").out)
    return found[::-1]


def ask(sql: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(say("runs", "query", sql, "--format", "json").out)
    return found


def test_a_run_of_each_tool(home: Path) -> None:
    said = say("import", str(LLMPERF), str(VLLM), str(AIPERF / "profile_export.jsonl"))
    assert (said.code, said.err) == (0, "")
    assert re.sub(r"^\S+", "ID", said.out, flags=re.M).splitlines()[0] == (
        "ID  LLMPerf 2023-08-31, some/model, 3 of 4 requests succeeded"
    )
    assert (
        "  gaps between tokens, the last token and the requests' starts are not in it" in said.out
    )
    assert [(row["source"], row["source_version"], row["ok"]) for row in rows()] == [
        ("LLMPerf", "2023-08-31", 3),
        ("vllm bench serve", None, 3),
        ("AIPerf", "0.13.0", 8),
    ]
    assert ask(
        "SELECT source, count(ttft_ms) AS ttft, count(tpot_ms) AS tpot, count(started_at) AS starts"
        " FROM answers GROUP BY 1 ORDER BY 1"
    ) == [
        {"source": "AIPerf", "ttft": 8, "tpot": 8, "starts": 8},
        {"source": "LLMPerf", "ttft": 3, "tpot": 0, "starts": 0},
        {"source": "vllm bench serve", "ttft": 3, "tpot": 3, "starts": 3},
    ]
    assert ask("SELECT source, count(*) AS n FROM gaps GROUP BY 1 ORDER BY 1") == [
        {"source": "AIPerf", "n": 120},
        {"source": "vllm bench serve", "n": 9},
    ]


def test_a_folder_of_results(home: Path) -> None:
    assert say("import", str(FIXTURES / "llmeter-0.2.0")).code == 0
    (row,) = rows()
    assert (row["source"], row["scenario"], row["ok"]) == ("LLMeter", "demo", 12)
    assert row["duration_s"] == pytest.approx(1.515357402)


def test_figures_are_those_of_the_tool(home: Path) -> None:
    say("import", str(VLLM))
    (row,) = rows()
    told = json.loads(VLLM.read_text())
    ttft, itl, rates = row["ttft_ms"], row["itl_ms"], row["throughput"]
    assert isinstance(ttft, dict)
    assert isinstance(itl, dict)
    assert isinstance(rates, dict)
    assert ttft["p50"] == pytest.approx(told["median_ttft_ms"])
    assert ttft["p99"] == pytest.approx(told["p99_ttft_ms"])
    assert itl["mean"] == pytest.approx(told["mean_itl_ms"])
    assert (row["mode"], rates["offered_rate"], row["error_rate"]) == ("open", 2.0, 0.25)
    assert (row["verdict"], row["clock_source"]) == ("doubtful", "user")
    assert "imported" in str(row["reasons"])
    assert "killed" not in str(row["reasons"])
    assert "user_stamps" not in str(row["reasons"])


def test_the_window_is_the_tools_own_where_starts_are_not_known(home: Path) -> None:
    say("import", str(LLMPERF))
    (row,) = rows()
    rates = row["throughput"]
    assert isinstance(rates, dict)
    assert row["duration_s"] == pytest.approx(22.0)
    assert rates["output_tokens_per_second"] == pytest.approx(476 / 22)
    assert (row["itl_ms"], row["tpot_ms"]) == (None, None)


def test_a_summary_alone_has_the_figures_that_it_tells(home: Path) -> None:
    assert "--save-detailed" in say("import", str(SUMMARY)).out
    (row,) = rows()
    assert (row["ok"], row["failed"], row["requests"]) == (3, 1, 4)
    assert row["verdict"] == "doubtful"
    ttft = row["ttft_ms"]
    assert isinstance(ttft, dict)
    assert (ttft["p50"], ttft["p95"], ttft["p99"]) == (51.0, None, 61.78)
    name = str(row["run_id"])
    assert "TTFT        mean 53.67, p50 51.00, p99 61.78 ms" in say("runs", "show", name).out
    (series,) = json.loads(say("analyze", "--metric", "ttft_ms.p99", "--output", "-").out)["series"]
    assert (series["group"], series["points"][0]["value"]) == (
        "meta-llama/Llama-3.2-1B-Instruct",
        61.78,
    )
    refused = say("report", name)
    assert (refused.code, refused.out) == (2, "")
    assert "was brought in as a summary: `latency-lens runs show` has its figures" in refused.err


def test_report_shows_an_imported_run(home: Path) -> None:
    say("import", str(AIPERF))
    said = say("report")
    assert said.code == 0
    assert "measured by   AIPerf 0.13.0" in said.out
    assert "AIPerf 0.13.0 measured this" in said.out
    assert "certificate" not in said.out
    assert "no price known for sim" in said.out
    result = json.loads(say("report", "--output", "-").out)
    assert result["run"]["measured_by"] == "AIPerf 0.13.0"
    assert result["metrics"]["itl_ms"]["count"] == 120


def test_a_report_of_a_tool_without_gaps_makes_none_up(home: Path) -> None:
    say("import", str(FIXTURES / "llmperf_550_150_summary.json"))
    metrics = json.loads(say("report", "--output", "-").out)["metrics"]
    assert set(metrics) == {"ttft_ms", "answer_ms", "e2e_ms"}


@pytest.mark.parametrize("form", FORMATS)
def test_every_export_takes_what_holds_no_gaps(home: Path, tmp_path: Path, form: str) -> None:
    say("import", str(LLMPERF))
    out = tmp_path / "out"
    said = say("export", "--to", form, "--output", str(out))
    assert (said.code, said.err) == (0, "")
    if form == "csv":
        (row, *_) = csv.DictReader(out.read_text().splitlines())
        assert (row["ttft_ms"], row["events"], row["characters"]) == ("600.0", "", "")
        assert (row["tpot_ms"], row["tokens_per_event"]) == ("", "")
    if form == "vllm":
        told = json.loads(out.read_text()) if out.read_text().startswith("{") else {}
        assert "Peak" not in out.read_text()
        assert told.get("itls", [[]])[0] == []


def test_a_page_takes_what_holds_no_gaps(home: Path, tmp_path: Path) -> None:
    guide = tmp_path / "guide.json"
    guide.write_bytes(gzip.decompress((FIXTURES / "guidellm-0.8.1.json.gz").read_bytes()))
    assert say("import", str(guide)).code == 0
    portraits = Portraits()
    found = load("latest", also=[portraits])
    (portrait,) = portraits.of(found.result, found.run.file.context)
    assert portrait.result.run.measured_by == "GuideLLM 0.8.1"
    assert Shapes(portrait.traces).over_time() is not None
    typical = portrait.traces.typical()
    assert typical is not None
    assert "connection" not in dict(request_facts(typical, found.result))


def test_what_was_brought_in_before_is_not_brought_in_twice(home: Path) -> None:
    say("import", str(AIPERF / "profile_export.jsonl"))
    again = say("import", str(AIPERF / "profile_export_aiperf.json"), "--tag", "late")
    assert again.code == 0
    assert again.out.endswith("AIPerf 0.13.0: it was there already\n")
    (row,) = rows()
    assert row["tags"] == ["late"]


def test_what_a_person_says_comes_first(home: Path) -> None:
    flags = ("--name", "past", "--model", "m", "--provider", "openai", "--region", "eu")
    say("import", str(VLLM), *flags, "--started-at", "2025-01-02T03:04+01:00", "--tag", "a")
    (row,) = rows()
    assert (row["scenario"], row["provider"], row["model"]) == ("past", "openai", "m")
    assert (row["region"], row["tags"]) == ("eu", ["a"])
    assert row["started_at"] == "2025-01-02T02:04:00Z"
    assert ask("SELECT DISTINCT provider, model, region FROM requests") == [
        {"provider": "openai", "model": "m", "region": "eu"}
    ]


def test_when_it_was_must_be_known(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "responses.json"
    shutil.copy(LLMPERF, file)
    said = say("import", str(file))
    assert (said.code, said.out) == (2, "")
    assert f"{file}: nothing in it says when it was: give --started-at" in said.err
    assert say("import", str(file), "--started-at", "2025-01-02").code == 0
    assert say("import", str(file), "--started-at", "3d").code == 0


def test_no_text_and_no_key_comes_along(home: Path, tmp_path: Path) -> None:
    told = json.loads((AIPERF / "profile_export_aiperf.json").read_text())
    told["input_config"]["endpoint"]["urls"] = ["http://me:secret@host:1/v1?key=secret"]
    (tmp_path / "profile_export_aiperf.json").write_text(json.dumps(told))
    shutil.copy(AIPERF / "profile_export.jsonl", tmp_path)
    say("import", str(tmp_path), str(VLLM), str(LLMPERF))
    kept = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    for words in (b"secret", b"one two three", b"slow down", b"Service Unavailable"):
        assert not any(words in data for data in kept)
    found = runs.find("latest", home)
    assert found.path.stat().st_mode & 0o777 == 0o700


def test_run_directories_are_brought_in_whole(home: Path, tmp_path: Path) -> None:
    elsewhere = keep(tmp_path / "other", 3, typical())
    (elsewhere / "notes.txt").write_text("not a part of it")
    said = say("import", str(elsewhere), "--tag", "ci")
    assert said.out == f"{elsewhere.name}  latency-lens, m\n"
    (row,) = rows()
    assert (row["ok"], row["tags"], row["source"]) == (4, ["ci"], "latency-lens")
    assert not (home / "runs" / elsewhere.name / "notes.txt").exists()
    assert "it was there already" in say("import", str(elsewhere)).out


def test_another_store(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert say("import", str(VLLM), "--store", str(tmp_path / "other")).code == 0
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "import takes the files to bring in"),
        (["nope.json"], "nope.json: No such file or directory"),
        ([str(FIXTURES / "README.md")], "it is neither JSON nor JSON lines"),
        ([str(FIXTURES)], "this is a folder; name the file of results in it"),
        ([str(VLLM), "--tag", "a b"], "'a b' is no tag"),
        ([str(VLLM), "--started-at", "soon"], "--started-at must be a date"),
    ],
)
def test_wrong_input_is_one_line(home: Path, words: list[str], told: str) -> None:
    said = say("import", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 1
