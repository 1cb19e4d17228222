"""Run directories: made, found and read again."""

from __future__ import annotations

import json
import logging
import os
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from stored import answered, everything, example, frames

from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.providers import decode
from llm_latency_lens.record import Record
from llm_latency_lens.store import runs
from llm_latency_lens.store.frames import HEADER
from llm_latency_lens.store.runs import Run, RunFile


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("LATENCY_LENS_HOME", str(home))
    return home


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _kept(run_id: str, run_dir: Path | None = None, raw: runs.Raw = "full") -> Path:
    path = runs.create(run_id, run_dir)
    runs.write(path, RunFile(raw=raw, context=Context(id=run_id)))
    return path


# -- made -------------------------------------------------------------------------------------


def test_an_id_sorts_by_time_and_repeats_never() -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=2)))
    first, second = runs.new_id(now), runs.new_id(now)
    assert first.startswith("20260304T030607Z-")
    assert first != second
    assert runs.new_id(now + timedelta(seconds=1)) > max(first, second)
    assert runs.new_id(datetime.now(UTC)) > first


def test_a_run_is_the_users_alone(home: Path) -> None:
    path = _kept("one")
    assert path == home / "runs" / "one"
    assert _mode(path) == 0o700
    assert _mode(path / "run.json") == 0o600
    runs.write_records(path / runs.RECORDS, [], keep_text=False)
    assert _mode(path / runs.RECORDS) == 0o600


def test_without_a_name_runs_are_kept_among_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LATENCY_LENS_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert runs.home().name == "latency-lens"
    monkeypatch.setenv("LATENCY_LENS_HOME", "")
    assert runs.home().name == "latency-lens"


def test_a_folder_that_is_named_is_taken_and_one_that_is_in_use_gets_a_subfolder(
    tmp_path: Path,
) -> None:
    named = tmp_path / "deep" / "named"
    assert runs.create("one", named) == named
    assert _mode(named) == 0o700
    (named / "something").touch()
    assert runs.create("two", named) == named / "two"
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    assert runs.create("three", empty) == empty
    assert _mode(empty) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wanted in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(StoreError, match=r"run directory .*file.*\(--run-dir names another"):
            runs.create("one", wanted)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "file.tmp").write_bytes(b"left behind by a crash")
    (tmp_path / "file.tmp").chmod(0o644)
    runs.write_private(path, b"one")
    runs.write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert _mode(path) == 0o600
    assert os.listdir(tmp_path) == ["file"]
    taken = tmp_path / "taken"
    (taken / "by a folder").mkdir(parents=True)
    with pytest.raises(StoreError, match="taken: "):
        runs.write_private(taken, b"three")
    assert sorted(os.listdir(tmp_path)) == ["file", "taken"]
    with pytest.raises(StoreError, match="No such file or directory"):
        runs.write_private(tmp_path / "no" / "file", b"four")


# -- found ------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_folder_its_parent_its_id_its_beginning_or_as_the_latest(
    home: Path, tmp_path: Path
) -> None:
    older, newer = _kept("20260101T000000Z-aaaaaa"), _kept("20260202T000000Z-bbbbbb")
    elsewhere = _kept("elsewhere", tmp_path / "named")
    (home / "runs" / "20270101T000000Z-no-run").mkdir()
    for name, path in (
        (str(older), older),
        (str(home / "runs"), newer),
        (str(elsewhere), elsewhere),
        ("20260101T000000Z-aaaaaa", older),
        ("20260101", older),
        ("2026", newer),
        ("latest", newer),
    ):
        assert runs.find(name).path == path
        assert runs.find(name).file.context.id == path.name.replace("named", "elsewhere")


def test_a_run_directory_that_was_used_again_stands_for_its_newest_run(tmp_path: Path) -> None:
    first = _kept("20260101T000000Z-aaaaaa", tmp_path / "nightly")
    second = _kept("20260102T000000Z-bbbbbb", tmp_path / "nightly")
    assert (first, second.parent) == (tmp_path / "nightly", first)
    assert runs.find(str(first)).file.context.id == "20260102T000000Z-bbbbbb"


