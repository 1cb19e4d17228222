"""Messages wait on the disk in order, bounded, across restarts, kills and full disks."""

from __future__ import annotations

from pathlib import Path

import pytest
from disks import full_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.errors import StoreError
from llm_latency_lens.service.queues import DiskQueue, Latest

BIG = 1 << 20


def drained(queue: DiskQueue, most: int = 3) -> list[bytes]:
    """Everything, in batches."""
    found: list[bytes] = []
    while messages := (batch := queue.first(most)).messages:
        found += messages
        queue.done(batch)
    return found


def numbered(*numbers: int) -> list[bytes]:
    return [b"message %d" % number for number in numbers]


def filled(folder: Path, *numbers: int, most_bytes: int = BIG) -> DiskQueue:
    queue = DiskQueue(folder, most_bytes)
    for message in numbered(*numbers):
        queue.append(message)
    return queue


def test_in_order_and_the_same_until_done(tmp_path: Path):
    queue = filled(tmp_path, *range(5))
    batch = queue.first(2)
    assert queue.first(2).messages == batch.messages == numbered(0, 1)
    queue.done(batch)
    queue.append(b"message 5")
    assert queue.waiting_bytes == 4 * len(b"........message 0")
    assert drained(queue) == numbered(2, 3, 4, 5)
    assert (queue.waiting_bytes, queue.lost, queue.error) == (0, 0, None)
    queue.close()


def test_what_was_not_done_is_there_after_a_restart_or_a_kill(tmp_path: Path):
    queue = filled(tmp_path, *range(5))
    queue.done(queue.first(2))
    queue.first(2)  # sent perhaps, but not noted; and then the process is gone
    other = filled(tmp_path, 5, 6)
    assert drained(other) == numbered(2, 3, 4, 5, 6)
    assert drained(filled(tmp_path, 7)) == numbered(7)
    for one in (queue, other):
        one.close()


def test_segments_that_are_sent_go(tmp_path: Path):
    queue = filled(tmp_path, *range(200), most_bytes=800)
    drained(queue)
    queue.append(b"x")
    drained(queue)
    assert len(list(tmp_path.glob("*.queue"))) == 1
    queue.close()


def test_the_oldest_go_when_it_is_too_much_and_are_counted(tmp_path: Path):
    queue = filled(tmp_path, *range(100), most_bytes=800)
    assert 600 < sum(path.stat().st_size for path in tmp_path.glob("*.queue")) <= 800
    left = drained(queue)
    assert left == numbered(*range(queue.lost, 100))
    queue.close()


def test_a_batch_that_is_being_sent_may_be_too_old_meanwhile(tmp_path: Path):
    queue = filled(tmp_path, *range(30), most_bytes=800)
    batch = queue.first(3)
    for message in numbered(*range(30, 100)):
        queue.append(message)
    queue.done(batch)
    assert drained(queue) == numbered(*range(queue.lost, 100))
    queue.close()


@given(whole=st.integers(0, 4), cut=st.integers(0, 16), junk=st.binary(max_size=20))
@settings(max_examples=25)
def test_torn_tails_end_a_segment_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, whole: int, cut: int, junk: bytes
):
    folder = tmp_path_factory.mktemp("torn")
    filled(folder, *range(whole + 1)).close()
    path = folder / "00000001.queue"
    path.write_bytes(path.read_bytes()[: whole * 17 + cut] + junk)
    queue = filled(folder, 9)
    assert drained(queue) == numbered(*range(whole), 9)
    queue.close()


def test_zeros_that_a_dead_machine_leaves_are_no_messages(tmp_path: Path):
    filled(tmp_path, 0).close()
    with (tmp_path / "00000001.queue").open("ab") as file:
        file.write(bytes(64))
    (tmp_path / "cursor").write_bytes(bytes(22))
    queue = filled(tmp_path)
    assert drained(queue) == numbered(0)
    queue.close()


def test_a_full_disk_does_not_stop_what_can_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    queue = filled(tmp_path, 0)
    with full_disk(monkeypatch):
        for message in numbered(1, 2, 3):
            queue.append(message)
        assert queue.error == "No space left on device"
        assert drained(queue, 1)[:2] == numbered(0, 1)
        queue.append(b"message 4")
        batch = queue.first(1)
        queue.append(b"message 5")  # not written: it would overtake
        assert (batch.messages, queue.waiting_bytes) == (numbered(4), 2 * 17)
    queue.done(batch)
    queue.append(b"message 6")
    assert drained(queue) == numbered(5, 6)
    assert (queue.lost, queue.error) == (0, None)
    queue.close()


def test_what_is_given_up_in_memory_while_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    queue = filled(tmp_path)
    monkeypatch.setattr(queue._appender, "_most", 2 * 17)
    with full_disk(monkeypatch):
        for message in numbered(0, 1):
            queue.append(message)
        batch = queue.first(2)
        queue.append(b"message 2")
        queue.done(batch)
        assert (queue.first(9).messages, queue.lost) == (numbered(2), 1)
    queue.close()


def test_a_folder_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "queues").write_text("")
    with pytest.raises(StoreError, match="queues"):
        DiskQueue(tmp_path / "queues" / "one", BIG)


def test_files_are_for_the_user_alone(tmp_path: Path):
    folder = tmp_path / "queues" / "one"
    filled(folder, 0).close()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}


def test_a_batch_that_goes_while_it_is_looked_for(tmp_path: Path):
    """Another thread may need its room between the look and the read."""
    queue = filled(tmp_path, *range(40), most_bytes=800)
    look, times = queue._on_disk, iter((True, False))

    def looked(most: int) -> object:
        found = look(most)
        if next(times):
            queue._remove(min(queue._segments))
        return found

    queue._on_disk = looked  # type: ignore[assignment, method-assign]
    (message,) = queue.first(1).messages
    assert message not in numbered(*range(6))
    queue.close()


def test_of_the_latest_only_one_is_kept():
    queue = Latest()
    assert queue.first(1).messages == []
    queue.append(b"one")
    queue.append(b"two")
    batch = queue.first(1)
    assert (batch.messages, queue.waiting_bytes) == ([b"two"], 3)
    queue.append(b"three")
    queue.done(batch)
    assert queue.first(1).messages == [b"three"]
    queue.done(queue.first(1))
    assert queue.first(1).messages == []
    queue.close()
