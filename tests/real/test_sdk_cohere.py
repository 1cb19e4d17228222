"""Cohere's own SDK as judge of the simulator: what it sends is what the SDK expects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}


def ask(case: str, base_url: str) -> Any:
    return sdk_says("sdk_cohere.py", case, base_url.removesuffix("/v1"))


def test_an_answer_in_one_piece(simulate: Simulate) -> None:
    answer = ask("whole", simulate(**QUICK, tokens="12", reasoning="3").base_url)
    thinking, text = answer["message"]["content"]
    assert (thinking["type"], text["type"]) == ("thinking", "text")
    assert thinking["thinking"]
    assert text["text"]
    assert answer["finish_reason"] == "COMPLETE"
    assert answer["usage"]["tokens"]["output_tokens"] == 15
    assert answer["usage"]["billed_units"]["output_tokens"] == 15


def test_every_event(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    names = [name.removesuffix("V2ChatStreamResponse") for name, _ in found]
    assert names == [
        "MessageStart",
        *("ContentStart", *["ContentDelta"] * 5, "ContentEnd"),
        *("ContentStart", *["ContentDelta"] * 12, "ContentEnd"),
        "MessageEnd",
    ]
    deltas = [one["delta"]["message"]["content"] for name, one in found if "ContentDelta" in name]
    assert all(delta["thinking"] for delta in deltas[:5])
    assert all(delta["text"] for delta in deltas[5:])
    end = found[-1][1]["delta"]
    assert end["finish_reason"] == "COMPLETE"
    assert end["usage"]["tokens"]["output_tokens"] == 17


def test_tool_calls(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    arguments: dict[int, str] = {}
    for name, one in found:
        if name.startswith("ToolCallStart"):
            call = one["delta"]["message"]["tool_calls"]
            assert call["function"]["name"] == "take_note"
            arguments[one["index"]] = ""
        elif name.startswith("ToolCallDelta"):
            piece = one["delta"]["message"]["tool_calls"]["function"]["arguments"]
            arguments[one["index"]] += piece
    assert sorted(arguments) == [0, 1]
    assert all(isinstance(json.loads(one), dict) for one in arguments.values())
    whole = ask("whole", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    assert len(whole["message"]["tool_calls"]) == 2
    assert whole["finish_reason"] == "TOOL_CALL"


def test_embeddings(simulate: Simulate) -> None:
    sizes, name = ask("embed", simulate(**QUICK).base_url)
    assert sizes == [256, 256]
    assert name


@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [
        ("429=2s:#0", "TooManyRequestsError", 429),
        ("500:#0", "InternalServerError", 500),
        ("401:#0", "UnauthorizedError", 401),
    ],
)
@pytest.mark.parametrize("case", ["whole", "events"])
def test_refusals(simulate: Simulate, case: str, fault: str, raised: str, status: int) -> None:
    answer = ask(case, simulate(faults=fault).base_url)
    assert (answer["raised"], answer["status"]) == (raised, status)
    assert answer["body"]["message"]
    assert answer["retry_after"] == ("2" if status == 429 else None)


def test_a_refusal_is_retried(simulate: Simulate) -> None:
    assert ask("retried", simulate(**QUICK, faults="429=1s:#0").base_url) == "COMPLETE"


def test_an_error_inside_a_stream(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, faults="error-event@3:#0").base_url)
    end = found[-1][1]["delta"]
    assert (end["finish_reason"], end["error"]) == ("ERROR", "internal server error")
