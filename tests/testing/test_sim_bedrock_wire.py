"""Converse's frames: read back by botocore and by the format's own decoder, they are the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from aws_judge import authorization
from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.credentials.sigv4 import Keys, sign
from llm_latency_lens.providers.bedrock_converse import build
from llm_latency_lens.record import Status
from llm_latency_lens.request import Prompt, Secret, Target
from llm_latency_lens.testing.bedrock_wire import WIRE, read
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.script import Script
from llm_latency_lens.testing.wire import Ask, Asked, answer, planned, refuse
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("m", prompt_tokens=5)
WHOLE = Ask("m", stream=False, prompt_tokens=5)
PATH = "/model/us.anthropic.claude-3-haiku-v1%3A0/converse-stream"


def answered(ask: Ask = ASK, **options: str) -> Script:
    config = SimConfig.from_options(**options)
    return answer(WIRE, config, planned(config, 0, ask), ask)


def events(script: Script) -> list[tuple[str, dict[str, Any]]]:
    """(type, payload without its padding) of each frame, as botocore reads it."""
    buffer = EventStreamBuffer()
    buffer.add_data(Response(script).body)
    found = []
    for message in buffer:
        told = message.headers
        kind = told.get(":event-type") or told[":exception-type"]
        assert told[":content-type"] == "application/json"
        payload = json.loads(message.payload)
        assert (len(payload.pop("p", "")) > 0) is (told[":message-type"] == "event")
        found.append((kind, payload))
    return found


def test_a_stream() -> None:
    script = answered(tokens="2", ttft="20ms", gap="1ms")
    assert events(script) == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " the"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " answer"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        (
            "metadata",
            {
                "metrics": {"latencyMs": 21},
                "usage": {
                    "inputTokens": 5,
                    "outputTokens": 2,
                    "totalTokens": 7,
                    "cacheReadInputTokens": 0,
                    "cacheWriteInputTokens": 0,
                },
            },
        ),
    ]
    assert [entry[0][0] for entry in script.entries] == [False, True, True, False]
    headers = Response(script).headers
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    assert headers["x-amzn-requestid"] == "00000000-0000-4000-8000-000000000000"


def told(script: Script) -> list[str]:
    """What each frame brings, in a word, and the index of its block."""
    short = []
    for kind, payload in events(script):
        brings = payload.get("delta") or payload.get("start") or {}
        word = next(iter(brings.get("reasoningContent") or brings), kind)
        short.append(f"{word} {payload.get('contentBlockIndex', '')}".strip())
    return short


def test_reasoning_is_signed_before_the_answer_begins() -> None:
    assert told(answered(reasoning="1", tokens="1"))[1:-2] == [
        *("text 0", "signature 0", "contentBlockStop 0", "text 1", "contentBlockStop 1"),
    ]


def test_reasoning_that_is_not_shown_is_redacted() -> None:
    script = answered(reasoning="3", reasoning_hidden="yes", tokens="1")
    assert told(script)[1:4] == ["redactedContent 0", "contentBlockStop 0", "text 1"]
    whole = Response(answered(WHOLE, reasoning="3", reasoning_hidden="yes", tokens="1")).json
    thought, text = whole["output"]["message"]["content"]
    assert list(thought["reasoningContent"]) == ["redactedContent"]
    assert text == {"text": " the"}


def test_calls_are_blocks_with_a_start() -> None:
    script = answered(tool_calls="2", tokens="2")
    assert told(script)[1:-2] == [
        *("toolUse 0", "toolUse 0", "toolUse 0", "contentBlockStop 0"),
        *("toolUse 1", "toolUse 1", "toolUse 1", "contentBlockStop 1"),
    ]
    deltas = [payload["delta"] for _, payload in events(script) if "delta" in payload]
    assert [one["toolUse"]["input"] for one in deltas] == [
        *("", '{"text":"the"}', "", '{"text":"answer"}')
    ]


def test_a_document() -> None:
    found = Response(answered(WHOLE, tokens="2", reasoning="1")).json
    thought, text = found["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["text"] == " the"
    assert text == {"text": " answer is"}
    assert (found["stopReason"], found["usage"]["totalTokens"]) == ("end_turn", 8)
    called = Response(answered(WHOLE, tool_calls="1", tokens="2")).json
    (tool,) = called["output"]["message"]["content"]
    assert tool["toolUse"]["input"] == {"text": "the answer"}
    assert called["stopReason"] == "tool_use"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (401, "UnrecognizedClientException"),
        (403, "AccessDeniedException"),
        (422, "ValidationException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_refusals(status: int, name: str) -> None:
    response = Response(refuse(WIRE, status))
    assert response.status == status
    assert response.headers["x-amzn-errortype"].startswith(f"{name}:http://")
    assert list(response.json) == ["message"]
    assert response.json["message"]
    assert Response(refuse(WIRE, status, "No")).json == {"message": "No"}


# -- read back by the decoder -----------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_decoder_reads_the_plan(shape: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, "bedrock", Ask("m", stream), **shape)
    assert record.finish_reason == ("tool_use" if "tool_calls" in shape else "end_turn")
    assert record.hints_ms["latency_ms"] > 0
    assert record.headers["x-amzn-requestid"]


def test_an_answer_of_hidden_reasoning_alone() -> None:
    options = {"reasoning": "5", "reasoning_hidden": "yes"}
    _, record = read_back(WIRE, "bedrock", Ask("m", max_tokens=3), **options)
    assert (record.status, record.finish_reason, len(record.events)) == ("ok", "max_tokens", 0)
    assert record.usage.output == 3


@pytest.mark.parametrize("fault", BROKEN)
def test_the_decoder_sees_each_fault(fault: str) -> None:
    _, record = read_back(WIRE, "bedrock", Ask("m"), faults=f"{fault}:always")
    assert record.status is Status.FAILED
    assert len(record.events) == {"malformed@2": 6, "endless": 6}.get(fault, 2 * ("@" in fault))
    assert record.error is not None
    if fault == "error-event@2":
        assert record.error.provider_code == "internalServerException"
    if fault == "500":
        assert record.error.provider_code == "InternalServerException"


def test_the_decoder_needs_no_metadata_and_believes_the_usage() -> None:
    _, record = read_back(WIRE, "bedrock", Ask("m"), faults="no-done:always")
    assert (record.status, record.usage.output) == (Status.OK, None)
    _, record = read_back(WIRE, "bedrock", Ask("m"), faults="wrong-usage=3:always")
    assert record.usage.output == 18


# -- requests ---------------------------------------------------------------------------------


def asked(path: str = PATH, **body: Any) -> Ask:
    messages = [{"role": "user", "content": [{"text": "x" * 40}]}]
    data = json.dumps({"messages": messages} | body).encode()
    return read(Asked("POST", path, body=data, created=7))


def test_requests() -> None:
    model = "us.anthropic.claude-3-haiku-v1:0"
    assert asked() == Ask(model, True, 10, None, 7)
    assert asked(inferenceConfig={"maxTokens": 9}).max_tokens == 9
    assert asked(inferenceConfig=1).max_tokens is None
    assert asked(system=[{"text": "x" * 40}]).prompt_tokens == 20
    whole = asked("/prefix/model/arn%3Aaws%3Ax%2Fy/converse")
    assert (whole.model, whole.stream) == ("arn:aws:x/y", False)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "Malformed input request"),
        (b"[]", "expected type: JSONObject"),
        (b'{"messages":"x"}', "must start with a user message"),
        (b'{"messages":[1]}', "must start with a user message"),
        (b'{"messages":[{}],"inferenceConfig":{"maxTokens":0}}', "requested, 0, is not a number"),
    ],
)
def test_bad_bodies_are_refused(body: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read(Asked("POST", PATH, body=body))


def test_its_paths() -> None:
    assert wire_of(Asked("POST", PATH)) is WIRE
    assert wire_of(Asked("POST", "/x/model/m/converse")) is WIRE
    for path in ("/model/m", "/model/m/other", "/model/a/b/converse"):
        assert not WIRE.match(Asked("POST", path))
    assert not WIRE.match(Asked("GET", PATH))


# -- who asks ---------------------------------------------------------------------------------


def test_its_key_is_that_of_the_signature_which_botocore_would_make() -> None:
    to = Target("bedrock", "a.b-v1:0", "http://127.0.0.1:8080", region="eu-west-1")
    keys = Keys("AKSIM", "secret", "token")
    at_ns = 1_700_000_000 * SECOND_NS
    signed = sign(build(to, Prompt.of("Hi")), keys, "eu-west-1", "bedrock", at_ns)
    headers = dict(signed.headers)
    assert WIRE.key(Asked("POST", PATH, headers=headers)) == "AKSIM"
    assert headers["authorization"] == authorization(signed, keys, "eu-west-1")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "Basic x",
        "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/s3/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
        "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders=x-amz-date, Signature={'0' * 64}",
    ],
)
def test_what_is_no_signature_is_no_key(wrong: str) -> None:
    assert WIRE.key(Asked("POST", PATH, headers={"authorization": wrong})) is None


def test_a_bearer_token_is_a_key() -> None:
    to = Target("bedrock", "m", "http://h", api_key=Secret("k"))
    headers = dict(build(to, Prompt.of("Hi")).headers)
    assert WIRE.key(Asked("POST", PATH, headers=headers)) == "k"
