"""OpenAI's Responses and Azure's chats as they are sent: what our own decoders make of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.record import EventKind, Status
from llm_latency_lens.testing import azure_wire, openai_wire
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.responses_wire import WIRE, read
from llm_latency_lens.testing.wire import Ask, Asked, answer, planned, refuse
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("gpt-5-nano", prompt_tokens=5)
NAME = "openai-responses"


def body(**options: str) -> str:
    config = SimConfig.from_options(**options)
    return Response(answer(WIRE, config, planned(config, 0, ASK), ASK)).body.decode()


def events_of(**options: str) -> list[dict[str, Any]]:
    found = []
    for event in body(**options).removesuffix("\n\n").split("\n\n"):
        name, _, data = event.removeprefix("event: ").partition("\ndata: ")
        found.append(json.loads(data))
        assert found[-1]["type"] == name
    return found


@pytest.mark.parametrize("options", SHAPES, ids=str)
@pytest.mark.parametrize("stream", [True, False])
def test_our_decoder_reads_the_plan(options: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, NAME, replace(ASK, stream=stream), **options)
    assert record.finish_reason == "completed"
    assert (record.usage.cached_input, record.usage.cache_write) == (0, 0)
    assert record.usage.reasoning == int(options.get("reasoning", 0))
    assert (record.response_id, record.response_model) == ("resp_sim_00000000", "gpt-5-nano")
    assert record.service_tier == "default"


def test_no_opening() -> None:
    due, record = read_back(WIRE, NAME, ASK, role="off")
    assert (record.status, len(record.events)) == (Status.OK, len(due))


@pytest.mark.parametrize("stream", [True, False])
def test_a_limit(stream: bool) -> None:
    due, record = read_back(WIRE, NAME, replace(ASK, max_tokens=2, stream=stream))
    assert (record.finish_reason, record.usage.output) == ("max_output_tokens", 2)
    assert due.output_tokens == 2


def test_only_hidden_reasoning() -> None:
    ask = replace(ASK, max_tokens=2)
    _, record = read_back(WIRE, NAME, ask, reasoning="3", reasoning_hidden="yes")
    assert (record.status, len(record.events), record.usage.output) == (Status.OK, 0, 2)


def test_only_reasoning_that_is_shown() -> None:
    _, record = read_back(WIRE, NAME, replace(ASK, max_tokens=2), reasoning="3")
    assert set(record.events.kind) == {EventKind.REASONING}
    assert record.status is Status.OK


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", BROKEN)
def test_faults_are_failures(fault: str, stream: bool) -> None:
    ask = replace(ASK, stream=stream)
    _, record = read_back(WIRE, NAME, ask, faults=f"{fault}:always")
    assert record.status is Status.FAILED


def test_without_its_own_end_an_answer_is_not_whole() -> None:
    _, record = read_back(WIRE, NAME, ASK, faults="no-done:always")
    assert record.error is not None
    assert record.error.message == "the stream ended without response.completed"


def test_an_error_inside_the_stream_is_named() -> None:
    _, record = read_back(WIRE, NAME, ASK, faults="error-event@2:always")
    assert record.error is not None
    assert record.error.message.startswith("The server had an error")
    assert record.error.provider_code == "server_error"


def test_wrong_usage() -> None:
    due, record = read_back(WIRE, NAME, ASK, faults="wrong-usage=2:always")
    assert record.usage.output == 2 * due.output_tokens


def test_items_are_added_filled_and_repeated() -> None:
    events = events_of(tokens="2", reasoning="1")
    assert [event["type"].removeprefix("response.") for event in events] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added"),
        "reasoning_summary_text.delta",
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        "completed",
    ]
    done = events[-1]["response"]
    assert done["output"] == [
        {**event["item"]} for event in events if event["type"] == "response.output_item.done"
    ]
    texts = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert done["output"][1]["content"][0]["text"] == "".join(texts)


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_events_are_numbered(options: dict[str, str]) -> None:
    numbers = [event["sequence_number"] for event in events_of(**options)]
    assert numbers == list(range(len(numbers)))


def test_calls_are_items_of_their_own() -> None:
    events = events_of(tokens="4", tool_calls="2")
    items = [one["item"] for one in events if one["type"] == "response.output_item.done"]
    assert [item["name"] for item in items] == ["take_note", "take_note"]
    assert all(isinstance(json.loads(item["arguments"]), dict) for item in items)
    assert len({item["call_id"] for item in items}) == 2


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ({"input": "x" * 40}, 10),
        ({"input": [{"role": "user", "content": "x" * 20}], "instructions": "y" * 20}, 10),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "x" * 8}]}]}, 2),
        ({}, 1),
    ],
)
def test_requests(said: dict[str, Any], tokens: int) -> None:
    sent = {"model": "m", "max_output_tokens": 3, "stream": True, **said}
    asked = Asked("POST", "/v1/responses", body=json.dumps(sent).encode())
    assert wire_of(asked) is WIRE
    assert read(asked) == Ask("m", True, tokens, 3)


@pytest.mark.parametrize("bad", [b"{", b"\xff", b'{"model":"m","input":5}', b"{}"])
def test_bad_requests(bad: bytes) -> None:
    with pytest.raises(ValueError, match="could not parse"):
        read(Asked("POST", "/v1/responses", body=bad))
    with pytest.raises(ValueError, match="too small: 0"):
        read(Asked("POST", "/v1/responses", body=b'{"model":"m","max_output_tokens":0}'))


# -- Azure -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_azures_chats_are_read_back(options: dict[str, str]) -> None:
    check_reads_back(azure_wire.WIRE, "azure", ASK, **options)


def test_the_prompts_filters_come_first() -> None:
    config = SimConfig()
    script = answer(azure_wire.WIRE, config, planned(config, 0, ASK), ASK)
    first, second, *_ = Response(script).events
    assert first["choices"] == []
    assert first["prompt_filter_results"][0]["content_filter_results"]["hate"]["filtered"] is False
    assert second["choices"][0]["delta"]["role"] == "assistant"


@pytest.mark.parametrize(
    ("path", "headers", "theirs"),
    [
        ("/openai/deployments/d/chat/completions", {}, True),
        ("/openai/v1/chat/completions", {"api-key": "k"}, True),
        ("/openai/v1/chat/completions", {"authorization": "Bearer k"}, False),
        ("/v1/chat/completions", {}, False),
    ],
)
def test_which_requests_are_azures(path: str, headers: dict[str, str], theirs: bool) -> None:
    wire = wire_of(Asked("POST", path, headers=headers))
    assert wire is (azure_wire.WIRE if theirs else openai_wire.WIRE)


def test_azures_keys_and_refusals() -> None:
    key = azure_wire.WIRE.key
    assert key(Asked("POST", "/", headers={"api-key": "k"})) == "k"
    assert key(Asked("POST", "/", headers={"authorization": "Bearer t"})) == "t"
    assert key(Asked("POST", "/")) is None
    response = Response(refuse(azure_wire.WIRE, 401))
    assert response.json == {"error": {"code": "401", "message": "Incorrect API key provided."}}
