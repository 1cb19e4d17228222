"""Anthropic's own SDK as judge of the simulator: what it sends is what the SDK expects."""

from __future__ import annotations

from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}


def ask(case: str, base_url: str) -> Any:
    return sdk_says("sdk_anthropic.py", case, base_url.removesuffix("/v1"))


def test_an_answer_in_one_piece(simulate: Simulate) -> None:
    answer = ask("whole", simulate(**QUICK, tokens="12", reasoning="3").base_url)
    thinking, text = answer["content"]
    assert (thinking["type"], text["type"]) == ("thinking", "text")
    assert thinking["thinking"]
    assert thinking["signature"]
    assert text["text"]
    assert answer["stop_reason"] == "end_turn"
    assert answer["usage"]["output_tokens"] == 15
    assert answer["usage"]["output_tokens_details"] == {"thinking_tokens": 3}


def test_a_stream(simulate: Simulate) -> None:
    answer = ask("streamed", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    thinking, text = answer["content"]
    assert len(answer["pieces"]) == 12
    assert text["text"] == "".join(answer["pieces"])
    assert len(thinking["thinking"].split()) == 5
    assert thinking["signature"]
    assert answer["stop_reason"] == "end_turn"
    assert answer["usage"]["output_tokens"] == 17
    assert answer["usage"]["input_tokens"] == 1


def test_every_event(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    assert [name.removeprefix("Raw").removesuffix("Event") for name, _ in found] == [
        "MessageStart",
        *("ContentBlockStart", *["ContentBlockDelta"] * 6, "ContentBlockStop"),
        *("ContentBlockStart", *["ContentBlockDelta"] * 12, "ContentBlockStop"),
        *("MessageDelta", "MessageStop"),
    ]
    deltas = [event["delta"]["type"] for name, event in found if "BlockDelta" in name]
    assert deltas == ["thinking_delta"] * 5 + ["signature_delta"] + ["text_delta"] * 12


def test_thinking_that_is_not_shown(simulate: Simulate) -> None:
    hidden = {"reasoning": "7", "reasoning_hidden": "yes"}
    answer = ask("streamed", simulate(**QUICK, **hidden, tokens="3").base_url)
    assert [block["type"] for block in answer["content"]] == ["thinking", "text"]
    assert answer["content"][0]["thinking"] == ""
    assert answer["usage"]["output_tokens_details"] == {"thinking_tokens": 7}


def test_tool_calls(simulate: Simulate) -> None:
    options = {**QUICK, "tokens": "16", "tool_calls": "2"}
    answer = ask("tools", simulate(**options).base_url)
    calls = answer["content"]
    assert [call["type"] for call in calls] == ["tool_use"] * 2
    assert len({call["id"] for call in calls}) == 2
    assert all(call["name"] == "take_note" and call["input"]["text"] for call in calls)
    assert len([piece for piece in answer["inputs"] if piece]) == 16
    assert answer["stop_reason"] == "tool_use"
    whole = ask("whole", simulate(**options).base_url)
    assert [call["input"] for call in whole["content"]] == [call["input"] for call in calls]


@pytest.mark.parametrize(
    ("fault", "raised", "status", "kind"),
    [
        ("429=2s:#0", "RateLimitError", 429, "rate_limit_error"),
        ("500:#0", "InternalServerError", 500, "api_error"),
        ("401:#0", "AuthenticationError", 401, "authentication_error"),
        ("529:#0", "OverloadedError", 529, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("case", ["whole", "events"])
def test_refusals(  # noqa: PLR0917
    simulate: Simulate, case: str, fault: str, raised: str, status: int, kind: str
) -> None:
    answer = ask(case, simulate(faults=fault).base_url)
    assert (answer["raised"], answer["status"]) == (raised, status)
    assert answer["body"]["error"]["type"] == kind
    assert answer["request_id"] == "req_sim"
    assert answer["retry_after"] == ("2" if status == 429 else None)


def test_a_refusal_is_retried(simulate: Simulate) -> None:
    assert ask("retried", simulate(**QUICK, faults="429=1s:#0").base_url) == "end_turn"


def test_an_error_inside_a_stream(simulate: Simulate) -> None:
    answer = ask("events", simulate(**QUICK, faults="error-event@3:#0").base_url)
    assert answer["raised"] in ("APIStatusError", "OverloadedError")
    assert answer["body"]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
