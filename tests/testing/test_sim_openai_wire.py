"""OpenAI's bytes: a script is read back by llhttp and JSON, and must be the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.record import Status
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.openai_wire import WIRE, models, read
from llm_latency_lens.testing.plan import plan, words
from llm_latency_lens.testing.script import NO_CONTENT, Ending, Script
from llm_latency_lens.testing.wire import Ask, Asked, answer, bearer, one_send, planned

MS = 1_000_000

PLAIN = Ask("m", created=1700000000, include_usage=False)


def answered(index: int = 0, ask: Ask = PLAIN, **options: str) -> Script:
    config = SimConfig.from_options(**options)
    return answer(WIRE, config, plan(config, index, prompt_tokens=5), ask)


def deltas(script: Script) -> list[dict[str, Any]]:
    return [e["choices"][0]["delta"] for e in Response(script).events if e.get("choices")]


def test_a_stream_is_role_content_finish_done() -> None:
    script = answered(tokens="2")
    response = Response(script)
    assert response.status == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.complete
    assert response.data[-1] == "[DONE]"
    assert response.events[1] == {
        "id": "chatcmpl-sim-00000000",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"content": " the"}, "logprobs": None, "finish_reason": None}
        ],
    }
    assert deltas(script) == [
        {"role": "assistant", "content": ""},
        {"content": " the"},
        {"content": " answer"},
        {},
    ]
    assert response.events[-1]["choices"][0]["finish_reason"] == "stop"
    assert script.offsets_ns == [200 * MS, 200 * MS, 220 * MS, 220 * MS]
    assert script.entries == [NO_CONTENT, ((True, 1),), ((True, 1),), NO_CONTENT]
    assert (script.ending, script.ending_ns, script.outcome) == (Ending.KEEP, 220 * MS, "ok")


def test_each_send_is_one_chunk_of_http() -> None:
    script = answered(tokens="3")
    size, _, rest = script.data[2].partition(b"\r\n")
    assert int(size, 16) == len(rest) - 2
    assert rest.endswith(b"\n\n\r\n")


def test_usage_is_sent_when_asked_for() -> None:
    assert all("usage" not in event for event in Response(answered(tokens="2")).events)
    *events, last = Response(answered(ask=Ask("m"), tokens="2")).events
    assert all(event["usage"] is None for event in events)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_the_role_comes_first_early_or_not_at_all() -> None:
    early = answered(tokens="1", role="early")
    assert early.offsets_ns[:2] == [0, 200 * MS]
    assert early.data[0].startswith(b"HTTP/1.1 200")
    off = answered(tokens="1", role="off")
    assert off.offsets_ns == [200 * MS, 200 * MS]
    assert deltas(off) == [{"content": " the"}, {}]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_has_a_field_of_its_own(field: str) -> None:
    script = answered(reasoning="1", tokens="1", reasoning_field=field)
    assert deltas(script)[1:3] == [{field: " the"}, {"content": " answer"}]


def test_tool_calls_are_named_and_then_argued() -> None:
    script = answered(tool_calls="2", tokens="2", role="first")
    name = {"name": "take_note", "arguments": ""}
    assert deltas(script) == [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, "id": "call_sim_0", "type": "function", "function": name}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"text":"the"}'}}]},
        {"tool_calls": [{"index": 1, "id": "call_sim_1", "type": "function", "function": name}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"text":"answer"}'}}]},
        {},
    ]
    assert [entry[0][0] for entry in script.entries] == [False, False, True, False, True, False]
    assert Response(script).events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_burst_is_one_send() -> None:
    script = answered(tokens="3", burst="all")
    assert script.offsets_ns == [240 * MS]
    assert script.entries == [((False, 0), (True, 1), (True, 1), (True, 1), (False, 0))]
    assert Response(script).complete


def test_an_answer_of_hidden_reasoning_alone_is_sound() -> None:
    config = SimConfig.from_options(reasoning="5", reasoning_hidden="yes")
    schedule = plan(config, 0, max_tokens=3)
    script = answer(WIRE, config, schedule, Ask("m"))
    events = Response(script).events
    assert events[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert events[-2]["choices"][0]["finish_reason"] == "length"


def test_without_keep_alive_the_connection_closes() -> None:
    script = answered(ask=Ask("m", keep_alive=False), tokens="1")
    assert script.ending is Ending.CLOSE
    assert Response(script).headers["connection"] == "close"


def test_a_document_holds_the_whole_answer() -> None:
    script = answered(ask=Ask("m", stream=False, created=7), tokens="2", reasoning="1")
    assert script.offsets_ns == [240 * MS]
    assert script.entries == [((True, 3),)]
    assert Response(script).json == {
        "id": "chatcmpl-sim-00000000",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": " answer is",
                    "refusal": None,
                    "reasoning_content": " the",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 3,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def test_a_document_holds_tool_calls() -> None:
    script = answered(ask=Ask("m", stream=False), tool_calls="2", tokens="4", reasoning="1")
    message = Response(script).json["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [
        '{"text":"answer is"}',
        '{"text":"that a"}',
    ]


# -- read back by the decoder -----------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_decoder_reads_the_plan(shape: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, "openai", Ask("m", stream), **shape)
    assert record.finish_reason == ("tool_calls" if "tool_calls" in shape else "stop")
    assert record.usage.reasoning == int(shape.get("reasoning", 0))
    assert record.response_id == "chatcmpl-sim-00000000"


@pytest.mark.parametrize("fault", BROKEN)
def test_the_decoder_sees_each_fault(fault: str) -> None:
    _, record = read_back(WIRE, "openai", Ask("m"), faults=f"{fault}:always")
    assert record.status is Status.FAILED
    assert len(record.events) == {"malformed@2": 6, "endless": 6}.get(fault, 2 * ("@" in fault))


def test_the_decoder_needs_no_done_and_believes_the_usage() -> None:
    _, record = read_back(WIRE, "openai", Ask("m"), faults="no-done:always")
    assert record.status is Status.OK
    _, record = read_back(WIRE, "openai", Ask("m"), faults="wrong-usage=3:always")
    assert record.usage.output == 18


# -- requests ---------------------------------------------------------------------------------


def asked(**body: Any) -> Ask:
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}]} | body
    return read(Asked("POST", "/v1/chat/completions", body=json.dumps(body).encode(), created=7))


def test_requests() -> None:
    assert asked() == Ask("m", False, 10, None, 7, include_usage=False)
    streamed = asked(stream=True, stream_options={"include_usage": True})
    assert streamed == Ask("m", True, 10, None, 7, include_usage=True)
    assert asked(max_tokens=5).max_tokens == 5
    assert asked(max_tokens=5, max_completion_tokens=4).max_tokens == 4
    assert asked(temperature=1, whatever=[1]).prompt_tokens == 10


def test_prompt_tokens_are_a_quarter_of_the_characters() -> None:
    parts = [{"type": "text", "text": "x" * 80}, {"type": "image_url", "image_url": {"url": "u"}}]
    assert asked(messages=[{"role": "user", "content": parts}]).prompt_tokens == 20
    assert asked(messages=[{"role": "assistant", "content": None}]).prompt_tokens == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model":"m"}',
        b'{"model":1,"messages":[]}',
        b'{"model":"\xff","messages":[]}',
    ],
)
def test_bad_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="could not parse the JSON body"):
        read(Asked("POST", "/v1/chat/completions", body=body))


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens is too small: 0"):
        asked(max_tokens=0)


@pytest.mark.parametrize(
    ("method", "path", "mine"),
    [
        ("POST", "/v1/chat/completions", True),
        ("POST", "/openai/v1/chat/completions", True),
        ("GET", "/v1/chat/completions", False),
        ("POST", "/v1/completions", False),
    ],
)
def test_its_paths(method: str, path: str, mine: bool) -> None:
    assert WIRE.match(Asked(method, path)) is mine


@pytest.mark.parametrize(
    ("value", "key"), [("Bearer k", "k"), ("bearer k", "k"), ("Basic k", None), ("Bearer ", None)]
)
def test_the_key_of_a_request(value: str, key: str | None) -> None:
    assert bearer(Asked("POST", "/", headers={"authorization": value})) == key
    assert bearer(Asked("POST", "/")) is None


def test_the_list_of_models() -> None:
    response = Response(one_send(models(SimConfig())))
    assert [model["id"] for model in response.json["data"]] == ["sim"]


def test_texts_are_those_of_the_plan() -> None:
    config = SimConfig.from_options(tokens="200", tokens_per_event="3")
    schedule = plan(config, 5)
    sent = deltas(answer(WIRE, config, schedule, Ask("m")))[1:-1]
    assert [delta["content"] for delta in sent] == words(schedule)


@pytest.mark.parametrize(("usage", "counted"), [("always", [True, True]), ("never", [False] * 2)])
def test_usage_can_be_told_unasked_or_kept_back(usage: str, counted: list[bool]) -> None:
    config = SimConfig.from_options(tokens="2", usage=usage)
    found = []
    for wanted in (True, False):
        ask = Ask("sim", include_usage=wanted)
        response = Response(answer(WIRE, config, planned(config, 0, ask), ask))
        found.append(any(event.get("usage") for event in response.events))
    assert found == counted
