"""Following a run: in this process, and as the process of its own that a run starts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens.engine.follower import Follower, Streaming
from llm_latency_lens.engine.following import Errand, Following
from llm_latency_lens.errors import RunError, UsageError
from llm_latency_lens.metrics.context import Context, SinkOutcome
from llm_latency_lens.metrics.lines import encode, to_line
from llm_latency_lens.providers import decode
from llm_latency_lens.store import runs
from llm_latency_lens.store.frames import HEADER, close_frame, open_frame, reads_frame
from llm_latency_lens.store.runs import Raw, RunFile
from llm_latency_lens.timeline import Timeline

PRICE = {"provider": "openai", "model": "m", "input": "0", "output": "2"}


def answered(index: int) -> Timeline:
    timeline = Timeline(index=index, id=f"r-{index}", model="m")
    timeline.start_ns, timeline.sent_ns, timeline.first_byte_ns = 100, 110, 120
    timeline.status, timeline.complete, timeline.closed_ns = 200, True, 900
    timeline.headers = (("content-type", "text/event-stream"),)
    delta: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "word"}}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 500_000}}
    for event in (delta, delta, usage):
        timeline.add(200 + len(timeline.at), f"data: {json.dumps(event)}\n\n".encode())
    timeline.add(800, b"data: [DONE]\n\n")
    return timeline


def run_of(folder: Path, raw: Raw = "full") -> Path:
    path = runs.create("r", folder / "run")
    config = {"base_url": "https://api.openai.com/v1", "provider": "openai", "model": "m"}
    runs.write(path, RunFile(raw=raw, context=Context(id="r", config=config)))
    return path


def append(path: Path, timelines: Sequence[Timeline]) -> None:
    file = path / runs.TIMELINES
    with file.open("ab") as out:
        if not out.tell():
            out.write(HEADER)
        for timeline in timelines:
            body = bytes(timeline.body)
            out.write(open_frame(timeline) + reads_frame(timeline, 0, 0, body))
            out.write(close_frame(timeline))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_what_has_ended_is_handed_over_once(tmp_path: Path):
    path, one, two = run_of(tmp_path), tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    urls = [str(one), f"file:{two}"]
    following = Following(Errand(run=str(path), urls=urls, prices=[PRICE]), {})
    following.look()
    append(path, [answered(0), answered(1)])
    following.look()
    following.look()
    append(path, [answered(2)])
    following.look()
    told = following.finish()
    assert told.complete
    assert told.sinks == [
        SinkOutcome(url=str(one), sent=3, lost=0),
        SinkOutcome(url=str(two), sent=3, lost=0),
    ]
    assert one.read_text() == two.read_text()
    assert [line["index"] for line in lines(one)] == [0, 1, 2]
    assert {line["cost_usd"] for line in lines(one)} == {1}
    assert "text" not in lines(one)[0]


def test_a_run_that_keeps_records_alone_is_read_when_it_has_ended(tmp_path: Path):
    path, out = run_of(tmp_path, "off"), tmp_path / "out.jsonl"
    following = Following(Errand(run=str(path), urls=[str(out)], keep_text=True), {})
    following.look()
    record = decode(answered(0))
    record.cost_usd = Decimal("0.5")
    (path / runs.RECORDS).write_bytes(encode(to_line(record, keep_text=True)) + b"\n")
    assert following.finish().sinks == [SinkOutcome(url=str(out), sent=1, lost=0)]
    (line,) = lines(out)
    assert (line["cost_usd"], line["text"]) == (0.5, "wordword")


def test_the_time_of_a_server_is_shared_out_at_the_end_only(tmp_path: Path):
    path, out = run_of(tmp_path), tmp_path / "out.jsonl"
    price = {**PRICE, "per_hour": "3600"}
    following = Following(Errand(run=str(path), urls=[str(out)], prices=[price]), {})
    append(path, [answered(0)])
    following.look()
    following.finish()
    assert lines(out)[0]["cost_usd"] is None


def test_what_cannot_be_read_in_time_is_left(tmp_path: Path):
    path, out = run_of(tmp_path), tmp_path / "out.jsonl"
    append(path, [answered(index) for index in range(9)])
    following = Following(Errand(run=str(path), urls=[str(out)], catch_up_s=0.0), {})
    assert not following.look(lambda: True)  # one has been handed over, and the end has come
    told = following.finish()
    assert not told.complete
    assert [line["index"] for line in lines(out)] == [0, 1]
    assert told.sinks == [SinkOutcome(url=str(out), sent=2, lost=0)]


def test_the_process(tmp_path: Path):
    path, out = run_of(tmp_path), tmp_path / "out.jsonl"
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"prices": [PRICE]}))
    streaming = Streaming(urls=[str(out)], prices=str(prices), keep_text=True)
    assert "out" not in repr(streaming)
    follower = Follower(streaming, path, os.environ)
    append(path, [answered(0)])
    assert follower.finish(3) == [
        SinkOutcome(url=str(out), sent=1, lost=2, error="the run's file could not be read")
    ]
    (line,) = lines(out)
    assert (line["cost_usd"], line["text"]) == (1, "wordword")


def test_a_process_that_dies_loses_everything_but_the_run(tmp_path: Path):
    follower = Follower(Streaming(urls=[str(tmp_path / "a.jsonl")]), run_of(tmp_path), os.environ)
    follower._process.kill()
    error = "the process that streams ended before its time"
    assert follower.finish(7) == [
        SinkOutcome(url=str(tmp_path / "a.jsonl"), sent=0, lost=7, error=error)
    ]


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("/nosuch/a.jsonl", RunError, r"--stream-to: cannot write /nosuch/a\.jsonl: No such file"),
        ("influx+http://h", UsageError, r"the influx URL must say db="),
    ],
)
def test_a_sink_that_cannot_be_opened(tmp_path: Path, url: str, kind: type, message: str):
    with pytest.raises(kind, match=message):
        Follower(Streaming(urls=[url]), run_of(tmp_path), os.environ)
    with pytest.raises(UsageError, match="must say db="):
        Streaming(urls=["influx+http://h"]).checked({})