def test_a_run_that_is_not_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no run is kept under {home / 'runs'} yet"):
        runs.find("latest")
    with pytest.raises(UsageError, match="no run 'x': neither a directory nor the id of a run"):
        runs.find("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match=f"{empty}: no run is kept there"):
        runs.find(str(empty))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a run of latency-lens"),
        (b"{", "not a run of latency-lens"),
        (b"[]", "not a run of latency-lens"),
        (b"\xff\xfe", "not a run of latency-lens"),
        (b'{"format": 1, "context": {"id": "\xff"}}', "not a run of latency-lens"),
        (b'{"format": 1}', "not a run of latency-lens"),
        (b'{"format": 1, "raw": "some", "context": {"id": "x"}}', "not a run of latency-lens"),
        (
            b'{"format": 2, "shape": "another"}',
            r"written by a newer latency-lens \(format 2, this one reads up to 1\)",
        ),
    ],
)
def test_a_file_that_is_no_run(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(StoreError, match=message) as caught:
        runs.find(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'run.json'}: ")


def test_a_run_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"run\.json: No such file"):
        runs.load(tmp_path)


# -- read again -------------------------------------------------------------------------------


def test_what_is_written_of_a_run_is_read_again() -> None:
    context = Context(
        id="one",
        name="a name",
        config={"model": "m", "requests": 5},
        mode="open",
        offered_rate=2.5,
        health=Health(capture_s=1.5, clock_source="kernel", suspended_s=0.25),
        interrupted=True,
        unsent=3,
    )
    path = runs.create("one", None)
    runs.write(path, RunFile(raw="redacted", context=context))
    assert runs.find("one") == Run(path, RunFile(raw="redacted", context=context))
    text = (path / "run.json").read_text()
    assert text.startswith("{\n  ")  # people read it, too
    assert json.loads(text)["format"] == 1


def test_timelines_and_records_of_a_run() -> None:
    path = _kept("one")
    stored = [answered(0), answered(1, "a b c")]
    data = HEADER + b"".join(b"".join(frames(timeline)) for timeline in stored)
    (path / runs.TIMELINES).write_bytes(data)
    run = runs.find("one")
    assert [everything(one) for one in run.timelines()] == [everything(one) for one in stored]
    assert list(run.records()) == [decode(one) for one in stored]
    assert [record.events.text for record in run.records()] == [["one", "two"], ["a", "b", "c"]]


def test_damage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    path = _kept("one")
    data = HEADER + b"".join(frames(example(1))) + b"".join(frames(example(2)))
    (path / runs.TIMELINES).write_bytes(data[:-1])
    with caplog.at_level(logging.WARNING):
        assert len(list(runs.find("one").timelines())) == 2
    assert len(caplog.records) == 1
    assert "torn tail" in caplog.text


def test_timelines_that_cannot_be_read_name_their_file() -> None:
    path = _kept("one")
    with pytest.raises(StoreError, match=r"timelines\.bin: No such file or directory"):
        list(runs.find("one").records())
    (path / runs.TIMELINES).write_bytes(b"something else")
    with pytest.raises(StoreError, match=r"timelines\.bin: this is not a file of timelines"):
        list(runs.find("one").records())


def _same(one: Record, other: Record) -> bool:
    return (one.id, one.events.at_ns, one.events.chars, one.usage, one.error) == (
        other.id,
        other.events.at_ns,
        other.events.chars,
        other.usage,
        other.error,
    )


@pytest.mark.parametrize("keep_text", [True, False])
def test_where_nothing_raw_is_kept_the_records_are(
    keep_text: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = _kept("one", raw="off")
    records = [decode(answered(0, "one two")), decode(answered(1, "three"))]
    runs.write_records(path / runs.RECORDS, records, keep_text=keep_text)
    assert (b"three" in (path / runs.RECORDS).read_bytes()) is keep_text
    back = list(runs.find("one").records())
    assert all(_same(one, other) for one, other in zip(back, records, strict=True))
    with (path / runs.RECORDS).open("ab") as file:
        file.write(b'{"id": "half a li\n\xff\n{"id": "\xff"}\n')
    with caplog.at_level(logging.WARNING):
        assert len(list(runs.find("one").records())) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{path / runs.RECORDS}:{line}: not a record; the line is left out" for line in (3, 4, 5)
    ]


def test_records_that_are_missing_or_cannot_be_written() -> None:
    path = _kept("one", raw="off")
    with pytest.raises(StoreError, match=r"records\.jsonl: No such file or directory"):
        list(runs.find("one").records())
    with pytest.raises(StoreError, match="No such file or directory"):
        runs.write_records(path / "no" / "records.jsonl", [], keep_text=False)
