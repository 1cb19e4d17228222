"""OpenAI's own SDK as judge of the simulator: Responses, and chats by its client for Azure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}


def ask(case: str, base_url: str) -> Any:
    address = base_url.removesuffix("/v1") if case.startswith("azure") else base_url
    return sdk_says("sdk_responses.py", case, address)


def test_an_answer_in_one_piece(simulate: Simulate) -> None:
    answer = ask("whole", simulate(**QUICK, tokens="12", reasoning="3").base_url)
    assert (answer["object"], answer["status"]) == ("response", "completed")
    thought, said = answer["output"]
    assert thought["summary"][0]["text"]
    assert said["content"][0]["text"] == answer["said"] != ""
    assert answer["usage"]["output_tokens"] == 15
    assert answer["usage"]["output_tokens_details"]["reasoning_tokens"] == 3


def test_a_stream_as_the_sdk_puts_it_together(simulate: Simulate) -> None:
    answer = ask("streamed", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    assert answer["seen"].count("response.output_text.delta") == 12
    assert answer["seen"].count("response.reasoning_summary_text.delta") == 5
    assert (answer["seen"][0], answer["seen"][-1]) == ("response.created", "response.completed")
    assert answer["said"] == answer["output"][1]["content"][0]["text"] != ""
    assert answer["usage"]["output_tokens"] == 17


def test_every_event_has_a_type_that_the_sdk_knows(simulate: Simulate) -> None:
    found = ask("events", simulate(**QUICK, tokens="4", reasoning="2").base_url)
    assert [name for name, _ in found] == [
        *("ResponseCreatedEvent", "ResponseInProgressEvent"),
        *("ResponseOutputItemAddedEvent", "ResponseReasoningSummaryPartAddedEvent"),
        *["ResponseReasoningSummaryTextDeltaEvent"] * 2,
        *("ResponseReasoningSummaryTextDoneEvent", "ResponseReasoningSummaryPartDoneEvent"),
        *("ResponseOutputItemDoneEvent", "ResponseOutputItemAddedEvent"),
        *("ResponseContentPartAddedEvent", *["ResponseTextDeltaEvent"] * 4),
        *("ResponseTextDoneEvent", "ResponseContentPartDoneEvent", "ResponseOutputItemDoneEvent"),
        "ResponseCompletedEvent",
    ]
    numbers = [event["sequence_number"] for _, event in found]
    assert numbers == list(range(len(found)))


def test_tool_calls(simulate: Simulate) -> None:
    answer = ask("streamed", simulate(**QUICK, tokens="16", tool_calls="2").base_url)
    assert len(answer["output"]) == 2
    assert len({call["call_id"] for call in answer["output"]}) == 2
    for call in answer["output"]:
        assert (call["type"], call["name"]) == ("function_call", "take_note")
        assert isinstance(json.loads(call["arguments"]), dict)


@pytest.mark.parametrize("case", ["events", "azure-chunks"])
@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [
        ("429=2s", "RateLimitError", 429),
        ("500", "InternalServerError", 500),
        ("401", "AuthenticationError", 401),
    ],
)
def test_refusals(simulate: Simulate, case: str, fault: str, raised: str, status: int) -> None:
    answer = ask(case, simulate(faults=f"{fault}:always").base_url)
    assert (answer["raised"], answer["status"]) == (raised, status)
    assert answer["message"]
    assert answer["retry_after"] == ("2" if status == 429 else None)


@pytest.mark.parametrize("case", ["events", "azure-chunks"])
def test_an_error_inside_a_stream(simulate: Simulate, case: str) -> None:
    answer = ask(case, simulate(**QUICK, faults="error-event@3:always").base_url)
    assert answer["raised"] == "APIError"
    assert "had an error" in answer["message"]


def test_azures_client_asks_by_deployment(simulate: Simulate) -> None:
    simulator = simulate(**QUICK, tokens="12")
    answer = ask("azure-whole", simulator.base_url)
    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == "my-gpt"
    first, *chunks = ask("azure-chunks", simulator.base_url)
    assert (first["choices"], first["id"]) == ([], "")
    assert first["prompt_filter_results"]
    texts = [one["choices"][0]["delta"]["content"] for one in chunks if one["choices"]]
    assert len([text for text in texts if text]) == 12
    assert chunks[-1]["usage"]["completion_tokens"] == 12


def test_azures_newer_address_with_a_token(simulate: Simulate) -> None:
    answer = ask("azure-token", simulate(**QUICK, tokens="12").base_url)
    assert answer["usage"]["completion_tokens"] == 12
