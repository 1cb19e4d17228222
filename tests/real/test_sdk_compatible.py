"""SDKs of services that speak OpenAI's chat completions, as judges of the simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}
both = pytest.mark.parametrize("sdk", ["mistral", "groq"])


def ask(sdk: str, case: str, base_url: str) -> Any:
    return sdk_says("sdk_compatible.py", sdk, case, base_url.removesuffix("/v1"))


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


@both
def test_an_answer_in_one_piece(simulate: Simulate, sdk: str) -> None:
    answer = ask(sdk, "whole", simulate(**QUICK, tokens="12").base_url)
    (choice,) = answer["choices"]
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 12


@both
def test_every_chunk(simulate: Simulate, sdk: str) -> None:
    options = {**QUICK, "tokens": "12", "reasoning": "5", "reasoning_field": "reasoning"}
    found = ask(sdk, "chunks", simulate(**options).base_url)
    carried = deltas(found)
    assert carried[0]["role"] == "assistant"
    assert sum(bool(delta.get("content")) for delta in carried) == 12
    assert found[-1]["choices"][0]["finish_reason"] == "stop"
    if sdk == "groq":
        assert sum(bool(delta.get("reasoning")) for delta in carried) == 5


@both
def test_tool_calls(simulate: Simulate, sdk: str) -> None:
    answer = ask(sdk, "whole", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    (choice,) = answer["choices"]
    texts = [call["function"]["arguments"] for call in choice["message"]["tool_calls"]]
    assert [isinstance(json.loads(text), dict) for text in texts] == [True, True]
    assert choice["finish_reason"] == "tool_calls"


def test_tool_calls_in_pieces(simulate: Simulate) -> None:
    """Not with Mistral's SDK, which wants the name with every piece: Mistral sends calls whole."""
    found = ask("groq", "chunks", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    calls: dict[int, str] = {}
    for delta in deltas(found):
        for call in delta.get("tool_calls") or ():
            begun = calls.get(call["index"], "")
            calls[call["index"]] = begun + (call["function"]["arguments"] or "")
    assert [isinstance(json.loads(text), dict) for text in calls.values()] == [True, True]
    assert found[-1]["choices"][0]["finish_reason"] == "tool_calls"


@both
@pytest.mark.parametrize(("fault", "status"), [("429=2s", 429), ("500", 500), ("401", 401)])
def test_refusals(simulate: Simulate, sdk: str, fault: str, status: int) -> None:
    answer = ask(sdk, "chunks", simulate(faults=f"{fault}:always").base_url)
    assert answer["status"] == status
    assert answer["message"]
    assert answer["retry_after"] == ("2" if status == 429 else None)


def test_an_error_inside_a_stream(simulate: Simulate) -> None:
    faults = {**QUICK, "faults": "error-event@3:always"}
    answer = ask("groq", "chunks", simulate(**faults).base_url)
    assert answer["raised"] == "APIError"
    assert answer["message"]


def test_embeddings(simulate: Simulate) -> None:
    answer = ask("mistral", "embeddings", simulate(ttft="5ms").base_url)
    assert [len(item["embedding"]) for item in answer["data"]] == [256, 256]
    assert answer["usage"]["prompt_tokens"] == 2
