"""Calibration: exact differences on made-up logs, and one small level on a real simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_latency_lens.errors import RunError, StoreError
from llm_latency_lens.experiments.calibrate import calibrate, compare
from llm_latency_lens.experiments.certificate import (
    Certificate,
    Level,
    newest_certificate,
    save_certificate,
)
from llm_latency_lens.record import EventKind, Record, Status
from llm_latency_lens.testing.sendlog import Sent

US = 1_000
MS = 1_000_000
START_UNIX = 1_700_000_000_000_000_000


def seen(id: str, *offsets_ns: int) -> Record:
    record = Record(id, 0, Status.OK, start_ns=5_000, start_unix_ns=START_UNIX)
    for i, offset in enumerate(offsets_ns):
        record.events.add(5_000 + offset, i, EventKind.TEXT, "x")
    return record


def sent(id: str, *offsets_ns: int) -> Sent:
    """A role first, which is no content, then one content event each."""
    times = [START_UNIX + offset for offset in (offsets_ns[0] - MS, *offsets_ns)]
    flags = [False] + [True] * len(offsets_ns)
    return Sent(id=id, index=0, received_ns=START_UNIX, sends_ns=times, content=flags)


def test_errors_are_measured_less_true() -> None:
    records = [seen("a", 10 * MS + 5 * US, 30 * MS + 7 * US), seen("b", 20 * MS + 3 * US)]
    errors = compare(records, [sent("a", 10 * MS, 30 * MS), sent("b", 20 * MS)])
    assert errors.ttft_us.tolist() == [5.0, 3.0]
    assert errors.gap_us.tolist() == [2.0]
    assert errors.true_ttft_ms.tolist() == [10.0, 20.0]
    assert errors.measured_ttft_ms.tolist() == [10.005, 20.003]
    assert errors.true_gap_ms.tolist() == [20.0]


def test_an_event_that_was_not_seen_is_no_small_error() -> None:
    with pytest.raises(RunError, match="sent 2 content events, 1 were seen"):
        compare([seen("a", MS)], [sent("a", MS, 2 * MS)])


def test_failed_requests_are_left_out_and_some_must_be_left() -> None:
    failed = seen("a", MS)
    failed.status = Status.FAILED
    with pytest.raises(RunError, match="no request succeeded"):
        compare([failed], [sent("a", MS)])


def test_a_level_and_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENCY_LENS_HOME", str(tmp_path / "home"))
    assert newest_certificate() is None
    told: list[Level] = []
    certificate = calibrate([4], told.append)  # which keeps it
    assert [level.streams for level in told] == [4]
    assert certificate.levels == told
    assert told[0].events == 4 * 64
    kept = newest_certificate()
    assert kept is not None
    assert kept["made_at"] == certificate.made_at
    assert kept["max_events_per_second"] == certificate.max_events_per_second


def test_a_certificate_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENCY_LENS_HOME", str(tmp_path / "file"))
    empty = Certificate(
        made_at="",
        tool_version="",
        host={},
        clock_source="user",
        clock_resolution_ns=1,
        levels=[],
        limit_us=1.0,
        max_events_per_second=None,
    )
    with pytest.raises(StoreError, match="file"):
        save_certificate(empty)
