"""The index follows the run directories, and survives whatever lies in them."""

from __future__ import annotations

import json
import logging
import os
import stat
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from kept import FIRST, answer, failed, keep, typical

from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.metrics.run_row import RunRow, when
from llm_latency_lens.record import Record, Status
from llm_latency_lens.store.history import index as indexing
from llm_latency_lens.store.history.index import sync
from llm_latency_lens.store.history.query import History
from llm_latency_lens.store.history.tables import REQUESTS, TOKENS
from llm_latency_lens.store.tags import change_tags


def ask(home: Path, sql: str) -> list[tuple[object, ...]]:
    with History(sync(home)) as history:
        return history.ask(sql).rows


def test_a_run_is_read_once_and_again_when_it_changes(home: Path) -> None:
    told: list[tuple[int, int]] = []
    path = keep(home, 0, typical())
    keep(home, 1, typical(ttft_ms=200.0))
    assert sync(home, on_read=lambda *seen: told.append(seen)).read == 2
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert sync(home).read == 0
    assert sync(home, anew=True).read == 2
    keep(home, 0, typical(n=3))
    again = sync(home)
    assert (again.read, [row.ok for row in again.rows]) == (1, [3, 4])
    for file in path.iterdir():
        file.unlink()
    assert [row.ok for row in sync(home).rows] == [4]
    assert len(list((home / "history/1").iterdir())) == 3


def test_the_index_is_the_users_alone(home: Path) -> None:
    keep(home, 0, typical())
    sync(home)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (home / "history/1").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((home / "history").stat().st_mode) == 0o700


def test_a_row_says_what_the_result_says(home: Path) -> None:
    keep(home, 0, [*typical(), failed(4), answer(5, 9.0, warmup=True), answer(6, 9.0, attempt=1)])
    (row,) = sync(home).rows
    assert (row.run_id, row.scenario, row.started_at) == (
        "20260304T050000Z-000000",
        "nightly",
        FIRST,
    )
    assert (row.requests, row.ok, row.failed, row.error_rate) == (5, 4, 1, 0.2)
    assert (row.provider, row.model, row.region, row.source) == (
        "openai",
        "m",
        "eu",
        "latency-lens",
    )
    assert row.ttft_ms is not None
    assert row.itl_ms is not None
    assert (row.ttft_ms.count, row.ttft_ms.p50, row.ttft_ms.max) == (4, 115.0, 130.0)
    assert (row.itl_ms.count, row.itl_ms.p50) == (8, 25.0)
    assert (row.cost.total, row.cost.per_request) == (Decimal("0.04"), Decimal("0.01"))
    assert row.verdict == "doubtful"
    assert "many_errors" in row.reasons


def test_requests_and_tokens_hold_what_was_measured_and_no_word(home: Path) -> None:
    keep(home, 0, [*typical(n=2), failed(2), answer(3, 9.0, warmup=True)])
    assert ask(home, "SELECT index, status, counted, ttft_ms, e2e_ms, cost_usd FROM requests") == [
        (0, "ok", True, 100.0, 150.0, Decimal("0.010000000000")),
        (1, "ok", True, 110.0, 160.0, Decimal("0.010000000000")),
        (2, "failed", False, None, 500.0, None),
        (3, "ok", False, 9.0, 59.0, None),
    ]
    found = ask(home, "SELECT error_kind, error_stage, http_status FROM requests WHERE index = 2")
    assert found == [("overloaded", "wait", 503)]
    assert ask(
        home,
        "SELECT events, median_gap_ms, longest_gap_ms, stalls, region, day, hour, scenario"
        " FROM answers WHERE index = 0",
    ) == [(3, 25.0, 30.0, 0, "eu", FIRST.date(), 5, "nightly")]
    assert ask(home, "SELECT event, kind, chars, at_ms, gap_ms FROM tokens WHERE index = 1") == [
        (0, "text", 4, 110.0, None),
        (1, "text", 4, 130.0, 20.0),
        (2, "text", 4, 160.0, 30.0),
    ]
    assert ask(home, "SELECT count(*) FROM gaps") == [(4,)]
    written = b"".join(path.read_bytes() for path in (home / "history/1").iterdir())
    assert b"secret words" not in written


def test_an_answer_of_which_no_gap_is_known_has_none(home: Path) -> None:
    record = answer(0, 100.0, (50.0,))
    record.events.partial = True
    keep(home, 0, [record])
    assert ask(home, "SELECT ttft_ms, tpot_ms, events, stalls, tokens_per_event FROM answers") == [
        (100.0, 50.0, None, None, None)
    ]
    assert ask(home, "SELECT count(*) FROM tokens") == [(0,)]
    (row,) = sync(home).rows
    assert row.itl_ms is None
    assert row.ttft_ms is not None


def test_an_experiment_has_figures_by_arm(home: Path) -> None:
    arms = {"a": {"model": "one"}, "b": {"model": "two", "region": "us"}}
    records = [answer(0, 100.0, arm="a", model="one"), answer(1, 200.0, arm="b", model="two")]
    keep(home, 0, records, config={"experiment": "compare", "arms": arms})
    (row,) = sync(home).rows
    assert (row.experiment, row.model, row.region) == ("compare", "one, two", "eu, us")
    assert (row.ttft_ms, row.verdict, row.ok) == (None, None, 2)
    assert ask(home, "SELECT arm, model, region, ttft_ms FROM answers ORDER BY arm") == [
        ("a", "one", "eu", 100.0),
        ("b", "two", "us", 200.0),
    ]


