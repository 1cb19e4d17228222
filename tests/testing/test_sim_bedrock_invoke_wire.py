"""InvokeModel's chunks of every vendor: read back by the format's decoder, they are the plan."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from wire_responses import BROKEN, SHAPES, Response, check_reads_back, read_back

from llm_latency_lens.providers.bedrock_invoke import build
from llm_latency_lens.record import EventKind, Status
from llm_latency_lens.request import Prompt, Target
from llm_latency_lens.testing.bedrock_invoke_wire import WIRE, read
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.plan import words
from llm_latency_lens.testing.script import Script
from llm_latency_lens.testing.wire import Ask, Asked, answer, planned
from llm_latency_lens.testing.wires import wire_of

METRICS = "amazon-bedrock-invocationMetrics"
PATH = "/model/us.amazon.nova-micro-v1%3A0/invoke-with-response-stream"
CHATS = ("anthropic", "nova", "mistral", "jamba", "deepseek", "openai", "qwen")
"""Vendors whose models think or call."""
TEXTS = ("titan", "llama", "mistral-text", "deepseek-r1", "command-r", "command")


def ask(vendor: str, **members: Any) -> Ask:
    return Ask("m", prompt_tokens=5, flavour=vendor, **members)


def answered(vendor: str, *, stream: bool = True, **options: str) -> Script:
    config, asks = SimConfig.from_options(**options), ask(vendor, stream=stream)
    return answer(WIRE, config, planned(config, 0, asks), asks)


def objects(script: Script) -> list[dict[str, Any]]:
    """What stands in each chunk, as botocore reads the frames."""
    buffer = EventStreamBuffer()
    buffer.add_data(Response(script).body)
    found = []
    for message in buffer:
        assert message.headers[":event-type"] == "chunk"
        payload = json.loads(message.payload)
        assert payload["p"]
        found.append(json.loads(base64.b64decode(payload["bytes"])))
    return found


@pytest.mark.parametrize("vendor", [*CHATS, *TEXTS])
def test_the_last_object_has_bedrocks_own_counts(vendor: str) -> None:
    *others, last = objects(answered(vendor, tokens="2", ttft="20ms", gap="1ms"))
    assert last[METRICS] == {
        "inputTokenCount": 5,
        "outputTokenCount": 2,
        "invocationLatency": 21,
        "firstByteLatency": 20,
    }
    assert not any(METRICS in one for one in others)


@pytest.mark.parametrize(
    ("vendor", "wanted"),
    [
        ("nova", {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": " the"}}}),
        (
            "anthropic",
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": " the"},
            },
        ),
        ("mistral-text", {"outputs": [{"text": " the", "stop_reason": None}]}),
        (
            "mistral",
            {
                "choices": [{"index": 0, "message": {"content": " the"}, "stop_reason": None}],
                "model": "m",
            },
        ),
        (
            "llama",
            {
                "generation": " the",
                "prompt_token_count": None,
                "generation_token_count": None,
                "stop_reason": None,
            },
        ),
    ],
)
def test_a_piece_of_text(vendor: str, wanted: dict[str, Any]) -> None:
    assert wanted in objects(answered(vendor, tokens="1"))


def test_open_models_of_openai_think_between_tags() -> None:
    found = objects(answered("openai", tokens="1", reasoning="1"))
    assert found[1]["choices"][0]["delta"] == {"content": "<reasoning> the</reasoning>"}
    whole = Response(answered("openai", stream=False, tokens="1", reasoning="1")).json
    message = whole["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "<reasoning> the</reasoning> answer"}


def test_headers_of_a_document() -> None:
    headers = Response(answered("llama", stream=False, tokens="2", ttft="20ms", gap="1ms")).headers
    assert {name: value for name, value in headers.items() if name.startswith("x-amzn")} == {
        "x-amzn-requestid": "00000000-0000-4000-8000-000000000000",
        "x-amzn-bedrock-input-token-count": "5",
        "x-amzn-bedrock-output-token-count": "2",
        "x-amzn-bedrock-invocation-latency": "21",
    }
    streamed = Response(answered("llama")).headers
    assert streamed["x-amzn-bedrock-content-type"] == "application/json"


# -- read back by the decoder -----------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("vendor", CHATS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_decoder_reads_the_plan(shape: dict[str, str], vendor: str, stream: bool) -> None:
    record = check_reads_back(WIRE, "bedrock-invoke", ask(vendor, stream=stream), **shape)
    assert record.finish_reason
    assert record.hints_ms


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("vendor", TEXTS)
def test_the_decoder_reads_a_text(vendor: str, stream: bool) -> None:
    check_reads_back(WIRE, "bedrock-invoke", ask(vendor, stream=stream))
    due, record = read_back(WIRE, "bedrock-invoke", ask(vendor, stream=stream), reasoning="2")
    assert set(record.events.kind) == {EventKind.TEXT}
    assert "".join(record.events.text) == "".join(words(due))


@pytest.mark.parametrize("vendor", ["anthropic", "nova", "llama", "qwen"])
@pytest.mark.parametrize("fault", BROKEN)
def test_the_decoder_sees_each_fault(fault: str, vendor: str) -> None:
    _, record = read_back(WIRE, "bedrock-invoke", ask(vendor), faults=f"{fault}:always")
    assert record.status is Status.FAILED
    assert len(record.events) == {"malformed@2": 6, "endless": 6}.get(fault, 2 * ("@" in fault))
    if fault == "error-event@2":
        assert record.error is not None
        assert record.error.provider_code == "internalServerException"


@pytest.mark.parametrize("vendor", ["anthropic", "nova", "titan", "command-r", "qwen"])
def test_the_decoder_needs_no_counts_and_believes_those_that_come(vendor: str) -> None:
    _, record = read_back(WIRE, "bedrock-invoke", ask(vendor), faults="no-done:always")
    assert record.status is Status.OK
    _, record = read_back(WIRE, "bedrock-invoke", ask(vendor), faults="wrong-usage=3:always")
    assert record.usage.output == 18


def test_an_endless_answer_goes_on_in_the_vendors_words() -> None:
    for vendor in (*CHATS, *TEXTS):
        script = answered(vendor, faults="endless:always", tokens="1")
        assert b"chunk" in script.repeat


# -- requests ---------------------------------------------------------------------------------

MODELS = {
    "anthropic": "us.anthropic.claude-sonnet-4-6",
    "nova": "amazon.nova-lite-v1:0",
    "titan": "amazon.titan-text-express-v1",
    "llama": "meta.llama3-8b-instruct-v1:0",
    "mistral-text": "mistral.mistral-7b-instruct-v0:2",
    "mistral": "mistral.mistral-large-2407-v1:0",
    "command-r": "cohere.command-r-v1:0",
    "command": "cohere.command-text-v14",
    "jamba": "ai21.jamba-1-5-mini-v1:0",
    "deepseek-r1": "us.deepseek.r1-v1:0",
    "deepseek": "deepseek.v3-v1:0",
    "openai": "openai.gpt-oss-20b-1:0",
    "qwen": "qwen.qwen3-32b-v1:0",
}


@pytest.mark.parametrize("vendor", [*CHATS, *TEXTS])
def test_what_we_ask_is_what_it_reads(vendor: str) -> None:
    model = MODELS[vendor]
    to = Target("bedrock-invoke", model, "http://h", max_tokens=9)
    asked = build(to, Prompt.of("x" * 400))
    found = read(Asked("POST", asked.url.removeprefix("http://h"), body=asked.body))
    assert (found.model, found.flavour, found.max_tokens, found.stream) == (model, vendor, 9, True)
    assert 100 <= found.prompt_tokens < 140  # some put a template around it


def test_vendor_of_a_model_whose_name_hides_it() -> None:
    messages = [{"role": "user", "content": "x"}]

    def vendor(**body: Any) -> str:
        data = json.dumps({"messages": messages, **body}).encode()
        return read(Asked("POST", "/model/profile/invoke", body=data)).flavour

    assert vendor(anthropic_version="bedrock-2023-05-31") == "anthropic"
    assert vendor() == "qwen"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "Malformed input request"),
        (b"{}", r"required key \[messages\] not found"),
        (b'{"prompt":"x","max_gen_len":"9"}', "9, is not a number from 1"),
        (b'{"inputText":"x","textGenerationConfig":{"maxTokenCount":-1}}', "-1, is not a number"),
    ],
)
def test_bad_bodies_are_refused(body: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read(Asked("POST", PATH, body=body))


def test_its_paths() -> None:
    assert wire_of(Asked("POST", PATH)) is WIRE
    assert wire_of(Asked("POST", "/model/m/invoke")) is WIRE
    assert not WIRE.match(Asked("POST", "/model/m/converse"))
