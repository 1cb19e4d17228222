"""Cohere's Chat v2 as it is sent: what our own decoder makes of it, and the shape of its events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.record import EventKind, Status
from llm_latency_lens.request import Operation
from llm_latency_lens.testing.cohere_wire import EMBED, WIRE, read, read_embed
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.wire import Ask, Asked, answer, planned, refuse
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("command-a", prompt_tokens=5)


def events_of(**options: str) -> list[tuple[str, Any]]:
    config = SimConfig.from_options(**options)
    body = Response(answer(WIRE, config, planned(config, 0, ASK), ASK)).body.decode()
    *events, last = body.removesuffix("\n\n").split("\n\n")
    assert last == "data: [DONE]"
    found = []
    for event in events:
        name, _, data = event.removeprefix("event: ").partition("\ndata: ")
        document = json.loads(data)
        assert document["type"] == name
        found.append((name, document))
    return found


@pytest.mark.parametrize("options", SHAPES, ids=str)
@pytest.mark.parametrize("stream", [True, False])
def test_our_decoder_reads_the_plan(options: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, "cohere", replace(ASK, stream=stream), **options)
    reason = "TOOL_CALL" if "tool_calls" in options else "COMPLETE"
    assert record.finish_reason == reason
    assert (record.usage.cached_input, record.usage.billed_output) == (0, record.usage.output)


def test_no_opening() -> None:
    due, record = read_back(WIRE, "cohere", ASK, role="off")
    assert record.status is Status.OK
    assert (record.response_id, len(record.events)) == (None, len(due))


def test_a_limit() -> None:
    due, record = read_back(WIRE, "cohere", replace(ASK, max_tokens=2))
    assert (record.finish_reason, record.usage.output, len(due)) == ("MAX_TOKENS", 2, 2)


def test_only_hidden_reasoning() -> None:
    ask = replace(ASK, max_tokens=2)
    _, record = read_back(WIRE, "cohere", ask, reasoning="3", reasoning_hidden="yes")
    assert (record.status, len(record.events)) == (Status.OK, 0)


def test_only_reasoning_that_is_shown() -> None:
    _, record = read_back(WIRE, "cohere", replace(ASK, max_tokens=2), reasoning="3")
    assert set(record.events.kind) == {EventKind.REASONING}
    assert record.status is Status.OK


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", BROKEN)
def test_faults_are_failures(fault: str, stream: bool) -> None:
    ask = replace(ASK, stream=stream)
    _, record = read_back(WIRE, "cohere", ask, faults=f"{fault}:always")
    assert record.status is Status.FAILED


def test_without_its_own_end_an_answer_is_not_whole() -> None:
    _, record = read_back(WIRE, "cohere", ASK, faults="no-done:always")
    assert record.error is not None
    assert record.error.message == "the stream ended without message-end"


def test_an_error_inside_the_stream_is_named() -> None:
    _, record = read_back(WIRE, "cohere", ASK, faults="error-event@2:always")
    assert record.error is not None
    assert (record.error.message, record.error.provider_code) == ("internal server error", "ERROR")


def test_wrong_usage() -> None:
    due, record = read_back(WIRE, "cohere", ASK, faults="wrong-usage=2:always")
    assert record.usage.output == 2 * due.output_tokens


def test_blocks_have_starts_and_ends() -> None:
    names = [name for name, _ in events_of(tokens="2", reasoning="1")]
    assert names == [
        "message-start",
        *("content-start", "content-delta", "content-end"),
        *("content-start", "content-delta", "content-delta", "content-end"),
        "message-end",
    ]


def test_calls_have_names_and_ends() -> None:
    events = events_of(tokens="4", tool_calls="2")
    start, *calls = [one for one in events if one[0].startswith("tool-call")], events[-1]
    assert [name for name, _ in start] == [
        *("tool-call-start", "tool-call-delta", "tool-call-delta", "tool-call-end"),
        *("tool-call-start", "tool-call-delta", "tool-call-delta", "tool-call-end"),
    ]
    assert start[0][1]["delta"]["message"]["tool_calls"]["function"]["name"] == "take_note"
    assert calls[0][1]["delta"]["finish_reason"] == "TOOL_CALL"


def test_requests_and_refusals() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 3}
    asked = Asked("POST", "/v2/chat", body=json.dumps(body).encode())
    assert wire_of(asked) is WIRE
    assert read(asked) == Ask("m", False, 10, 3)
    for bad in (b"{", b'{"model":"m","messages":[],"max_tokens":0}', b"\xff"):
        with pytest.raises(ValueError, match="invalid request"):
            read(replace(asked, body=bad))
    response = Response(refuse(WIRE, 429))
    assert (response.status, response.json) == (429, {"message": "Too Many Requests"})


def test_embeddings() -> None:
    body = {"model": "m", "texts": ["x" * 8, "y"], "embedding_types": ["float", "base64"]}
    asked = Asked("POST", "/v2/embed", body=json.dumps(body).encode())
    assert wire_of(asked) is EMBED
    ask = read_embed(asked)
    assert (ask.prompt_tokens, ask.items, ask.operation) == (3, 2, Operation.EMBEDDINGS)
    _, record = read_back(EMBED, "cohere", ask)
    assert (record.status, record.usage.input) == (Status.OK, 3)
    for bad in (b"[]", b'{"model":"m"}'):
        with pytest.raises(ValueError, match="invalid request"):
            read_embed(replace(asked, body=bad))


def test_each_answer_has_an_id_of_its_own() -> None:
    config = SimConfig()
    plans = [planned(config, index, ASK) for index in range(2)]
    ids = {Response(answer(WIRE, config, one, ASK)).headers["x-debug-trace-id"] for one in plans}
    assert len(ids) == 2