def test_what_cannot_be_read_is_warned_of_and_left_out(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(home, 0, typical())
    broken, empty, odd = keep(home, 1, []), keep(home, 2, []), keep(home, 3, [])
    (broken / "run.json").write_bytes(b"{")
    (empty / "records.jsonl").unlink()
    written = json.loads((odd / "run.json").read_text())
    written["context"]["objectives"] = ["nonsense"]
    (odd / "run.json").write_text(json.dumps(written))
    with caplog.at_level(logging.WARNING):
        index = sync(home)
    assert ([row.ok for row in index.rows], index.left_out) == ([4], 3)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert "not a run of latency-lens" in told[0]
    assert "No such file" in told[1]
    assert "no objective" in told[2]
    assert ask(home, "SELECT count(*) FROM requests") == [(4,)]


def test_a_run_with_an_odd_configuration_is_read(home: Path) -> None:
    keep(home, 0, typical(), config={"provider": 5, "region": ["eu"]})
    (row,) = sync(home).rows
    assert (row.provider, row.region) == (None, None)


def test_a_run_that_is_going_on_waits_and_a_killed_one_does_not(home: Path) -> None:
    path = keep(home, 0, typical(), health=None)
    index = sync(home)
    assert (index.rows, index.left_out) == ([], 1)
    later = datetime.now(UTC) + timedelta(minutes=2)
    (row,) = sync(home, now=later).rows
    assert row.reasons[:2] == ["few_samples", "killed"]
    assert path.name == row.run_id


def test_torn_tables_are_made_again(home: Path) -> None:
    path = keep(home, 0, typical())
    sync(home)
    folder = home / "history/1"
    for name in (f"{path.name}.requests.parquet", f"{path.name}.tokens.parquet"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-9])
        assert sync(home).read == 1
        assert (folder / name).read_bytes() == whole
    (folder / f"{path.name}.json").write_bytes(b"torn")
    assert sync(home).read == 1


def test_a_table_that_is_damaged_inside_is_one_line(home: Path) -> None:
    path = keep(home, 0, typical(n=50))
    file = sync(home).folder / f"{path.name}.requests.parquet"
    file.write_bytes(b"PAR1" + b"\0" * (file.stat().st_size - 8) + b"PAR1")
    with pytest.raises(StoreError, match="sync --anew"):
        ask(home, "SELECT * FROM requests")


def test_leftovers_go_and_what_is_being_written_stays(home: Path) -> None:
    path = keep(home, 0, typical())
    folder = sync(home).folder
    (folder / "gone.requests.parquet").touch()
    (folder / f"{path.name}.tokens.parquet.1234.tmp").touch()
    old = folder / f"{path.name}.tokens.parquet.5678.tmp"
    old.touch()
    os.utime(old, (1, 1))
    sync(home)
    names = sorted(file.name.removeprefix(path.name) for file in folder.iterdir())
    assert names == [
        ".json",
        ".requests.parquet",
        ".tokens.parquet",
        ".tokens.parquet.1234.tmp",
    ]


def test_a_large_run_is_written_in_parts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_PART", 10)
    keep(home, 0, typical(n=20))
    assert ask(home, "SELECT count(*), count(DISTINCT index) FROM requests") == [(20, 20)]
    assert ask(home, "SELECT count(*) FROM tokens") == [(60,)]


def test_a_disk_that_takes_nothing_is_one_line(home: Path) -> None:
    keep(home, 0, typical())
    (home / "history").write_text("a file in the way")
    with pytest.raises(StoreError, match="history"):
        sync(home)


def test_tags_are_those_of_the_moment(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = keep(home, 0, typical())
    assert sync(home).rows[0].tags == []
    change_tags(path, ["nightly", "b"], [])
    index = sync(home)
    assert (index.read, index.rows[0].tags) == (0, ["b", "nightly"])
    assert ask(home, "SELECT tags FROM runs") == [(["b", "nightly"],)]
    (path / "tags.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert sync(home).rows[0].tags == []
    assert "without tags" in caplog.text


def test_nothing_at_all_can_be_asked(home: Path) -> None:
    assert ask(home, "SELECT count(*) FROM runs") == [(0,)]
    assert ask(home, "SELECT count(*) FROM requests, gaps") == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2",
        "COPY runs TO 'out.csv'",
        "SET memory_limit = '1GB'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA version",
        "",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "SELECT * FROM secret_of_this_program",
        "WITH made AS (INSERT INTO runs VALUES (1) RETURNING *) FROM made",
        "SELEC 1",
        "SELECT nothing FROM runs",
    ],
)
def test_a_question_that_is_wrong_or_more_than_one_is_refused(home: Path, sql: str) -> None:
    secret_of_this_program = {"key": [1, 2]}
    keep(home, 0, typical(n=1))
    with History(sync(home)) as history:
        with pytest.raises(UsageError) as caught:
            history.ask(sql)
        assert "\n" not in str(caught.value)
        assert history.ask("SELECT count(*) FROM requests").rows == [(1,)]
    assert secret_of_this_program


def test_a_moment_that_no_calendar_has_is_none() -> None:
    assert when(None) is None
    assert when(10**30) is None
    assert when(1_000_000_000_000) == datetime(1970, 1, 1, 0, 16, 40, tzinfo=UTC)


def test_a_record_is_counted_as_results_count_it(home: Path) -> None:
    cancelled = Record("c", 9, Status.CANCELLED, start_ns=0)
    keep(home, 0, [*typical(n=1), cancelled])
    assert ask(home, "SELECT counted FROM requests ORDER BY index") == [(True,), (False,)]


def test_every_column_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/history.md").read_text()
    names = {*RunRow.__struct_fields__, *REQUESTS.names, *TOKENS.names}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
