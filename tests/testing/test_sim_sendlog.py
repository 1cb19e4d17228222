"""The send log as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_latency_lens.errors import RunError
from llm_latency_lens.testing.script import NO_CONTENT
from llm_latency_lens.testing.sendlog import SendLog, Sent, expand, read_send_log


def test_a_line_is_one_request(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = SendLog(path)
    sent = Sent("abc", 3, 100, 110)
    expand([200, 210], [NO_CONTENT, ((True, 1), (True, 2))], sent)
    log.add(sent)
    log.close()
    assert json.loads(path.read_text()) == {
        "id": "abc",
        "index": 3,
        "received_ns": 100,
        "served_ns": 110,
        "sends_ns": [200, 210, 210],
        "content": [False, True, True],
        "tokens": [0, 1, 2],
        "outcome": "ok",
        "status": 200,
        "fault": None,
    }
    assert read_send_log(path) == [sent]


def test_repeated_sends_are_like_the_last() -> None:
    sent = Sent("", 0, 0)
    expand([1, 2, 3], [NO_CONTENT, ((True, 1),)], sent)
    assert (sent.sends_ns, sent.tokens) == ([1, 2, 3], [0, 1, 1])


def test_a_line_that_is_not_finished_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"id":"a","index":0,"received_ns":1}\n{"id":"b","ind')
    assert [sent.id for sent in read_send_log(path)] == ["a"]


def test_what_is_no_send_log_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(RunError, match="cannot read the send log"):
        read_send_log(path)
    path.write_text("hello\n")
    with pytest.raises(RunError, match="is not a send log"):
        read_send_log(path)
