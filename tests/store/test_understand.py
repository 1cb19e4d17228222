"""From a run on the disk to its records and its result."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored import answered, frames

from llm_latency_lens.errors import StoreError
from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.providers import decode
from llm_latency_lens.record import Usage
from llm_latency_lens.store import runs
from llm_latency_lens.store.frames import HEADER
from llm_latency_lens.store.runs import Run, RunFile
from llm_latency_lens.store.understand import counted, keep_counts, records, summarise
from llm_latency_lens.timeline import Timeline


def _run(folder: Path, *timelines: Timeline) -> Run:
    data = HEADER + b"".join(b"".join(frames(timeline)) for timeline in timelines)
    (folder / runs.TIMELINES).write_bytes(data)
    health = Health(capture_s=1.0, clock_source="kernel")
    file = RunFile(context=Context(id="one", planned=len(timelines), health=health))
    runs.write(folder, file)
    return runs.load(folder)


def _words(text: str) -> int:
    return len(text) // 3


def test_every_request_once_and_what_the_disk_did_not_take_in_its_place(tmp_path: Path) -> None:
    half = answered(1, "half")
    half.fail("cancelled", "stream", "cut")  # type: ignore[arg-type]
    run = _run(tmp_path, answered(0), half)
    whole, beside = answered(1, "whole again"), answered(2, "beside")
    found = list(records(run, [whole, beside]))
    assert [record.events.text for record in found] == [
        ["one", "two"],
        ["whole", "again"],
        ["beside"],
    ]
    assert [record.id for record in records(run)] == ["r-0", "r-1"]


def test_attempts_do_not_stand_in_for_each_other(tmp_path: Path) -> None:
    again = answered(0, "again")
    again.attempt = 1
    run = _run(tmp_path, answered(0))
    assert [record.attempt for record in records(run, [again])] == [0, 1]


def test_tokens_are_counted_where_nobody_did(tmp_path: Path) -> None:
    run = _run(tmp_path, answered(0, "one two"), answered(1, "seven eight"))
    assert [record.usage.output for record in records(run)] == [None, None]
    found = list(records(run, count=_words))
    assert [(r.usage.output, r.tokens_source) for r in found] == [
        (2, "tokenizer"),
        (3, "tokenizer"),
    ]
    keep_counts(run, (), _words)
    assert [record.usage.output for record in records(run)] == [2, 3]
    # Counted anew, not read again, where a tokenizer is given.
    assert [record.usage.output for record in records(run, count=len)] == [6, 10]


def test_a_count_of_the_provider_stands() -> None:
    record = decode(answered(0))
    record.usage, record.tokens_source = Usage(output=7), "usage"
    assert counted(record, _words).usage.output == 7
    empty = decode(answered(0, ""))
    assert counted(empty, _words).usage.output is None
    assert counted(decode(answered(0)), None).tokens_source == "events"


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"r-0": "x"}', b'{"\xff": 1}'])
def test_counts_that_cannot_be_read_are_no_silent_zero(tmp_path: Path, data: bytes) -> None:
    run = _run(tmp_path, answered(0))
    (tmp_path / "tokens.json").write_bytes(data)
    with pytest.raises(StoreError, match=r"tokens\.json"):
        list(records(run))


def test_a_result_is_computed_from_the_disk_and_comes_out_the_same_again(tmp_path: Path) -> None:
    run = _run(tmp_path, *(answered(index, "a few words more") for index in range(5)))
    result = summarise(run)
    assert (result.requests.ok, result.requests.sent) == (5, 5)
    assert result == summarise(runs.load(tmp_path))
    more = summarise(run, [answered(9)])
    assert more.requests.ok == 6
