"""Google's own SDK as judge of the simulator: what it sends is what the SDK expects."""

from __future__ import annotations

from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}
APIS = pytest.mark.parametrize("api", ["gemini", "vertex"])


def ask(api: str, case: str, base_url: str) -> Any:
    return sdk_says("sdk_google.py", api, case, base_url.removesuffix("/v1"))


def parts_of(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    (candidate,) = chunk["candidates"]
    parts: list[dict[str, Any]] = candidate["content"]["parts"]
    return parts


@APIS
def test_an_answer_in_one_piece(simulate: Simulate, api: str) -> None:
    answer = ask(api, "whole", simulate(**QUICK, tokens="12", reasoning="3").base_url)
    thought, text = parts_of(answer)
    assert thought["thought"] is True
    assert "thought" not in text
    assert text["text"]
    assert answer["candidates"][0]["finish_reason"] == "STOP"
    assert answer["model_version"] == "gemini-sim"
    usage = answer["usage_metadata"]
    assert (usage["candidates_token_count"], usage["thoughts_token_count"]) == (12, 3)
    assert usage["total_token_count"] == usage["prompt_token_count"] + 15


@APIS
def test_every_chunk(simulate: Simulate, api: str) -> None:
    found = ask(api, "chunks", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    assert len(found) == 18
    parts = [part for chunk in found for part in parts_of(chunk)]
    assert [part.get("thought", False) for part in parts] == [True] * 5 + [False] * 13
    assert all(part["text"] for part in parts[:-1])
    assert len({chunk["response_id"] for chunk in found}) == 1
    reasons = [chunk["candidates"][0].get("finish_reason") for chunk in found]
    assert reasons == [None] * 17 + ["STOP"]
    assert found[-1]["usage_metadata"]["candidates_token_count"] == 12


@APIS
def test_calls(simulate: Simulate, api: str) -> None:
    options = {**QUICK, "tokens": "4", "tool_calls": "2"}
    found = ask(api, "chunks", simulate(**options).base_url)
    calls = [part["function_call"] for chunk in found[:-1] for part in parts_of(chunk)]
    assert [call["name"] for call in calls] == ["take_note"] * 4
    assert all(call["args"]["text"] for call in calls)
    (first, second) = parts_of(ask(api, "whole", simulate(**options).base_url))
    assert first["function_call"]["args"] != second["function_call"]["args"]


@APIS
def test_embeddings(simulate: Simulate, api: str) -> None:
    assert ask(api, "embed", simulate(**QUICK).base_url) == [256, 256]
    assert ask("vertex", "embed_old", simulate(**QUICK).base_url) == [1, 1]


@APIS
@pytest.mark.parametrize("case", ["whole", "chunks"])
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("429=2s:#0", ("ClientError", 429, "RESOURCE_EXHAUSTED", "2")),
        ("500:#0", ("ServerError", 500, "INTERNAL", None)),
        ("403:#0", ("ClientError", 403, "PERMISSION_DENIED", None)),
    ],
)
def test_refusals(
    simulate: Simulate, api: str, case: str, fault: str, raised: tuple[Any, ...]
) -> None:
    answer = ask(api, case, simulate(faults=fault).base_url)
    assert answer.pop("message")
    assert tuple(answer.values()) == raised


def test_a_refusal_is_retried(simulate: Simulate) -> None:
    answer = ask("gemini", "retried", simulate(**QUICK, faults="429=1s:#0").base_url)
    assert answer["candidates"][0]["finish_reason"] == "STOP"


@APIS
def test_an_error_inside_a_stream(simulate: Simulate, api: str) -> None:
    answer = ask(api, "chunks", simulate(**QUICK, faults="error-event@3:#0").base_url)
    assert (answer["raised"], answer["status"], answer["word"]) == ("ServerError", 500, "INTERNAL")
