"""Anthropic's bytes: read back by JSON and by the format's own decoder, they must be the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.record import Status
from llm_latency_lens.testing.anthropic_wire import WIRE, read
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.script import Script
from llm_latency_lens.testing.wire import Ask, Asked, answer, planned, refuse
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("m", created=1700000000, prompt_tokens=5)
WHOLE = Ask("m", stream=False, prompt_tokens=5)


def answered(ask: Ask = ASK, **options: str) -> Script:
    config = SimConfig.from_options(**options)
    return answer(WIRE, config, planned(config, 0, ask), ask)


def events(script: Script) -> list[dict[str, Any]]:
    """The data of each event, whose name is its type."""
    found = []
    for event in Response(script).body.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_a_stream() -> None:
    script = answered(tokens="2")
    start, *between, delta, stop = events(script)
    assert start == {
        "type": "message_start",
        "message": {
            "id": "msg_sim_00000000",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_sequence": None,
            "stop_reason": None,
            "usage": {
                "input_tokens": 5,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 1,
                "service_tier": "standard",
            },
        },
    }
    text = {"type": "text_delta"}
    assert between == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {**text, "text": " the"}},
        {"type": "content_block_delta", "index": 0, "delta": {**text, "text": " answer"}},
        {"type": "content_block_stop", "index": 0},
    ]
    assert delta["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert delta["usage"]["output_tokens"] == 2
    assert delta["usage"]["output_tokens_details"] == {"thinking_tokens": 0}
    assert stop == {"type": "message_stop"}
    assert [entry[0][0] for entry in script.entries] == [False, False, True, True, False]


def told(script: Script) -> list[str]:
    """Types in short: of blocks, deltas and the other events, with the indexes of blocks."""
    short = []
    for event in events(script):
        what = event.get("content_block") or event.get("delta") or event
        short.append(f"{what.get('type', event['type'])} {event.get('index', '')}".strip())
    return short


def test_thinking_is_signed_before_the_answer_begins() -> None:
    assert told(answered(reasoning="1", tokens="1")) == [
        "message_start",
        *("thinking 0", "thinking_delta 0", "signature_delta 0", "content_block_stop 0"),
        *("text 1", "ping", "text_delta 1", "content_block_stop 1"),
        *("message_delta", "message_stop"),
    ]


def test_thinking_that_is_not_shown_is_signed() -> None:
    assert told(answered(reasoning="3", reasoning_hidden="yes", tokens="1"))[:5] == [
        *("message_start", "thinking 0", "signature_delta 0", "content_block_stop 0", "text 1")
    ]


def test_calls_are_blocks_whose_first_piece_is_empty() -> None:
    script = answered(tool_calls="2", tokens="2")
    assert told(script)[1:-2] == [
        *("tool_use 0", "input_json_delta 0", "input_json_delta 0", "content_block_stop 0"),
        *("tool_use 1", "input_json_delta 1", "input_json_delta 1", "content_block_stop 1"),
    ]
    deltas = [event["delta"] for event in events(script) if "delta" in event]
    assert [delta.get("partial_json") for delta in deltas[:-1]] == [
        *("", '{"text":"the"}', "", '{"text":"answer"}')
    ]
    assert deltas[-1]["stop_reason"] == "tool_use"


def test_a_document() -> None:
    found = Response(answered(WHOLE, tokens="2", reasoning="1")).json
    thinking, text = found["content"]
    assert (thinking["thinking"], text["text"]) == (" the", " answer is")
    assert thinking["signature"]
    assert found["usage"]["output_tokens"] == 3
    called = Response(answered(WHOLE, tool_calls="1", tokens="2")).json
    (tool,) = called["content"]
    assert tool["input"] == {"text": "the answer"}
    assert called["stop_reason"] == "tool_use"


def test_headers() -> None:
    assert {
        name: value
        for name, value in Response(answered()).headers.items()
        if name.startswith(("request", "anthropic"))
    } == {
        "request-id": "req_sim_00000000",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:14:20Z",
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (429, "rate_limit_error"),
        (529, "overloaded_error"),
        (422, "invalid_request_error"),
        (503, "api_error"),
    ],
)
def test_refusals(status: int, kind: str) -> None:
    response = Response(refuse(WIRE, status))
    assert response.status == status
    assert response.headers["request-id"] == "req_sim"
    assert response.json["type"] == "error"
    assert response.json["error"]["type"] == kind
    assert response.json["error"]["message"]
    named = Response(refuse(WIRE, status, "No", code="ramp")).json["error"]
    assert named == {"type": kind, "message": "No", "details": {"error_code": "ramp"}}


# -- read back by the decoder -----------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_decoder_reads_the_plan(shape: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, "anthropic", Ask("m", stream), **shape)
    assert record.finish_reason == ("tool_use" if "tool_calls" in shape else "end_turn")
    assert record.usage.reasoning == int(shape.get("reasoning", 0))
    assert record.response_id == "msg_sim_00000000"
    assert record.service_tier == "standard"
    assert record.reasoning_streamed is ("reasoning_hidden" not in shape)


def test_an_answer_of_hidden_reasoning_alone() -> None:
    options = {"reasoning": "5", "reasoning_hidden": "yes"}
    _, record = read_back(WIRE, "anthropic", Ask("m", max_tokens=3), **options)
    assert (record.status, record.finish_reason, len(record.events)) == ("ok", "max_tokens", 0)
    assert record.usage.output == record.usage.reasoning == 3


@pytest.mark.parametrize("fault", BROKEN)
def test_the_decoder_sees_each_fault(fault: str) -> None:
    _, record = read_back(WIRE, "anthropic", Ask("m"), faults=f"{fault}:always")
    assert record.status is Status.FAILED
    assert len(record.events) == {"malformed@2": 6, "endless": 6}.get(fault, 2 * ("@" in fault))
    if fault == "error-event@2":
        assert record.error is not None
        assert record.error.provider_code == "overloaded_error"


def test_the_decoder_needs_no_stop_and_believes_the_usage() -> None:
    _, record = read_back(WIRE, "anthropic", Ask("m"), faults="no-done:always")
    assert record.status is Status.OK
    _, record = read_back(WIRE, "anthropic", Ask("m"), faults="wrong-usage=3:always")
    assert record.usage.output == 18


# -- requests ---------------------------------------------------------------------------------


def asked(**body: Any) -> Ask:
    messages = [{"role": "user", "content": "x" * 40}]
    body = {"model": "m", "messages": messages, "max_tokens": 9} | body
    return read(Asked("POST", "/v1/messages", body=json.dumps(body).encode(), created=7))


def test_requests() -> None:
    assert asked() == Ask("m", False, 10, 9, 7)
    assert asked(stream=True, temperature=1).stream
    assert asked(system="x" * 40).prompt_tokens == 20
    blocks = [{"type": "text", "text": "x" * 80}]
    assert asked(system=blocks).prompt_tokens == 30
    assert asked(messages=[{"role": "user", "content": blocks}]).prompt_tokens == 20


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "is not valid"),
        (b'{"model":"m","messages":[]}', "missing required field `max_tokens`"),
        (b'{"model":"m","messages":[],"max_tokens":0}', "max_tokens: 0 is not greater"),
        (b'{"messages":[],"max_tokens":1}', "model: Field required"),
        (b'{"model":"\xff","messages":[],"max_tokens":1}', "is not valid"),
    ],
)
def test_bad_bodies_are_refused(body: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read(Asked("POST", "/v1/messages", body=body))


def test_its_path() -> None:
    for path in ("/v1/messages", "/anthropic/v1/messages"):
        assert wire_of(Asked("POST", path)) is WIRE
    assert not WIRE.match(Asked("GET", "/v1/messages"))
    assert not WIRE.match(Asked("POST", "/v1/messages/count_tokens"))


def test_its_key() -> None:
    assert WIRE.key(Asked("POST", "/", headers={"x-api-key": "k"})) == "k"
    assert WIRE.key(Asked("POST", "/", headers={"authorization": "Bearer k"})) == "k"
    assert WIRE.key(Asked("POST", "/")) is None
