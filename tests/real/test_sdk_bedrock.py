"""AWS's own SDK as judge of the simulator: what it sends is what the SDK expects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

from llm_latency_lens.providers.bedrock_invoke import build
from llm_latency_lens.request import Prompt, Target
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}
METRICS = "amazon-bedrock-invocationMetrics"


def ask(case: str, base_url: str, *more: str) -> Any:
    return sdk_says("sdk_bedrock.py", case, base_url.removesuffix("/v1"), *more)


def test_an_answer_in_one_piece(simulate: Simulate) -> None:
    answer = ask("whole", simulate(**QUICK, tokens="12", reasoning="3").base_url)
    thought, text = answer["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["text"]
    assert text["text"]
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["outputTokens"] == 15
    assert answer["metrics"]["latencyMs"] > 0
    assert answer["ResponseMetadata"] == "00000000-0000-4000-8000-000000000000"


def test_every_event(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    names = [name for one in found for name in one]
    assert names == [
        "messageStart",
        *(["contentBlockDelta"] * 6 + ["contentBlockStop"]),
        *(["contentBlockDelta"] * 12 + ["contentBlockStop"]),
        *("messageStop", "metadata"),
    ]
    deltas = [one["contentBlockDelta"]["delta"] for one in found if "contentBlockDelta" in one]
    assert all(delta["reasoningContent"]["text"] for delta in deltas[:5])
    assert deltas[5]["reasoningContent"]["signature"]
    assert all(delta["text"] for delta in deltas[6:])
    assert found[-1]["metadata"]["usage"]["outputTokens"] == 17


def test_hidden_reasoning(simulate: Simulate) -> None:
    options = {**QUICK, "tokens": "1", "reasoning": "5", "reasoning_hidden": "yes"}
    found = ask("events", simulate(**options).base_url)
    delta = found[1]["contentBlockDelta"]["delta"]
    assert delta == {"reasoningContent": {"redactedContent": "19 bytes"}}


def test_tool_calls(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    starts = [one["contentBlockStart"] for one in found if "contentBlockStart" in one]
    assert [one["start"]["toolUse"]["name"] for one in starts] == ["take_note"] * 2
    given: dict[int, str] = {}
    for one in found:
        if event := one.get("contentBlockDelta"):
            index = event["contentBlockIndex"]
            given[index] = given.get(index, "") + event["delta"]["toolUse"]["input"]
    assert [list(json.loads(one)) for one in given.values()] == [["text"]] * 2
    whole = ask("whole", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    assert len(whole["output"]["message"]["content"]) == 2
    assert whole["stopReason"] == "tool_use"


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("429=2s:#0", "ThrottlingException", 429),
        ("503:#0", "ServiceUnavailableException", 503),
        ("500:#0", "InternalServerException", 500),
        ("403:#0", "AccessDeniedException", 403),
        ("424:#0", "ModelErrorException", 424),
    ],
)
@pytest.mark.parametrize("case", ["whole", "events"])
def test_refusals(simulate: Simulate, case: str, fault: str, code: str, status: int) -> None:
    answer = ask(case, simulate(faults=fault).base_url)
    assert (answer["raised"]["Code"], answer["status"]) == (code, status)
    assert answer["raised"]["Message"]


def test_an_exception_inside_a_stream(simulate: Simulate) -> None:
    base_url = simulate(**QUICK, faults="error-event@3:always").base_url
    last = ask("events", base_url)[-1]
    assert last["raised"]["Code"] == "internalServerException"
    assert last["raised"]["Message"]
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})
    last = ask("chunks", base_url, "amazon.nova-micro-v1:0", body)[-1]
    assert last["raised"]["Code"] == "internalServerException"


MODELS = {
    "us.anthropic.claude-sonnet-4-6": ("type", "content_block_delta"),
    "amazon.nova-lite-v1:0": ("contentBlockDelta", None),
    "amazon.titan-text-express-v1": ("outputText", None),
    "meta.llama3-8b-instruct-v1:0": ("generation", None),
    "mistral.mistral-7b-instruct-v0:2": ("outputs", None),
    "mistral.mistral-large-2407-v1:0": ("choices", None),
    "cohere.command-r-v1:0": ("event_type", "text-generation"),
    "cohere.command-text-v14": ("text", None),
    "ai21.jamba-1-5-mini-v1:0": ("choices", None),
    "us.deepseek.r1-v1:0": ("choices", None),
    "openai.gpt-oss-20b-1:0": ("choices", None),
    "qwen.qwen3-32b-v1:0": ("choices", None),
}


@pytest.mark.parametrize("model", MODELS)
def test_what_we_ask_of_each_vendor_and_what_is_answered(simulate: Simulate, model: str) -> None:
    target = Target("bedrock-invoke", model, "http://h", max_tokens=99)
    body = build(target, Prompt.of("Hi")).body.decode()
    base_url = simulate(**QUICK, tokens="6").base_url
    found = ask("chunks", base_url, model, body)
    name, value = MODELS[model]
    assert any(name in one and value in (None, one[name]) for one in found)
    assert found[-1][METRICS]["outputTokenCount"] == 6
    whole, counts = ask("invoked", base_url, model, body)
    assert whole
    assert counts["x-amzn-bedrock-output-token-count"] == "6"


def test_anthropics_own_client(simulate: Simulate) -> None:
    pieces, reason, output = ask("anthropic", simulate(**QUICK, tokens="6").base_url)
    assert (len(pieces), reason, output) == (6, "end_turn", 6)


def test_the_simulator_knows_who_signed() -> None:
    config = SimConfig.from_options(**QUICK)
    with start_simulator(config, api_key="AKSIM") as simulator:
        assert ask("whole", simulator.base_url)["stopReason"] == "end_turn"
    with start_simulator(config, api_key="AKOTHER") as simulator:
        assert ask("whole", simulator.base_url)["raised"]["Code"] == "UnrecognizedClientException"
