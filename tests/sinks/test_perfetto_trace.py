"""The trace: the rules of the Trace Event Format, and the lines' own times."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from sink_runs import MS, SECOND, STARTED, answered, mixed, refused, run_of, unreachable, written

from llm_latency_lens.record import Record, Status

BEGAN = STARTED + 4 * SECOND


def trace_of(*args: Any, **fields: Any) -> dict[str, Any]:
    trace: dict[str, Any] = json.loads(written("perfetto", run_of(*args, **fields)))
    return trace


def slices(trace: dict[str, Any], index: int, *categories: str) -> list[dict[str, Any]]:
    return [
        event
        for event in trace["traceEvents"]
        if event["ph"] == "X" and event["tid"] == index + 2 and event["cat"] in categories
    ]


def ns(us: float) -> int:
    """As Perfetto takes a number of microseconds."""
    return round(us * 1000)


def test_every_event_has_what_its_kind_needs():
    events = trace_of()["traceEvents"]
    needed = {"X": {"ts", "dur", "tid"}, "M": {"args"}, "C": {"ts", "args"}, "i": {"ts", "s"}}
    for event in events:
        assert needed[event["ph"]] | {"name", "ph", "pid"} <= set(event)
    assert {event["ph"] for event in events} == set(needed)


def test_slices_of_a_track_nest():
    """Perfetto drops what overlaps: on a track every slice ends within the one around it."""
    tracks = defaultdict(list)
    for event in trace_of()["traceEvents"]:
        if event["ph"] == "X":
            begin = ns(event["ts"])
            tracks[event["pid"], event["tid"]].append((begin, begin + ns(event["dur"])))
    for found in tracks.values():
        around: list[int] = []
        for begin, end in sorted(found, key=lambda one: one[0]):
            while around and around[-1] <= begin and around[-1] < end:
                around.pop()
            assert not around or end <= around[-1]
            around.append(end)
    assert len(tracks) == 12


def test_tokens_have_the_times_of_the_lines():
    trace = trace_of()
    for record in mixed():
        if record.attempt or record.status is not Status.OK:
            continue
        tokens = slices(trace, record.index, "token")
        ends = [ns(token["ts"]) + ns(token["dur"]) for token in tokens]
        assert record.start_unix_ns is not None
        assert record.start_ns is not None
        offset = record.start_unix_ns - record.start_ns - BEGAN
        assert ends == [at_ns + offset for at_ns in record.events.at_ns]
        assert [ns(token["dur"]) for token in tokens[1:]] == record.events.gaps_ns()


def test_a_request_is_a_slice_with_its_phases():
    trace = trace_of([answered(1)])
    start = SECOND + 50 * MS + 7
    (lag,) = slices(trace, 1, "lag")
    assert (lag["name"], ns(lag["ts"]), ns(lag["dur"])) == ("send lag", start - 9 * MS, 3 * MS)
    (whole,) = slices(trace, 1, "request")
    assert (whole["name"], ns(whole["ts"])) == ("request 1", start - 6 * MS)
    assert whole["args"]["ttft_ms"] == 201.000123
    phases = [(one["name"], ns(one["ts"]), ns(one["dur"])) for one in slices(trace, 1, "phase")]
    end = answered(1).end_ns - 4 * SECOND
    assert phases == [
        ("dns", start - 6 * MS, MS),
        ("connect", start - 5 * MS, 2 * MS),
        ("tls", start - 3 * MS, 3 * MS),
        ("send", start, 10_001),
        ("wait", start + 10_001, 200 * MS + 123 - 10_001),
        ("stream", start + 200 * MS + 123, end - start - 200 * MS - 123),
    ]
    assert ns(whole["ts"]) + ns(whole["dur"]) == end


def test_attempts_share_a_track_and_arms_have_processes_of_their_own():
    trace = trace_of()
    assert [one["name"] for one in slices(trace, 3, "request")] == (
        ["request 3", "request 3, attempt 1"]
    )
    records = [answered(1, arm="a"), answered(2, arm="b"), answered(3, arm="a", warmup=True)]
    names = [
        (event["pid"], event["tid"], event["args"]["name"])
        for event in trace_of(records, config={"experiment": "compare"})["traceEvents"]
        if event["name"] in ("process_name", "thread_name")
    ]
    assert names == [
        (1, 3, "a"),
        (1, 3, "request 1"),
        (2, 4, "b"),
        (2, 4, "request 2"),
        (1, 5, "request 3 (warm-up)"),
    ]


def test_stalls_and_failures_are_marked():
    trace = trace_of()
    (stall,) = [event for event in trace["traceEvents"] if event["name"] == "stall"]
    assert stall["args"] == {"kind": "text"}
    assert ns(stall["dur"]) / MS == run_of().result.stalls.longest_ms
    marks = {event["tid"] - 2: event for event in trace["traceEvents"] if event["ph"] == "i"}
    assert {index: mark["name"] for index, mark in marks.items()} == {
        3: "failed: rate_limit (wait)",
        5: "failed: network (connect)",
        6: "cancelled: cancelled (stream)",
    }
    assert marks[3]["args"] == {
        "message": 'say "please", not\nnow | <later> \x1b[0m & 100 %',
        "http_status": 429,
        "provider_code": "tpm",
    }


def test_a_request_that_never_started_stands_at_its_plan():
    for records in ([unreachable(5), answered(1)], [answered(1), unreachable(5)]):
        (whole,) = slices(trace_of(records), 5, "request")
        assert (ns(whole["ts"]), ns(whole["dur"])) == (SECOND + 250 * MS, 10 * SECOND)
    (whole,) = slices(trace_of([unreachable(5)]), 5, "request")
    assert whole["ts"] == 0
    assert slices(trace_of([unreachable(5)]), 5, "phase") == []
    nothing = Record("r", 0, Status.CANCELLED)
    assert trace_of([nothing])["traceEvents"] == []


def test_an_answer_that_was_not_reached_waits_to_the_end():
    cut = refused(1, sent_ns=None, first_byte_ns=None)
    assert [phase["name"] for phase in slices(trace_of([cut]), 1, "phase")][-1] == "send"
    late = refused(1, first_byte_ns=None)
    assert [phase["name"] for phase in slices(trace_of([late]), 1, "phase")][-1] == "wait"


def test_a_request_ends_at_its_end_also_when_its_sending_was_noted_later():
    quick = refused(1)
    assert quick.start_ns is not None
    assert quick.end_ns is not None
    quick.sent_ns = quick.end_ns + MS
    trace = trace_of([quick])
    (whole,) = slices(trace, 1, "request")
    assert ns(whole["dur"]) == quick.end_ns - quick.start_ns + (quick.connection_ns or 0)
    ends = [ns(phase["ts"]) + ns(phase["dur"]) for phase in slices(trace, 1, "phase")]
    assert set(ends[-3:]) == {ns(whole["ts"]) + ns(whole["dur"])}


def test_the_counter_says_how_many_were_in_flight():
    counted = [event for event in trace_of()["traceEvents"] if event["ph"] == "C"]
    assert [event["ts"] for event in counted] == sorted({event["ts"] for event in counted})
    spans = [
        (record.start_ns - 4 * SECOND, record.end_ns - 4 * SECOND)
        for record in mixed()
        if record.start_ns is not None and record.end_ns is not None
    ]
    for event in counted:
        at = ns(event["ts"])
        assert event["args"]["requests"] == sum(begin <= at < end for begin, end in spans)


def test_texts_are_there_only_when_they_are_kept():
    assert b"word" not in written("perfetto", run_of())
    trace = json.loads(written("perfetto", run_of([answered(1)], keep_text=True)))
    texts = [token["args"]["text"] for token in slices(trace, 1, "token")]
    assert texts == [f"word {number}" for number in range(8)]


def test_the_trace_tells_of_its_run():
    assert trace_of([])["otherData"] == {
        "run": "20231114T221320Z-abcdef",
        "name": "",
        "started_at": "2023-11-14T22:13:24.123456789Z",
        "tool_version": "0.1.0",
        "provider": "openai",
        "model": "m",
    }
