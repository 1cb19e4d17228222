"""Google's generateContent as it is sent: what our own decoder makes of it, and its shapes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.gemini_wire import ARRAY, EMBED, EVENTS, key, read, read_embed
from llm_latency_lens.testing.plan import words
from llm_latency_lens.testing.wire import Ask, Asked, Wire, answer, planned, refuse
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("gemini-x", prompt_tokens=5)
STREAMS = pytest.mark.parametrize("wire", [EVENTS, ARRAY], ids=lambda wire: wire.name)
PATH = "/v1beta/models/gemini-x"


def response(wire: Wire = EVENTS, ask: Ask = ASK, **options: str) -> Response:
    config = SimConfig.from_options(**options)
    return Response(answer(wire, config, planned(config, 0, ask), ask))


@STREAMS
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("options", [one for one in SHAPES if "tool_calls" not in one], ids=str)
def test_our_decoder_reads_the_plan(wire: Wire, options: dict[str, str], stream: bool) -> None:
    record = check_reads_back(wire, "gemini", replace(ASK, stream=stream), **options)
    assert record.finish_reason == "STOP"
    assert record.usage.reasoning == (int(options["reasoning"]) if "reasoning" in options else None)
    assert record.response_id == "sim-00000000"
    assert record.response_model == "gemini-x"


@STREAMS
def test_each_piece_of_a_call_is_a_call(wire: Wire) -> None:
    due, record = read_back(wire, "vertex", ASK, tool_calls="2", tokens="6", reasoning="1")
    assert record.status is Status.OK
    said = [json.dumps({"text": text}, separators=(",", ":")) for text in words(due)[1:]]
    assert list(record.events.kind) == due.kinds
    assert record.events.text[1:] == said
    assert list(record.events.at_ns) == due.offsets_ns


def test_a_document_has_whole_calls() -> None:
    _, record = read_back(EVENTS, "gemini", replace(ASK, stream=False), tool_calls="2", tokens="4")
    assert record.events.text == ['{"text":"the answer"}{"text":"is that"}']


def test_a_limit() -> None:
    due, record = read_back(EVENTS, "gemini", replace(ASK, max_tokens=2))
    assert (record.finish_reason, record.usage.output, len(due)) == ("MAX_TOKENS", 2, 2)


@STREAMS
@pytest.mark.parametrize("fault", BROKEN)
def test_our_decoder_sees_each_fault(wire: Wire, fault: str) -> None:
    _, record = read_back(wire, "gemini", ASK, faults=f"{fault}:always")
    assert record.status is Status.FAILED
    told = {"malformed@2": 2 if wire is ARRAY else 6, "endless": 6}
    assert len(record.events) == told.get(fault, 2 * ("@" in fault))


@STREAMS
def test_an_error_inside_a_stream(wire: Wire) -> None:
    _, record = read_back(wire, "gemini", ASK, faults="error-event@2:always")
    assert record.error is not None
    assert (record.error.kind, record.error.provider_code) == ("server", "INTERNAL")


@STREAMS
def test_without_its_end_an_answer_is_not_whole_and_usage_is_believed(wire: Wire) -> None:
    _, record = read_back(wire, "gemini", ASK, faults="no-done:always")
    assert record.error is not None
    assert "without a finishReason" in record.error.message
    _, record = read_back(wire, "gemini", ASK, reasoning="4", faults="wrong-usage=0.2:always")
    assert (record.usage.output, record.usage.reasoning) == (2, 2)


# -- shapes ------------------------------------------------------------------------------------


def test_events() -> None:
    found = response(tokens="1", reasoning="1")
    assert found.headers["content-type"] == "text/event-stream"
    texts = found.body.decode().split("\r\n\r\n")
    assert texts.pop() == ""
    documents = [json.loads(text.removeprefix("data: ")) for text in texts]
    ids = {"modelVersion": "gemini-x", "responseId": "sim-00000000"}
    assert documents == [
        _chunk({"text": " the", "thought": True}, 0, 1) | ids,
        _chunk({"text": " answer"}, 1, 1) | ids,
        _chunk({"text": ""}, 1, 1, finishReason="STOP") | ids,
    ]


def _chunk(part: dict[str, Any], said: int, thought: int, **more: str) -> dict[str, Any]:
    candidate = {"content": {"parts": [part], "role": "model"}, "index": 0, **more}
    counts = {"promptTokenCount": 5, "candidatesTokenCount": said, "thoughtsTokenCount": thought}
    usage = counts | {"totalTokenCount": 5 + said + thought}
    return {"candidates": [candidate], "usageMetadata": usage}


@pytest.mark.parametrize(
    "options",
    [{}, {"faults": "error-event:always"}, {"faults": "error-event@1:always"}, {"role": "off"}],
    ids=str,
)
def test_an_array_is_json_as_a_whole(options: dict[str, str]) -> None:
    found = response(ARRAY, tokens="2", **options)
    assert found.headers["content-type"] == "application/json; charset=UTF-8"
    first, *rest = found.json
    assert first["usageMetadata"]["totalTokenCount"] == 5
    assert "candidates" not in first
    assert rest


def test_a_refusal_is_a_status_and_for_an_array_a_list_of_one() -> None:
    status = {
        "error": {"code": 429, "message": "Too Many Requests.", "status": "RESOURCE_EXHAUSTED"}
    }
    assert Response(refuse(EVENTS, 429)).json == status
    assert Response(refuse(ARRAY, 429)).json == [status]
    assert Response(refuse(EVENTS, 418)).json["error"]["status"] == "FAILED_PRECONDITION"
    assert Response(refuse(EVENTS, 502, "Bad.")).json["error"] == {
        "code": 502,
        "message": "Bad.",
        "status": "INTERNAL",
    }


@pytest.mark.parametrize(
    ("method", "tokens"), [("embedContent", 1), ("batchEmbedContents", 2), ("predict", 2)]
)
@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_embeddings(provider: str, method: str, tokens: int) -> None:
    ask = Ask("m", False, tokens, operation=Operation.EMBEDDINGS, flavour=method, items=tokens)
    due, record = read_back(EMBED, provider, ask)
    assert record.status is Status.OK
    assert record.usage.input == tokens
    assert record.end_ns == due.end_ns


# -- requests ----------------------------------------------------------------------------------


def asked(path: str, query: str = "", method: str = "POST", **body: Any) -> Asked:
    return Asked(method, path, query, body=json.dumps(body).encode(), created=7)


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        (f"{PATH}:generateContent", "", "gemini"),
        (f"{PATH}:streamGenerateContent", "alt=sse", "gemini"),
        (f"{PATH}:streamGenerateContent", "key=k&alt=sse", "gemini"),
        (f"{PATH}%3AstreamGenerateContent", "alt=sse", "gemini"),
        (f"{PATH}:streamGenerateContent", "", "gemini-array"),
        (f"{PATH}:streamGenerateContent", "alt=json", "gemini-array"),
        ("/v1/models/x:generateContent", "", "gemini"),
        ("/v1/publishers/google/models/x:generateContent", "", "gemini"),
        (
            "/v1/projects/p/locations/eu/publishers/google/models/x:streamGenerateContent",
            "alt=sse",
            "gemini",
        ),
        (f"{PATH}:embedContent", "", "gemini-embed"),
        (f"{PATH}:batchEmbedContents", "", "gemini-embed"),
        (f"{PATH}:predict", "", "gemini-embed"),
        (f"{PATH}:countTokens", "", None),
        (PATH, "", None),
    ],
)
def test_its_paths(path: str, query: str, name: str | None) -> None:
    wire = wire_of(asked(path, query))
    assert (wire and wire.name) == name
    assert wire_of(asked(path, query, "GET")) is None


def test_what_is_asked() -> None:
    body = {
        "contents": [{"role": "user", "parts": [{"text": "x" * 40}, {"inlineData": {}}]}],
        "systemInstruction": {"parts": [{"text": "y" * 40}]},
        "generationConfig": {"maxOutputTokens": 3, "temperature": 1},
    }
    streamed = read(asked(f"{PATH}:streamGenerateContent", "alt=sse", **body))
    assert streamed == Ask("gemini-x", True, 20, 3, 7)
    assert read(asked(f"{PATH}:generateContent", **body)).stream is False
    bare = {"contents": [{"parts": [{"text": "x"}]}]}
    assert read(asked(f"{PATH}:generateContent", **bare)).max_tokens is None


def test_what_is_to_be_embedded() -> None:
    content = {"parts": [{"text": "x" * 8}]}
    one = read_embed(asked(f"{PATH}:embedContent", content=content))
    assert (one.prompt_tokens, one.items, one.flavour) == (2, 1, "embedContent")
    many = read_embed(asked(f"{PATH}:batchEmbedContents", requests=[{"content": content}] * 3))
    assert (many.prompt_tokens, many.items) == (6, 3)
    old = read_embed(asked(f"{PATH}:predict", instances=[{"content": "x" * 8}]))
    assert (old.prompt_tokens, old.items) == (2, 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "Invalid JSON payload"),
        (b'{"contents":1}', "Invalid JSON payload"),
        (b"{}", "Invalid JSON payload"),
        (b'{"contents":[]}', "contents is not specified"),
        (b'{"contents":[{}],"generationConfig":{"maxOutputTokens":0}}', "maxOutputTokens is 0"),
    ],
)
def test_bad_bodies_are_refused(body: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(Asked("POST", f"{PATH}:generateContent", body=body))


def test_nothing_to_embed_is_refused() -> None:
    with pytest.raises(ValueError, match="content is not specified"):
        read_embed(Asked("POST", f"{PATH}:embedContent", body=b"{}"))


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ({"x-goog-api-key": "k"}, "", "k"),
        ({}, "alt=sse&key=k", "k"),
        ({"authorization": "Bearer t"}, "", "t"),
        ({}, "alt=sse", None),
    ],
)
def test_the_key_of_a_request(headers: dict[str, str], query: str, found: str | None) -> None:
    assert key(Asked("POST", PATH, query, headers)) == found
