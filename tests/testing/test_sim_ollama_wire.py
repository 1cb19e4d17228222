"""Ollama's own API as it is sent: what our own decoder makes of it, and the shape of its lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.ollama_wire import EMBED, WIRE, read, read_embed
from llm_latency_lens.testing.plan import words
from llm_latency_lens.testing.wire import Ask, Asked, answer, planned, refuse
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("llama3.2", prompt_tokens=5, created=1_790_000_000)


def lines_of(**options: str) -> list[Any]:
    config = SimConfig.from_options(**options)
    response = Response(answer(WIRE, config, planned(config, 0, ASK), ASK))
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.body.splitlines()]


@pytest.mark.parametrize("options", [one for one in SHAPES if "tool_calls" not in one], ids=str)
@pytest.mark.parametrize("stream", [True, False])
def test_our_decoder_reads_the_plan(options: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, "ollama", replace(ASK, stream=stream), **options)
    assert record.finish_reason == "stop"
    assert record.hints_ms["total_ms"] == pytest.approx((record.end_ns or 0) / 1e6)
    assert record.hints_ms["prompt_eval_ms"] + record.hints_ms["eval_ms"] == pytest.approx(
        record.hints_ms["total_ms"]
    )


@pytest.mark.parametrize("stream", [True, False])
def test_each_piece_of_a_call_is_a_call(stream: bool) -> None:
    ask = replace(ASK, stream=stream)
    due, record = read_back(WIRE, "ollama", ask, tool_calls="2", tokens="6", reasoning="1")
    assert record.status is Status.OK
    said = [json.dumps({"text": text}, separators=(",", ":")) for text in words(due)[1:]]
    if stream:
        assert list(record.events.kind) == due.kinds
        assert record.events.text[1:] == said
        assert list(record.events.at_ns) == due.offsets_ns
    else:
        assert record.events.text == [words(due)[0] + "".join(said)]


def test_a_limit() -> None:
    due, record = read_back(WIRE, "ollama", replace(ASK, max_tokens=2))
    assert (record.finish_reason, record.usage.output, len(due)) == ("length", 2, 2)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", BROKEN)
def test_faults_are_failures(fault: str, stream: bool) -> None:
    ask = replace(ASK, stream=stream)
    _, record = read_back(WIRE, "ollama", ask, faults=f"{fault}:always")
    assert record.status is Status.FAILED


def test_without_its_own_end_an_answer_is_not_whole() -> None:
    _, record = read_back(WIRE, "ollama", ASK, faults="no-done:always")
    assert record.error is not None
    assert record.error.message == "the stream ended without a line that says done"


def test_an_error_inside_the_stream_is_named() -> None:
    _, record = read_back(WIRE, "ollama", ASK, faults="error-event@2:always")
    assert record.error is not None
    assert "while running the model" in record.error.message


def test_wrong_usage() -> None:
    due, record = read_back(WIRE, "ollama", ASK, faults="wrong-usage=2:always")
    assert record.usage.output == 2 * due.output_tokens


def test_lines() -> None:
    *told, last = lines_of(tokens="2")
    assert [line["done"] for line in told] == [False, False]
    assert told[0]["created_at"] == "2026-09-21T14:13:20Z"
    assert told[0]["message"] == {"role": "assistant", "content": words_of(0)}
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "stop", 2)
    assert "load_duration" not in last


def words_of(place: int) -> str:
    return words(planned(SimConfig.from_options(tokens="2"), 0, ASK))[place]


@pytest.mark.parametrize(
    ("body", "ask"),
    [
        ({}, Ask("m", True, 10)),
        ({"stream": False}, Ask("m", False, 10)),
        ({"options": {"num_predict": 3}}, Ask("m", True, 10, 3)),
        ({"options": {"num_predict": -1}}, Ask("m", True, 10)),
        ({"options": {}}, Ask("m", True, 10)),
    ],
)
def test_requests(body: dict[str, Any], ask: Ask) -> None:
    whole = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], **body}
    asked = Asked("POST", "/api/chat", body=json.dumps(whole).encode())
    assert wire_of(asked) is WIRE
    assert read(asked) == ask


def test_bad_requests_and_refusals() -> None:
    for bad in (b"{", b"\xff", b'{"messages":[]}'):
        with pytest.raises(ValueError, match=r".+"):
            read(Asked("POST", "/api/chat", body=bad))
        with pytest.raises(ValueError, match=r".+"):
            read_embed(Asked("POST", "/api/embed", body=bad))
    response = Response(refuse(WIRE, 404, "model 'x' not found"))
    assert (response.status, response.json) == (404, {"error": "model 'x' not found"})
    assert Response(refuse(WIRE, 503)).json == {"error": "service unavailable"}


@pytest.mark.parametrize(("given", "tokens", "items"), [("x" * 8, 2, 1), (["x" * 8, "y"], 3, 2)])
def test_embeddings(given: Any, tokens: int, items: int) -> None:
    body = {"model": "m", "input": given, "dimensions": 4}
    asked = Asked("POST", "/api/embed", body=json.dumps(body).encode())
    assert wire_of(asked) is EMBED
    ask = read_embed(asked)
    assert (ask.prompt_tokens, ask.items, ask.operation) == (tokens, items, Operation.EMBEDDINGS)
    _, record = read_back(EMBED, "ollama", ask)
    assert (record.status, record.usage.input) == (Status.OK, tokens)
