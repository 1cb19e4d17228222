"""OpenAI's own SDK as judge of the simulator: what it sends is what the SDK expects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real


def ask(case: str, base_url: str) -> dict[str, Any]:
    answer: dict[str, Any] = sdk_says("openai_client.py", case, base_url)
    return answer


def test_an_answer_in_one_piece(simulate: Simulate) -> None:
    answer = ask("whole", simulate(ttft="5ms", gap="1ms", tokens="12").base_url)
    (choice,) = answer["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["completion_tokens"] == 12
    assert usage["total_tokens"] == usage["prompt_tokens"] + 12


def test_a_stream(simulate: Simulate) -> None:
    answer = ask("streamed", simulate(ttft="5ms", gap="1ms", tokens="12").base_url)
    (choice,) = answer["choices"]
    deltas = [delta for delta in answer["deltas"] if delta]
    assert len(deltas) == 12
    assert choice["message"]["content"] == "".join(deltas)
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 12


def test_every_chunk(simulate: Simulate) -> None:
    options = {"ttft": "5ms", "gap": "1ms", "tokens": "12", "reasoning": "5"}
    found = ask("chunks", simulate(**options).base_url)["chunks"]
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in found}) == 1
    assert [chunk["choices"] == [] for chunk in found].index(True) == len(found) - 1
    deltas = [chunk["choices"][0]["delta"] for chunk in found[:-1]]
    assert deltas[0]["role"] == "assistant"
    assert sum(bool(delta.get("reasoning_content")) for delta in deltas) == 5
    assert found[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


def test_tool_calls(simulate: Simulate) -> None:
    answer = ask("tools", simulate(ttft="5ms", gap="1ms", tokens="16", tool_calls="2").base_url)
    (choice,) = answer["choices"]
    calls = choice["message"]["tool_calls"]
    assert len(calls) == 2
    assert len({call["id"] for call in calls}) == 2
    for call in calls:
        assert call["type"] == "function"
        assert isinstance(json.loads(call["function"]["arguments"]), dict)
    assert choice["finish_reason"] == "tool_calls"


def test_embeddings(simulate: Simulate) -> None:
    answer = ask("embeddings", simulate(ttft="5ms").base_url)
    coded, listed = answer["coded"], answer["listed"]
    assert [item["index"] for item in listed["data"]] == [0, 1]
    for one, other in zip(coded["data"], listed["data"], strict=True):
        assert len(other["embedding"]) == 8
        assert one["embedding"] == pytest.approx(other["embedding"])
    assert coded["usage"] == listed["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


def test_models(simulate: Simulate) -> None:
    assert ask("models", simulate(model="tiny").base_url) == {"models": ["tiny"]}


@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [
        ("429=2s:#0", "RateLimitError", 429),
        ("500:#0", "InternalServerError", 500),
        ("401:#0", "AuthenticationError", 401),
    ],
)
def test_refusals(simulate: Simulate, fault: str, raised: str, status: int) -> None:
    answer = ask("chunks", simulate(faults=fault).base_url)
    assert (answer["raised"], answer["status"]) == (raised, status)
    assert answer["message"]
    assert answer["retry_after"] == ("2" if status == 429 else None)


def test_an_error_inside_a_stream(simulate: Simulate) -> None:
    options = {"ttft": "5ms", "gap": "1ms", "faults": "error-event@3:#0"}
    answer = ask("chunks", simulate(**options).base_url)
    assert answer["raised"] == "APIError"
    assert answer["message"]
