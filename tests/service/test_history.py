"""What goes into the history comes out again, whatever was packed, torn or full meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest
from disks import full_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from probed import BEGAN, HOUR, SECOND, failure, row

from llm_latency_lens.errors import StoreError
from llm_latency_lens.metrics import schema
from llm_latency_lens.service.config import DAY_S, RetentionConfig
from llm_latency_lens.service.history import Bin, History, bins, parts, tables, tending
from llm_latency_lens.service.probe import Row
from llm_latency_lens.testing.clock import FakeClock

S = BEGAN // SECOND
EVER = (0, 4e9)


@contextmanager
def opened(
    folder: Path, clock: FakeClock | None = None, retention: RetentionConfig | None = None
) -> Iterator[History]:
    history = History(folder, retention or RetentionConfig(), clock or at(BEGAN))
    try:
        yield history
    finally:
        history.close()


def at(unix_ns: int) -> FakeClock:
    return FakeClock(realtime_ns=unix_ns)


def tend(history: History) -> None:
    asyncio.run(history.tend())


def fill(history: History, clock: FakeClock, minutes: int, *names: str) -> list[Row]:
    """A probe of each target every minute; of ten, the first has failed."""
    rows = []
    for minute in range(minutes):
        now = clock.realtime_ns()
        for name in names or ("chat",):
            one = (
                failure(minute, name, now).row
                if minute % 10 == 0
                else row(minute, name, now, ttft_ms=100.0 + minute, gaps_ms=(10.0, 0.0, 25.5))
            )
            history.add(one)
            rows.append(one)
        clock.advance(60 * SECOND)
        if minute % 60 == 59:
            tend(history)
    return rows


def files(folder: Path, kind: str) -> list[str]:
    return sorted(path.name for path in (folder / kind).iterdir())


def test_every_field_of_a_row_is_in_the_tables():
    assert set(tables.LINE) == set(Row.__struct_fields__)


def test_rows_come_back_as_they_were_from_journal_and_tables(tmp_path: Path):
    odd = row(0, 'it"s {a} \\ ü', cost_usd=Decimal("0.000000123456"))
    odd = msgspec.structs.replace(
        odd, error="half a \ud83d pair\n", region="eu", asked_for=True, clock_step_ms=-1.5
    )
    kept = msgspec.structs.replace(odd, error="half a ? pair\n")
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        history.add(odd)
        history.add(failure(1).row)
        before = history.rows(*EVER)
        assert before == [failure(1).row, kept]
        clock.advance(HOUR)
        tend(history)
        assert (files(tmp_path, "journal"), len(files(tmp_path, "history/probes"))) == ([], 1)
        assert history.rows(*EVER) == before
        assert history.rows(*EVER, odd.target) == [kept]
        assert history.rows(*EVER, failed=True) == [failure(1).row]
        assert history.rows(S + 1, 4e9) == history.rows(0, S) == []


def test_a_question_covers_tables_the_journal_and_what_waits(tmp_path: Path, monkeypatch):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        rows = fill(history, clock, 90, "chat", "code")
        with full_disk(monkeypatch):
            rows.append(row(99, "code", clock.realtime_ns()))
            history.add(rows[-1])
            assert history.rows(*EVER) == sorted(rows, key=lambda one: one.at_unix_ns)
            assert history.rows(*EVER, "code") == [one for one in rows if one.target == "code"]
            assert history.rows(*EVER, newest=3) == rows[-3:]
            assert history.rows(S + 600, S + 720, "chat") == rows[20:24:2]
            assert sum(one.count for one in history.series("code", *EVER, 60)) == 91
        without = [msgspec.structs.replace(one, gaps_ms=[]) for one in rows[:120]]
        assert list(history.each(0, S + 3600)) == without


def test_numbers_of_a_step_are_those_of_its_rows(tmp_path: Path):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        rows = fill(history, clock, 75)
        found = history.series("chat", *EVER, 600)
        assert history.series("other", *EVER, 600) == []
    assert [one.at_unix_s for one in found] == [S + 600 * step for step in range(8)]
    step, of_step = found[6], rows[60:70]
    good = [one for one in of_step if one.ok]
    assert (step.count, step.ok, step.failed, step.errors) == (10, 9, 1, {"timeout": 1})
    assert step.cost_usd == sum(one.cost_usd for one in good if one.cost_usd)
    for told, samples in (
        (step.ttft_ms, [one.ttft_ms for one in good]),
        (step.itl_ms, [gap for one in good for gap in one.gaps_ms]),
        (step.e2e_ms, [one.e2e_ms for one in good]),
        (step.tpot_ms, [one.tpot_ms for one in good]),
    ):
        assert told is not None
        assert (told.count, told.max, told.relative_error) == (len(samples), max(samples), 0.0)
        wanted = np.quantile(samples, bins.SHARES)
        assert np.allclose([told.p50, told.p90, told.p95, told.p99], wanted, rtol=1e-12)
    assert [count for _, count in step.itl_histogram] == [9, 9, 9]
    assert step.itl_histogram[0][0] == 0.0
    for (bound, _), sample in zip(step.itl_histogram[1:], (10.0, 25.5), strict=True):
        assert bound / bins.HEAT_RATIO < sample <= bound


def test_long_spans_are_told_by_hours_within_one_percent(tmp_path: Path):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        fill(history, clock, 150, "chat", "code")
        exact = history.series("chat", S, S + 9000, 3600)
        coarse = history.series("chat", S - 3 * DAY_S, S + 9000, 3600)
    assert len(coarse) == 3
    for one, other in zip(exact, coarse, strict=True):
        assert summary(one) == summary(other)
        for name in ("ttft_ms", "itl_ms", "e2e_ms", "tpot_ms"):
            told, near = getattr(one, name), getattr(other, name)
            assert near.relative_error == 0.01
            for figure in ("p50", "p90", "p95", "p99"):
                assert near.__getattribute__(figure) == pytest.approx(getattr(told, figure), 0.0101)


def summary(one: Bin) -> tuple[object, ...]:
    heat = (one.ttft_histogram, one.itl_histogram)
    return (one.at_unix_s, one.ok, one.failed, one.cost_usd, one.errors, one.ttft_ms.max, heat)  # type: ignore[union-attr]


def test_probes_go_after_their_time_and_hours_stay_and_then_go_too(tmp_path: Path):
    clock = at(BEGAN)
    keep = RetentionConfig(probes_s=2 * DAY_S, hours_s=100 * DAY_S)
    with opened(tmp_path, clock, keep) as history:
        rows = fill(history, clock, 180)
        before = history.series("chat", *EVER, 3600)
        clock.advance(46 * HOUR)
        tend(history)
        assert history.rows(*EVER) == rows[60:]  # the first hour was of the day before
        clock.advance(DAY_S * SECOND)
        tend(history)
        assert (history.rows(*EVER), files(tmp_path, "history/probes")) == ([], [])
        after = history.series("chat", *EVER, 3600)
        assert [summary(one) for one in after] == [summary(one) for one in before]
        assert history.series("chat", S + 4000, S + 7200, 60)[0].at_unix_s == S + 3600
        assert files(tmp_path, "history/hours") == [
            "2023-11-14T23.00000001-00000001.parquet",
            "2023-11-15.00000002-00000003.parquet",
        ]
        clock.advance(30 * DAY_S * SECOND)
        tend(history)
        assert files(tmp_path, "history/hours") == ["2023-11.00000001-00000003.parquet"]
        assert [summary(one) for one in history.series("chat", *EVER, 3600)] == [
            summary(one) for one in before
        ]
        clock.advance(100 * DAY_S * SECOND)
        tend(history)
        assert (history.series("chat", *EVER, 60), files(tmp_path, "history/hours")) == ([], [])


def test_days_are_joined_and_say_the_same(tmp_path: Path):
    clock = at(BEGAN + HOUR)
    with opened(tmp_path, clock) as history:
        rows = fill(history, clock, 200)
        before = history.series("chat", *EVER, 600)
        clock.advance(24 * HOUR)
        tend(history)
        assert files(tmp_path, "history/probes") == ["2023-11-15.00000001-00000004.parquet"]
        assert history.rows(*EVER) == rows
        assert history.series("chat", *EVER, 600) == before


def test_tallies_are_of_all_targets(tmp_path: Path):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        assert history.tallies(*EVER, 3600) == []
        fill(history, clock, 70, "a", "b")
        told = [
            (one.target, one.at_unix_s, one.ok, one.failed, one.cost_usd)
            for one in history.tallies(*EVER, 3600)
        ]
    assert told == [
        ("a", S, 54, 6, Decimal("0.0054")),
        ("b", S, 54, 6, Decimal("0.0054")),
        ("a", S + 3600, 9, 1, Decimal("0.0009")),
        ("b", S + 3600, 9, 1, Decimal("0.0009")),
    ]


# -- crashes, full disks, broken files ------------------------------------------------------------


class KilledError(Exception):
    """The process died here."""


@pytest.mark.parametrize("step", range(9))
def test_a_crash_at_any_file_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
):
    """Files are renamed and removed one by one; before each of these the process dies once."""
    clock = at(BEGAN + HOUR)
    with opened(tmp_path, clock) as history:
        rows = fill(history, clock, 2)
        clock.advance(HOUR)
        tend(history)
        rows += fill(history, clock, 3)
        clock.advance(24 * HOUR)  # one hour to pack, then the day to join
        left = step

        def dying(action: object) -> object:
            def act(*arguments: object, **named: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KilledError
                return action(*arguments, **named)  # type: ignore[operator]

            return act

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", dying(Path.replace))
            patch.setattr(parts, "remove", lambda some: [dying(Path.unlink)(x.path) for x in some])
            with pytest.raises(KilledError):
                tend(history)
        assert left < 0
        for _ in range(2):
            assert history.rows(*EVER) == rows
            assert sum(one.count for one in history.series("chat", *EVER, DAY_S)) == 5
            tend(history)
        assert len(files(tmp_path, "history/probes")) == 1


@given(
    lines=st.lists(st.integers(0, 3), max_size=6),
    cut=st.integers(0, 400),
    junk=st.binary(max_size=12),
)
@settings(max_examples=5)
def test_torn_tails_are_skipped_and_whole_lines_never(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int], cut: int, junk: bytes
):
    rows = [row(place, f"t{kind}", BEGAN + place) for place, kind in enumerate(lines)]
    whole = b"".join(schema.encode(one) + b"\n" for one in rows)
    torn = schema.encode(row(99, "torn"))[:cut] + junk.replace(b"\n", b"")
    folder = tmp_path_factory.mktemp("torn")
    (folder / "journal").mkdir()
    (folder / "journal" / "2023-11-14T22.00000007.jsonl").write_bytes(whole + torn)
    with opened(folder) as history:
        assert history.rows(*EVER) == rows
        tend(history)
        assert [one for one in history.rows(*EVER) if one.target != "torn"] == rows
        history.add(row(100, "new"))
        assert history.rows(*EVER, "new") == [row(100, "new")]
    shutil.rmtree(folder)


def test_rows_wait_for_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(tmp_path) as history:
        history.add(row(0))
        with full_disk(monkeypatch, room=100):
            history.add(row(1))
            history.add(row(2))
            health = history.health()
            assert (health.written, health.waiting, health.lost) == (1, 2, 0)
            assert health.error == "No space left on device"
        history.add(row(3))
        health = history.health()
        assert (health.written, health.waiting, health.lost, health.error) == (4, 0, 0, None)
        (segment,) = (tmp_path / "journal").iterdir()
        kept = [msgspec.json.decode(line, type=Row) for line in segment.read_bytes().splitlines()]
        assert kept == [row(number) for number in range(4)]
        assert health.bytes == segment.stat().st_size


def test_memory_for_what_waits_is_bounded_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with opened(tmp_path) as history:
        monkeypatch.setattr(history._appender, "_most", 3 * len(schema.encode(row(0)) + b"\n"))
        with full_disk(monkeypatch):
            for number in range(5):
                history.add(row(number))
        tend(history)
        assert history.rows(*EVER) == [row(number) for number in (2, 3, 4)]
        assert history.health().lost == 2


def test_days_of_which_nothing_is_left_do_not_stop_the_others(tmp_path: Path):
    (tmp_path / "journal").mkdir()
    for number in (1, 2):
        (tmp_path / "journal" / f"2023-11-12T0{number}.0000000{number}.jsonl").write_text("{torn")
    with opened(tmp_path) as history:
        tend(history)
        assert history.health().error is None
        assert files(tmp_path, "history/probes") == ["2023-11-12.00000001-00000002.parquet"]
        assert (history.rows(*EVER), history.series("chat", *EVER, 60)) == ([], [])
        assert list(history.each(*EVER)) == []


def test_a_large_hour_is_packed_in_parts_and_before_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = at(BEGAN + HOUR)
    size = len(schema.encode(row(10, at_unix_ns=BEGAN + 10))) + 1
    monkeypatch.setattr(tending, "SEGMENT", 3 * size)
    with opened(tmp_path, clock) as history:
        rows = [row(number, at_unix_ns=BEGAN + number) for number in range(10, 21)]
        for one in rows:
            history.add(one)
        tend(history)
        assert len(files(tmp_path, "history/probes")) == 3
        assert len(files(tmp_path, "journal")) == 1
        assert history.rows(*EVER) == rows
        clock.advance(24 * HOUR)
        tend(history)
        assert history.rows(*EVER) == rows
        assert files(tmp_path, "history/probes") == ["2023-11-15.00000001-00000004.parquet"]
        assert [one.count for one in history.series("chat", *EVER, DAY_S)] == [11]


def test_targets_are_joined_some_after_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tending, "_SORTED", 15)
    clock = at(BEGAN + HOUR)
    with opened(tmp_path, clock) as history:
        rows = [row(number, name, BEGAN + number) for number in range(10) for name in "abc"]
        for one in rows:
            history.add(one)
            clock.advance(HOUR // 12)
        clock.advance(24 * HOUR)
        tend(history)
        assert files(tmp_path, "history/probes") == ["2023-11-15.00000001-00000003.parquet"]
        assert history.rows(*EVER) == rows
        table = tmp_path / "history" / "probes" / "2023-11-15.00000001-00000003.parquet"
        order = duckdb.sql(f"SELECT target, at_unix_ns FROM '{table}'").fetchall()
        assert order == sorted(order)


def test_the_page_on_data_has_every_column_and_its_sql_runs(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs/reference/monitor-data.md").read_text()
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        fill(history, clock, 61)
        history.add(failure(99).row)
    for kind in ("probes", "hours"):
        columns = duckdb.sql(f"SELECT * FROM '{tmp_path}/history/{kind}/*.parquet'").columns
        _, _, part = page.partition(f"## Table of {kind}")
        named = set(re.findall(r"`(\w+)`", part.partition("\n## ")[0]))
        assert set(columns) <= named, set(columns) - named
    (block,) = re.findall(r"```sql\n(.*?)```", page, re.S)
    answers = [
        duckdb.sql(sql.replace("'data/", f"'{tmp_path}/")).fetchall()
        for sql in block.split(";")
        if sql.strip()
    ]
    assert [len(found) for found in answers] == [1, 1, 2]


def test_packing_on_a_full_disk_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        history.add(row(0))
        clock.advance(HOUR)

        def no_room(*_: object) -> None:
            raise StoreError("history: no room")

        with monkeypatch.context() as patch:
            patch.setattr(tending, "pack", no_room)
            tend(history)
        assert history.health().error == "history: no room"
        assert history.rows(*EVER) == [row(0)]
        tend(history)
        assert history.health().error is None
        assert files(tmp_path, "journal") == []


def test_a_damaged_table_is_said_and_set_aside(tmp_path: Path):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        fill(history, clock, 130)
    name = "2023-11-14T23.00000001-00000001.parquet"
    path = tmp_path / "history" / "probes" / name
    path.write_bytes(path.read_bytes()[:-20])
    with opened(tmp_path, clock) as history:
        assert len(history.rows(*EVER)) == 70
        assert name in str(history.health().error)
        # The hour that it was of is still told by its summary.
        assert [one.count for one in history.series("chat", *EVER, 3600)] == [60, 60, 10]
        assert files(tmp_path, "history/probes")[0] == f"{name}.damaged"


def test_one_writer_at_a_time(tmp_path: Path):
    other = pytest.raises(StoreError, match=rf"another monitor .*\(process {os.getpid()}\)")
    with opened(tmp_path), other:
        History(tmp_path, RetentionConfig(), at(BEGAN))
    with opened(tmp_path) as history:
        history.add(row(0))
    mode = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode[name] for name in ("journal", "history", "probes", "hours")} == {0o700}
    assert {mode[name] for name in ("lock", *files(tmp_path, "journal"))} == {0o600}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path):
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="data: "):
        History(tmp_path / "data", RetentionConfig(), at(BEGAN))


def test_a_clock_that_is_set_back_an_hour_writes_to_no_file_that_was_packed(tmp_path: Path):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        history.add(row(0))
        clock.advance(HOUR)
        tend(history)
        clock.step_realtime(-HOUR)
        history.add(row(1, at_unix_ns=clock.realtime_ns()))
        tend(history)
        clock.advance(3 * HOUR)
        history.add(row(2, at_unix_ns=clock.realtime_ns()))
        tend(history)
        assert [one.id for one in history.rows(*EVER)] == ["r-chat-0", "r-chat-1", "r-chat-2"]


def test_plain_duckdb_reads_the_tables(tmp_path: Path):
    clock = at(BEGAN)
    with opened(tmp_path, clock) as history:
        fill(history, clock, 60)
        clock.advance(HOUR)
        tend(history)
    found = duckdb.sql(
        "SELECT target, count(*), median(ttft_ms), max(hour), sum(cost_usd)"
        f" FROM '{tmp_path}/history/probes/*.parquet' WHERE counted GROUP BY ALL"
    ).fetchall()
    assert found == [("chat", 54, 130.0, 23, Decimal("0.0054"))]


# -- histograms -----------------------------------------------------------------------------------

_SAMPLES = st.lists(st.floats(0.0005, 1e6) | st.just(0.0), min_size=1, max_size=60)


@given(_SAMPLES, _SAMPLES)
@settings(max_examples=40)
def test_merged_histograms_are_those_of_all_samples_and_quantiles_are_near(
    one: list[float], other: list[float]
):
    both, parts_ = bins.Samples(), (one, other)
    for samples in parts_:
        counts: dict[int, int] = {}
        for sample in samples:
            counts[bins.bucket(sample)] = counts.get(bins.bucket(sample), 0) + 1
        both.add(counts, max(samples), None)
    told = both.quantiles()
    assert told is not None
    assert (told.count, told.max) == (len(one) + len(other), max(one + other))
    wanted = np.quantile(one + other, bins.SHARES)
    found = [told.p50, told.p90, told.p95, told.p99]
    assert np.allclose(found, wanted, rtol=bins.RELATIVE_ERROR + 1e-9, atol=0)
    assert sum(count for _, count in both.heat()) == told.count


def test_buckets_are_the_same_in_sql():
    samples = [0.0, 1e-6, 0.99, 1.0, 20.0, 312.25, 1e7]
    sql = f"SELECT {tables.bucket('x')} FROM (SELECT unnest(?::DOUBLE[]) AS x)"
    assert [place for (place,) in duckdb.execute(sql, [samples]).fetchall()] == [
        bins.bucket(sample) for sample in samples
    ]
