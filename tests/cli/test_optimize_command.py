"""`latency-lens optimize`, on runs that were kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_shell import Shell

from drawn_samples import kept, records
from llm_latency_lens.cli.optimize import read_scores
from llm_latency_lens.errors import UsageError

QUICK = {"ttft": "lognormal:100ms,0.2"}
SLOW = {"ttft": "lognormal:300ms,0.2"}
PRICES = """\
prices:
  - {provider: openai, model: quick, per_request: "0.002"}
  - {provider: openai, model: slow, per_request: "0.001"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two models, a comparison of both, and what they cost."""
    path = tmp_path_factory.mktemp("runs")
    arms: list[Any] = []
    for number, (model, options) in enumerate((("quick", QUICK), ("slow", SLOW))):
        found = [replace(one, model=model) for one in records(100, number, **options)]
        kept(path / model, found, f"run-{model}", model=model, base_url="http://h:1/v1")
        arms += [replace(one, arm=model, index=2 * one.index + number) for one in found]
    config = {"arms": {"quick": {"model": "quick"}, "slow": {"model": "slow"}}, "requests": 100}
    kept(path / "both", arms, "both", experiment="compare", **config)
    kept(path / "cold", [], "cold", experiment="coldstart")
    (path / "prices.yaml").write_text(PRICES)
    (path / "scores.csv").write_text("candidate,quality\nquick,0.7\nslow,0.9\n")
    return path


def test_two_runs(folder: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = shell(
        *("optimize", str(folder / "quick"), str(folder / "slow")),
        *("--prices", str(folder / "prices.yaml"), "--current", "slow"),
        *("--require", "ttft_ms.p95<200", "--minimise", "cost"),
    )
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("✓ Take quick: it ranks first in 100 % of resamples.\n")
    assert "slow          out: ttft_ms.p95<200: it has 4" in said.out
    assert "it costs $1.00 per 1,000 requests" in said.out
    assert "• without ttft_ms.p95<200, slow would be first: it has 4" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_comparisons_candidates_and_everything_that_can_be_written(
    folder: Path, shell: Shell, tmp_path: Path
) -> None:
    json_file, md, svg, config = (tmp_path / f"d.{end}" for end in ("json", "md", "svg", "yaml"))
    said = shell(
        *("optimize", str(folder / "both"), "--prices", str(folder / "prices.yaml")),
        *("--minimise", "ttft_ms.p95", "--minimise", "cost", "--weight", "cost=3"),
        *("--scores", str(folder / "scores.csv"), "--weight", "quality=0"),
        *("--output", str(json_file), "--markdown", str(md)),
        *("--picture", str(svg), "--litellm", str(config)),
    )
    assert (said.code, said.err) == (0, "")
    found = json.loads(json_file.read_text())
    assert found["recommended"] == "slow"
    assert found["runs"] == ["both"]
    assert [one["requests"] for one in found["candidates"]] == [100, 100]
    assert [one["weight"] for one in found["criteria"]] == [0.25, 0.75]
    assert found["candidates"][0]["origin"] == {"provider": "openai", "model": "quick"}
    assert "|  | Candidate | TOPSIS | Weighted sum | First in | TTFT p95 | $/request |" in (
        md.read_text()
    )
    assert svg.read_text().startswith("<svg ")
    assert all(
        word in svg.read_text() for word in (">quick<", ">slow<", "$/request", "TTFT p95, ms")
    )
    written = yaml.safe_load(config.read_text())
    assert [one["model_name"] for one in written["model_list"]] == ["slow", "quick"]
    assert written["model_list"][0]["litellm_params"] == {
        "model": "openai/slow",
        "api_key": "os.environ/OPENAI_API_KEY",
    }
    assert written["router_settings"] == {
        "model_group_alias": {"best": "slow"},
        "fallbacks": [{"slow": ["quick"]}],
    }


def test_names_of_ones_own_and_scores(folder: Path, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("name,quality\nb,0.9\na,0.7\n")
    said = shell(
        *("optimize", f"a={folder / 'quick'}", f"b={folder / 'slow'}", "--scores", str(file)),
        *("--require", "quality>=0.8", "--minimise", "ttft_ms", "--output", "-"),
    )
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["recommended"] == "b"
    assert found["candidates"][0]["misses"] == ["quality>=0.8: it has 0.7"]


def test_runs_that_were_measured_in_different_ways(
    folder: Path, shell: Shell, tmp_path: Path
) -> None:
    busy = kept(tmp_path / "busy", records(100, 9), "busy", model="busy", concurrency=9)
    said = shell("optimize", str(folder / "quick"), str(busy), "--minimise", "ttft_ms")
    assert "busy was measured in another way than quick" in said.out
    assert "concurrency 9, was 2" in said.out.replace("\n ", "")


def test_nobody_keeps_the_limits(folder: Path, shell: Shell, tmp_path: Path) -> None:
    args = ("optimize", str(folder / "both"), "--require", "ttft_ms.p95<1", "--minimise", "e2e_ms")
    said = shell(*args)
    assert said.code == 1
    assert said.out.startswith("✗ No candidate keeps every limit, in 100 % of resamples:")
    said = shell(*args, "--litellm", str(tmp_path / "c.yaml"))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "nothing to configure" in said.err


def test_twice_the_same_candidates_are_one(folder: Path, shell: Shell, tmp_path: Path) -> None:
    """The rounds of one choice are several runs."""
    found = [replace(one, arm="quick", model="quick") for one in records(50, 7, **QUICK)]
    config = {"arms": {"quick": {"model": "quick"}}, "shares": {"quick": 50}, "requests": 50}
    more = kept(tmp_path / "more", found, "more", experiment="optimize", **config)
    args = ("optimize", str(folder / "both"), str(more), "--minimise", "ttft_ms", "--output", "-")
    decision = json.loads(shell(*args).out)
    assert [one["requests"] for one in decision["candidates"]] == [150, 100]
    assert decision["runs"] == ["both", "more"]
    config["arms"]["quick"]["model"] = "another"
    other = kept(tmp_path / "other", found, "other", experiment="optimize", **config)
    said = shell("optimize", str(folder / "both"), str(other), "--minimise", "ttft_ms")
    assert "two runs have a candidate quick, but not the same one" in said.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nope",), "no run 'nope'"),
        (("quick",), "two candidates or more"),
        (("quick", "quick"), "is named twice"),
        (("cold", "quick"), "is a run of `coldstart`: its requests are of several kinds"),
        (("a=both",), "have names already"),
        (("a=quick", "a=slow"), "two candidates have the name a"),
        (("both", "--max-tokens", "5"), "--max-tokens goes with --measure"),
        (("both", "--candidate", "m"), "--candidate goes with --measure"),
        (("both", "--weight", "cost"), "such as cost=2, not 'cost'"),
        (("both", "--weight", "cost=x"), "must be a number"),
        (("both", "--confidence", "1"), "must be below 1"),
        (("both", "--current", "x"), "no such candidate"),
        (("both", "--minimise", "cost"), "no candidate has cost.per_request: add prices"),
        (("both", "--minimise", "ttft_ms", "--picture", "p.svg"), "a picture needs two figures"),
        (("both", "--output", "-", "--markdown", "-"), "exclude each other"),
        (("both", "--scores", "none.csv"), "none.csv: No such file"),
        (("--measure", "one", "hi"), "two candidates or more"),
        (("--measure", "a=vllm/m", "b=vllm/n", "hi", "--current", "c"), "there are a, b"),
    ],
)  # fmt: skip
def test_wrong_usage(
    folder: Path,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(folder)
    said = shell("optimize", *args)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert words in said.err


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("candidate,quality\n", "a line of names is needed"),
        ("candidate\na\n", "a line of names is needed"),
        ("candidate,two words\na,1\n", "'two words' is no name for a column"),
        ("candidate,quality\na,1\na,2\n", "line 3: a is there twice"),
        ("candidate,quality\na,1,2\n", "line 2: it has not as many cells"),
        ("candidate,quality\na,good\n", "line 2: quality is no number: 'good'"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, table: str, words: str) -> None:
    file = tmp_path / "s.csv"
    file.write_text(table)
    with pytest.raises(UsageError, match=words):
        read_scores(str(file))


def test_scores_must_fit_the_candidates(folder: Path, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    for table, words in (
        ("c,quality\nquick,1\n", "the candidate slow has no quality among the scores"),
        ("c,quality\nquick,1\nslow,1\nthird,1\n", "scores of third: no such candidate"),
        ("c,quality\nquick,1\nslow,-1\n", "the quality of slow is -1: scores begin at 0"),
    ):
        file.write_text(table)
        said = shell("optimize", str(folder / "both"), "--scores", str(file))
        assert (said.code, words in said.err) == (2, True)


# -- measured ------------------------------------------------------------------------------------


def test_measuring_until_the_answer_is_settled(
    shell: Shell, simulator: str, tmp_path: Path
) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(PRICES)
    said = shell(
        *("optimize", "--measure", f"quick@{simulator}", f"slow@{simulator}", "hi"),
        *("--minimise", "cost", "--prices", str(file), "--concurrency", "8", "--no-proxy"),
        *("--run-dir", str(tmp_path / "runs"), "--output", "-"),
    )
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["answer"], found["recommended"]) == ("decided", "slow")
    assert found["spent"] == {"rounds": 1, "requests": 40, "cost": 0.06, "stopped": None}
    again = json.loads(
        shell("optimize", str(tmp_path / "runs"), "--minimise", "cost", "--output", "-").out
    )
    assert again["candidates"] == found["candidates"]
    shown = shell("report", str(tmp_path / "runs"))
    assert shown.code == 0
    assert shown.out.endswith("`latency-lens optimize` with this run tells them apart.\n")
