"""`latency-lens runs`, as a person uses it."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kept import answer, failed, keep, say, typical


@pytest.fixture
def three(home: Path) -> list[Path]:
    """Three runs, a day apart, the newest of another model."""
    return [
        keep(home, 0, typical()),
        keep(home, 1, [*typical(ttft_ms=200.0), failed(4)]),
        keep(home, 2, typical(), name="", config={"provider": "groq", "model": "llama-3"}),
    ]


def test_the_list_has_the_newest_first(three: list[Path]) -> None:
    said = say("runs")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == (
        "RUN NAME WHEN, UTC MODEL REQUESTS OK TTFT P50 P95 TOKENS/S COST VERDICT".split()  # noqa: SIM905
    )
    assert [line.split()[0] for line in lines[2:5]] == [path.name for path in three[::-1]]
    second = "nightly 2026-03-05 05:00 openai/m 5 4 215.0 228.5"
    assert lines[3].split()[1:9] == second.split()
    assert lines[3].split()[10:] == ["$0.04", "doubtful"]
    assert lines[-1] == "3 runs"


@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        (["--model", "llama*"], [2]),
        (["--model", "m"], [1, 0]),
        (["--provider", "openai"], [1, 0]),
        (["--since", "2026-03-05"], [2, 1]),
        (["--since", "2026-03-05T06:30+01:00"], [2]),
        (["--limit", "2"], [2, 1]),
        (["--limit", "0"], [2, 1, 0]),
        (["--tag", "a"], [1, 0]),
        (["--tag", "a", "--tag", "b"], [0]),
        (["--since", "1h"], []),
    ],
)
def test_the_list_is_filtered(three: list[Path], flags: list[str], numbers: list[int]) -> None:
    say("runs", "tag", three[0].name, "+a", "+b")
    say("runs", "tag", three[1].name, "+a")
    found = json.loads(say("runs", "list", *flags, "--format", "json").out)
    assert [row["run_id"] for row in found] == [three[number].name for number in numbers]


def test_the_filters_are_named(three: list[Path]) -> None:
    said = say("runs", "--provider", "openai", "--limit", "1", "--since", "2026-01-01")
    assert said.out.splitlines()[-1] == (
        "1 run of 2 (--limit 0 shows all): provider openai, since 2026-01-01 00:00 UTC"
    )
    ago = say("runs", "--since", "7d").out.splitlines()[-1]
    week = datetime.now(UTC) - timedelta(days=7)
    assert ago.startswith(f"0 runs: since {week:%Y-%m-%d}")


def test_a_narrow_terminal_does_without_some_columns(
    three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = say("runs").out.splitlines()
    assert lines[0].split() == ["RUN", "MODEL", "REQUESTS", "TTFT", "P50", "VERDICT"]
    assert max(map(len, lines)) <= 80


def test_the_list_as_json_and_csv(three: list[Path]) -> None:
    rows = json.loads(say("runs", "list", "--format", "json").out)
    assert rows[1]["ttft_ms"]["p50"] == 215.0
    assert rows[1]["started_at"] == "2026-03-05T05:00:00Z"
    assert rows[1]["cost"]["total"] == 0.04
    table = list(csv.DictReader(io.StringIO(say("runs", "list", "--format", "csv").out)))
    assert table[1]["ttft_ms.p50"] == "215.0"
    assert table[1]["run_id"] == three[1].name
    assert table[1]["reasons"] == "few_samples many_errors user_stamps"
    nothing = say("runs", "list", "--model", "none", "--format", "csv").out
    assert nothing.startswith("run_id,scenario,")
    assert json.loads(say("runs", "list", "--model", "none", "--format", "json").out) == []


def test_one_run_closely(three: list[Path]) -> None:
    say("runs", "tag", "latest", "+nightly")
    said = say("runs", "show", three[1].name)
    assert said.code == 0
    for line in (
        "when        2026-03-05 05:00:00 UTC",
        "measured by latency-lens 0.1.0",
        "target      openai/m, eu",
        "TTFT        mean 215.0, p50 215.0, p95 228.5, p99 229.7, max 230.0 ms",
        "ITL         mean 25.00, p50 25.00, p95 30.00, p99 30.00, max 30.00 ms",
        "cost        $0.04",
        "verdict     doubtful: few_samples, many_errors, user_stamps",
        f"look closer latency-lens report {three[1]}",
    ):
        assert line in said.out.splitlines()
    assert "answer " not in said.out
    assert "tags        nightly" in say("runs", "show", "latest").out
    assert json.loads(say("runs", "show", "latest", "--format", "json").out)[0]["tags"] == [
        "nightly"
    ]


def test_a_question_in_sql(three: list[Path]) -> None:
    sql = "SELECT model, count(*) AS n, max(ttft_ms) AS slow FROM answers GROUP BY 1 ORDER BY 1"
    assert [line.split() for line in say("runs", "query", sql).out.splitlines()] == [
        ["model", "n", "slow"],
        ["─" * 18],
        ["m", "12", "230.0"],
    ]
    assert json.loads(say("runs", "query", sql, "--format", "json").out)[0] == {
        "model": "m",
        "n": 12,
        "slow": 230.0,
    }
    assert say("runs", "query", sql, "--format", "csv").out.splitlines()[1] == "m,12,230.0"
    odd = (
        "SELECT NULL AS a, true AS b, DATE '2026-03-04' AS c, {'x': [1, 2]} AS d, 1.5::DECIMAL(4,2)"
        " AS e, 'nan'::DOUBLE AS f, TIMESTAMP '2026-03-04 05:06:07' AS g, INTERVAL 1 DAY AS h"
    )
    assert json.loads(say("runs", "query", odd, "--format", "json").out)[0] == {
        "a": None,
        "b": True,
        "c": "2026-03-04",
        "d": {"x": [1, 2]},
        "e": 1.5,
        "f": None,
        "g": "2026-03-04T05:06:07",
        "h": "P1D",
    }
    _, row = csv.reader(io.StringIO(say("runs", "query", odd, "--format", "csv").out))
    assert row[:5] == ["", "true", "2026-03-04", '{"x":[1,2]}', "1.50"]


def test_a_long_answer_is_cut_for_people_only(three: list[Path]) -> None:
    lines = say("runs", "query", "SELECT * FROM range(1200)").out.splitlines()
    assert lines[-1] == "The first 1,000 of 1,200 rows; --format csv has all"
    assert len(say("runs", "query", "FROM range(1200)", "--format", "csv").out.splitlines()) == 1201


def test_tags_are_added_and_removed(three: list[Path]) -> None:
    name = three[0].name
    assert say("runs", "tag", name, "+nightly", "+old").out == f"{name}: nightly old\n"
    assert say("runs", "tag", name, "-nightly", "-h1").out == f"{name}: old\n"
    assert say("runs", "tag", name, "--", "-old").out == f"{name}: no tags\n"
    assert json.loads((three[0] / "tags.json").read_text()) == []


def test_removing_asks_first(three: list[Path], home: Path) -> None:
    name = three[0].name
    refused = say("runs", "rm", name, stdin=b"n\n")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == f"Remove {name} (0.0 MB)? [y/N] Nothing was removed\n"
    assert say("runs", "rm", name, stdin=b"").code == 2
    assert three[0].is_dir()
    agreed = say("runs", "rm", name, str(three[1]), name, stdin=b"Yes\n")
    assert agreed.out == f"Removed {three[0]}\nRemoved {three[1]}\n"
    assert not three[0].exists()
    assert say("runs", "sync").out == "1 run, 1 of them read just now\n"
    (three[2] / "notes.txt").touch()
    assert say("runs", "rm", "latest", "--yes").out == f"Removed {three[2]}; 1 other files stay\n"
    assert [path.name for path in three[2].iterdir()] == ["notes.txt"]


def test_a_store_of_another_place(three: list[Path], tmp_path: Path, home: Path) -> None:
    other = tmp_path / "other"
    path = keep(other, 7, typical(n=1))
    assert json.loads(say("runs", "--store", str(other), "--format", "json").out)[0]["ok"] == 1
    assert say("runs", "tag", "latest", "+x", "--store", str(other)).out.startswith(path.name)
    assert say("runs", "rm", path.name[:8], "--yes", "--store", str(other)).code == 0
    assert not path.exists()
    assert all(one.exists() for one in three)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "x"], "runs list takes no 'x'"),
        (["show"], "runs show takes one run"),
        (["show", "a", "b"], "runs show takes one run"),
        (["show", "nope"], "no run 'nope'"),
        (["query"], "its SQL in one piece, in quotes"),
        (["query", "SELEC"], 'SQL: Parser Error: syntax error at or near "SELEC"'),
        (["rm"], "takes the runs to remove"),
        (["rm", "2026"], "'2026' could be any of 3 runs: give more of the id"),
        (["rm", "nope"], "no run 'nope'"),
        (["tag", "latest"], "takes a run, then +TAG to add and -TAG to remove one"),
        (["tag", "+a", "+b"], "takes a run, then +TAG"),
        (["tag", "latest", "+a b"], "'a b' is no tag"),
        (["tag", "latest", "+"], "'' is no tag"),
        (["--store", "/no/such/place"], "--store /no/such/place: there is no such folder"),
        (["--since", "yesterday"], "--since must be a date such as 2026-01-31"),
        (["--limit", "-1"], "--limit must be at least 0"),
        (["walk"], "must be list, show, rm, tag, query or sync, not 'walk'"),
    ],
)
def test_wrong_input_is_one_line(three: list[Path], words: list[str], told: str) -> None:
    said = say("runs", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_a_folder_of_runs_is_not_removed_at_once(three: list[Path], home: Path) -> None:
    said = say("runs", "rm", str(home / "runs"), "--yes")
    assert said.code == 2
    assert "this is no run" in said.err
    elsewhere = keep(home.parent / "elsewhere", 0, typical())
    said = say("runs", "show", str(elsewhere))
    assert "is not among the runs of" in said.err


def test_many_new_runs_are_told_of(home: Path) -> None:
    for number in range(20):
        keep(home, number, [answer(0, 100.0)], every=timedelta(hours=1))
    assert say("runs", "sync").err == "Reading 20 runs into the history\n"
    assert say("runs", "sync", "--anew").out == "20 runs, 20 of them read just now\n"


def test_without_the_extra_one_line_names_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("llm_latency_lens.store.history")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = say("runs")
    assert (said.code, said.out) == (2, "")
    assert "needs pyarrow: pip install 'llm-latency-lens[store]'" in said.err
