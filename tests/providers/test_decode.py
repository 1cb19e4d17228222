"""Marks, ends and failures: what depends on the capture rather than on the body's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_latency_lens.providers.openai_chat import decode
from llm_latency_lens.record import EventKind, Record, Status
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline

MS = 1_000_000
DONE = b"data: [DONE]\n\n"


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    document = {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def say(text: str) -> bytes:
    return event({"content": text})


STOP = event(finish="stop")
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'


def captured(*reads: tuple[int, bytes] | tuple[int, bytes, int], **more: Any) -> Timeline:
    """A capture; each read is (milliseconds, bytes[, milliseconds late])."""
    timeline = Timeline(index=3, id="r3", model="m", max_tokens=9, tag="t", planned_ns=-5)
    timeline.start_ns, timeline.sent_ns, timeline.status = 0, 10, 200
    timeline.headers = (("content-type", "text/event-stream"),)
    for at, data, *late in reads:
        timeline.add(at * MS, data, sum(late) * MS)
    timeline.first_byte_ns = timeline.at[0] if reads else None
    timeline.closed_ns = 99 * MS
    timeline.complete = True
    for name, value in more.items():
        setattr(timeline, name, value)
    return timeline


def verdict(record: Record) -> tuple[str, str] | None:
    return record.error and (str(record.error.kind), str(record.error.stage))


def test_marks_and_columns() -> None:
    timeline = captured(
        (10, event({"role": "assistant"}) + say("a")),
        (20, say("b")[:-1]),
        (30, b"\n" + STOP + DONE),
    )
    timeline.offset_ns, timeline.offset_end_ns = 1000, 1007
    timeline.attempt, timeline.warmup, timeline.clock_source = 2, True, "kernel"
    record = decode(timeline)
    assert record.status is Status.OK
    assert (record.id, record.index, record.model, record.tag) == ("r3", 3, "m", "t")
    assert (record.attempt, record.warmup, record.max_tokens) == (2, True, 9)
    assert list(record.events.at_ns) == [10 * MS, 20 * MS]
    assert list(record.events.read) == [0, 1]
    assert record.events.text == ["a", "b"]
    assert list(record.events.chars) == [1, 1]
    assert record.events.kind == [EventKind.TEXT, EventKind.TEXT]
    assert (record.ttft_ns, record.e2e_ns, record.ttfb_ns) == (10 * MS, 30 * MS, 10 * MS)
    assert (record.send_lag_ns, record.sent_ns) == (5, 10)
    assert (record.start_unix_ns, record.clock_step_ns) == (1000, 7)
    assert record.clock_source == "kernel"
    assert record.connection is timeline.connection


@pytest.mark.parametrize(
    ("reads", "end"),
    [
        (((1, say("a")), (2, STOP), (3, USAGE), (4, DONE), (5, b"\n")), 4 * MS),
        (((1, say("a")), (2, STOP), (3, USAGE), (4, b": bye\n\n")), 3 * MS),
        (
            ((1, say("a")), (2, event(finish="stop", usage={"completion_tokens": 1})), (3, b"\n")),
            2 * MS,
        ),
        (((1, say("a")), (2, STOP), (3, b"\n")), 99 * MS),
        (((1, say("a")), (2, DONE[:12]), (3, DONE[12:])), 2 * MS),
    ],
)
def test_end_is_the_streams_own_last_event_or_the_body(reads: Any, end: int) -> None:
    record = decode(captured(*reads))
    assert record.status is Status.OK
    assert record.end_ns == end


def test_whole_documents_end_with_the_body() -> None:
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'
    record = decode(captured((1, body[:9]), (2, body[9:]), (3, b"\n"), stream=True))
    assert record.status is Status.OK
    assert record.stream is False
    assert list(record.events.at_ns) == [2 * MS]
    assert record.end_ns == 3 * MS
    assert record.tpot_ns is None


def test_lateness() -> None:
    timeline = captured(
        (1, say("a") + say("b"), 0),
        (2, say("c") + say("d") + say("e"), 2),
        (3, say("f") + STOP + DONE, 1),
    )
    record = decode(timeline)
    assert record.read_lag_ns_max == 2 * MS
    assert (record.late_events, record.merged_events, record.coalesced_events) == (3, 2, 1)


def test_on_time_nothing_merged() -> None:
    record = decode(captured((1, say("a") + say("b") + say("c"), 1), (2, say("d") + STOP + DONE)))
    assert (record.late_events, record.merged_events, record.coalesced_events) == (0, 0, 2)


def test_identity_of_the_answer() -> None:
    first = event(id="", model="", system_fingerprint=None)
    named = event({"content": "a"}, id="c7", model="m-1", system_fingerprint="fp")
    later = event({"content": "b"}, id="c8", model="m-2", system_fingerprint="fq")
    record = decode(captured((1, first + named + later + STOP + DONE)))
    assert (record.response_id, record.response_model, record.fingerprint) == ("c7", "m-1", "fp")
    assert record.finish_reason == "stop"


def test_sources_of_token_counts() -> None:
    counted = decode(captured((1, say("a") + STOP + USAGE + DONE)))
    assert (counted.tokens_source, counted.usage.output) == ("usage", 2)
    not_counted = decode(captured((1, say("a") + STOP + DONE)))
    assert (not_counted.tokens_source, not_counted.usage.output) == ("events", None)


@pytest.mark.parametrize(
    ("delta", "reasoning", "streamed"),
    [
        ({"content": "a"}, 7, False),
        ({"content": "a"}, 0, True),
        ({"content": "a"}, None, True),
        ({"reasoning": "r"}, 7, True),
        ({"reasoning": "r", "content": "a"}, 7, True),
    ],
)
def test_reasoning_that_was_counted_but_not_seen(
    delta: dict[str, Any], reasoning: int | None, streamed: bool
) -> None:
    usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": reasoning}}
    record = decode(captured((1, event(delta) + STOP + event(usage=usage) + DONE)))
    assert record.reasoning_streamed is streamed
    assert record.streamed_tokens == (9 if streamed else 2)


def test_times_that_the_server_tells() -> None:
    timings = {"prompt_ms": 6.5, "predicted_ms": 40, "predicted_n": 8, "x_ms": "fast"}
    usage = {"completion_tokens": 2, "queue_time": 0.25, "total_time": 1}
    timeline = captured((1, say("a") + STOP + event(timings=timings, usage=usage) + DONE))
    timeline.headers = (
        ("OpenAI-Processing-Ms", "312"),
        ("x-envoy-upstream-service-time", "later"),
        ("server-timing", 'edge;desc="a";dur=1.5, origin;dur=20'),
        ("x-request-id", "req_1"),
        ("set-cookie", "secret"),
    )
    record = decode(timeline)
    assert record.hints_ms == {
        "openai-processing-ms": 312.0,
        "server-timing.edge": 1.5,
        "server-timing.origin": 20.0,
        "prompt_ms": 6.5,
        "predicted_ms": 40.0,
        "queue_time": 250.0,
        "total_time": 1000.0,
    }
    assert record.headers["x-request-id"] == "req_1"
    assert "set-cookie" not in record.headers


def test_times_that_cannot_be_are_dropped() -> None:
    timings = {"a_ms": 10**400, "b_ms": float("nan"), "c_ms": -1, "d_ms": 3}
    record = decode(captured((1, say("a") + event(finish="stop", timings=timings) + DONE)))
    assert record.hints_ms == {"d_ms": 3.0}


def test_groq_usage_stands_in_where_there_is_no_other() -> None:
    both = event(
        finish="stop", usage={"completion_tokens": 3}, x_groq={"usage": {"completion_tokens": 4}}
    )
    assert decode(captured((1, say("a") + both + DONE))).usage.output == 3
    one = event(finish="stop", x_groq={"usage": {"completion_tokens": 4}})
    assert decode(captured((1, say("a") + one + DONE))).usage.output == 4


# -- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ErrorKind.TIMEOUT, ErrorKind.NETWORK, ErrorKind.PROTOCOL])
def test_transport_failures_keep_kind_and_stage(kind: ErrorKind) -> None:
    timeline = captured((1, say("a")), complete=False)
    timeline.fail(kind, Stage.STREAM, "what the transport said")
    record = decode(timeline)
    assert verdict(record) == (str(kind), "stream")
    assert record.error is not None
    assert record.error.message == "what the transport said"
    assert record.error.http_status == 200
    assert record.events.text == ["a"]
    assert record.end_ns == 99 * MS


@pytest.mark.parametrize("tail", [STOP + USAGE, STOP + USAGE + DONE, STOP + DONE[:-2], DONE])
@pytest.mark.parametrize("kind", list(ErrorKind))
def test_nothing_that_happens_after_the_streams_own_end_matters(
    tail: bytes, kind: ErrorKind
) -> None:
    timeline = captured((1, say("a")), (2, tail), complete=False)
    timeline.fail(kind, Stage.STREAM, "too late")
    record = decode(timeline)
    assert record.status is Status.OK
    assert record.end_ns == 2 * MS


def test_a_failure_between_finish_and_usage_is_one() -> None:
    timeline = captured((1, say("a") + STOP), complete=False)
    assert verdict(decode(timeline)) == ("network", "stream")
    timeline.fail(ErrorKind.TIMEOUT, Stage.STREAM, "idle")
    assert verdict(decode(timeline)) == ("timeout", "stream")


def test_cancelled_is_no_failure() -> None:
    timeline = captured((1, say("a") + b'data: {"error":"x"}\n\n'), complete=False)
    timeline.fail(ErrorKind.CANCELLED, Stage.STREAM, "cancelled")
    record = decode(timeline)
    assert record.status is Status.CANCELLED
    assert verdict(record) == ("cancelled", "stream")
    assert record.events.text == ["a"]


def test_failures_before_an_answer() -> None:
    timeline = captured(complete=False, status=None, closed_ns=5)
    timeline.fail(ErrorKind.NETWORK, Stage.CONNECT, "refused")
    record = decode(timeline)
    assert verdict(record) == ("network", "connect")
    assert record.error is not None
    assert (record.error.message, record.error.http_status) == ("refused", None)
    assert (record.ttft_ns, record.end_ns) == (None, 5)


def test_a_capture_that_was_itself_cut_off() -> None:
    torn = captured(complete=False, status=None, start_ns=None, closed_ns=None)
    record = decode(torn)
    assert verdict(record) == ("network", "wait")
    assert record.start_unix_ns is None
    record = decode(captured((1, say("a") + say("b")[:9]), complete=False))
    assert verdict(record) == ("network", "stream")
    assert record.error is not None
    assert "cut off after" in record.error.message


def test_waiting_too_long_for_the_first_token() -> None:
    timeline = captured(complete=False)
    timeline.fail(ErrorKind.TIMEOUT, Stage.WAIT, "no first byte within 9 s")
    assert verdict(decode(timeline)) == ("timeout", "wait")


def test_an_http_error_outweighs_a_cut_body() -> None:
    timeline = captured((1, b'{"error":{"mess'), status=429, complete=False)
    timeline.fail(ErrorKind.NETWORK, Stage.STREAM, "lost")
    record = decode(timeline)
    assert verdict(record) == ("rate_limit", "wait")
    assert record.error is not None
    assert record.error.http_status == 429
    timeline = captured(status=500, complete=False)
    timeline.fail(ErrorKind.CANCELLED, Stage.WAIT, "cancelled")
    assert decode(timeline).status is Status.CANCELLED


def test_redirects_name_where_they_lead() -> None:
    timeline = captured(status=307)
    record = decode(timeline)
    assert verdict(record) == ("protocol", "wait")
    assert record.error is not None
    assert record.error.message == "HTTP 307: a redirect, which is not followed; check --base-url"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail":"Not Found"}', "Not Found; check --base-url"),
        (b"404 page not found", "404 page not found; check --base-url"),
        (b"", "HTTP 404, no message; check --base-url"),
        (b'{"error":{"message":"model \'m\' not found"}}', "model 'm' not found"),
    ],
)
def test_a_path_that_is_not_there_may_be_a_wrong_address(body: bytes, message: str) -> None:
    record = decode(captured((1, body), status=404))
    assert verdict(record) == ("bad_request", "wait")
    assert record.error is not None
    assert record.error.message == message


def test_untyped_bodies_are_described_without_being_quoted() -> None:
    record = decode(captured((1, b"what the model said"), headers=()))
    assert record.error is not None
    assert record.error.message == (
        "19 bytes of an unnamed type came as the answer, no JSON object; check --base-url"
    )
    record = decode(captured((1, b"<p>what the model said"), headers=()))
    assert record.error is not None
    assert record.error.message == "an HTML page came instead of an answer; check --base-url"
    assert record.stream is True


def test_error_messages_never_hold_a_key() -> None:
    said = {"message": "bad key sk-live-0123456789abcdef", "code": "sk-live-0123456789abcdef"}
    for timeline in (
        captured((1, json.dumps({"error": said}).encode()), status=401),
        captured((1, b"data: " + json.dumps({"error": said}).encode() + b"\n\n")),
    ):
        error = decode(timeline).error
        assert error is not None
        assert "0123456789" not in repr(error)


def test_silent_errors_still_say_something() -> None:
    error = decode(captured((1, b'data: {"error":{"x":1}}\n\n'))).error
    assert error is not None
    assert error.message == "an error event without a message"
