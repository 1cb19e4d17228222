"""The history from Python: what `runs`, `analyze`, `import` and `gate --sla` do, by methods."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kept import FIRST, answer, failed, keep

from llm_latency_lens import ConfigError, History, UsageError

SLA = """\
name: chat
objectives:
  - limit: ttft_ms<250
    target: 90%
windows: [30d]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of a day each, whose first token takes 100, 200 and 300 ms."""
    home = tmp_path_factory.mktemp("home")
    for number in range(3):
        records = [answer(n, 100.0 * (number + 1)) for n in range(5)]
        keep(home, number, [*records, failed(9)], name="nightly" if number else "first")
    return home


@pytest.fixture
def history(home: Path) -> History:
    return History(home)


def test_runs_are_listed_the_newest_first(history: History) -> None:
    found = history.runs()
    assert [row.ttft_ms.p50 for row in found if row.ttft_ms] == [300.0, 200.0, 100.0]
    assert history.runs(model="x*") == []
    assert history.runs(model="?", provider="open*") == found
    assert history.runs(since=FIRST + timedelta(days=2)) == found[:1]
    assert history.runs(since=datetime.now(UTC) - FIRST + timedelta(days=1)) == found


def test_a_query_is_a_table_of_each_library(history: History) -> None:
    sql = "SELECT scenario, count(*) AS n, max(ttft_ms) FROM answers WHERE index < ? GROUP BY ALL"
    found = history.query(f"{sql} ORDER BY n", [3])
    assert found.columns == ["scenario", "n", "max(ttft_ms)"]
    assert found.rows == [("first", 3, 100.0), ("nightly", 6, 300.0)]
    assert found.to_arrow()["n"].to_pylist() == [3, 6]
    assert found.to_pandas()["n"].tolist() == found.to_polars()["n"].to_list() == [3, 6]
    assert repr(found) == "Answer(2 rows of scenario, n, max(ttft_ms))"
    assert str(found).splitlines()[-1].split() == ["nightly", "6", "300.0"]
    shown = found._repr_html_()
    assert "2 rows" in shown
    assert ">nightly</th>" in shown
    with pytest.raises(UsageError, match=r"SQL: .*nosuch"):
        history.query("SELECT nosuch FROM runs")
    with pytest.raises(UsageError, match="one SELECT at a time"):
        history.query("DROP TABLE runs")


def test_many_runs_are_looked_at_together(history: History) -> None:
    found = history.analyze("ttft_ms.p50", "scenario")
    assert {one.group: one.runs for one in found.series} == {"nightly": 2, "first": 1}
    assert repr(found) == "Analysis(ttft_ms.p50 of 3 runs: nightly, first)"
    assert "nightly" in str(found)
    assert "ttft_ms.p50 over 3 runs" in found._repr_html_()
    with pytest.raises(UsageError, match="there is no run to look at"):
        history.analyze(model="nosuch")
    with pytest.raises(UsageError, match="no metric 'x'"):
        history.analyze("x")


def test_service_levels(history: History, tmp_path: Path) -> None:
    (tmp_path / "sla.yaml").write_text(SLA)
    whole = history.hold(tmp_path / "sla.yaml")
    assert not whole.passed
    assert repr(whole) == "Held(missed, 3 runs)"
    assert "ttft_ms" in str(whole)
    assert "Service levels" in whole._repr_html_()
    newest = history.runs()[0].run_id
    one = history.hold(tmp_path / "sla.yaml", history.runs()[-1].path, newest[:20])
    assert len(one.runs) == 2
    assert "EXPLAIN" not in str(history.query("EXPLAIN SELECT 1").columns)
    with pytest.raises(UsageError, match="nosuch"):
        history.hold(tmp_path / "nosuch.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: b\n\xff")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: not UTF-8"):
        history.hold(tmp_path / "latin.yaml")


def test_tags_removal_and_runs_of_others(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    history = History(own)
    assert history.runs() == []
    (brought,) = history.bring(home / "runs" / sorted(p.name for p in (home / "runs").iterdir())[0])
    assert brought.new
    (row,) = history.runs()
    assert history.tag(row.run_id, add=["nightly", "a"], drop=["a"]) == ["a", "nightly"]
    assert history.tag(row.run_id, drop=["a"]) == ["nightly"]
    assert [one.run_id for one in history.runs(tags=["nightly"])] == [row.run_id]
    with pytest.raises(UsageError, match="is no tag"):
        history.tag(row.run_id, add=["no tag"])
    assert history.sync(anew=True) == 1
    assert history.remove(row.run_id) == brought.path.resolve()
    assert history.runs() == []
    with pytest.raises(UsageError, match="no run"):
        history.remove(row.run_id)


def test_which_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENCY_LENS_HOME", str(home))
    assert repr(History()) == f"History({str(home)!r})"
    with pytest.raises(UsageError, match="there is no such folder"):
        History(home / "nosuch")


@pytest.mark.parametrize(
    ("missing", "told"),
    [("duckdb", "the history needs duckdb: pip install 'llm-latency-lens[store]'")],
)
def test_what_is_missing_is_named(
    history: History, monkeypatch: pytest.MonkeyPatch, missing: str, told: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError) as error:
        history.runs()
    assert str(error.value) == told
