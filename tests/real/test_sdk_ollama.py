"""Ollama's own SDK as judge of the simulator: what it sends is what the SDK expects."""

from __future__ import annotations

from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

pytestmark = pytest.mark.real

QUICK = {"ttft": "5ms", "gap": "1ms"}


def ask(case: str, base_url: str) -> Any:
    return sdk_says("sdk_ollama.py", case, base_url.removesuffix("/v1"))


def test_an_answer_in_one_piece(simulate: Simulate) -> None:
    answer = ask("whole", simulate(**QUICK, tokens="12", reasoning="3").base_url)
    assert answer["message"]["role"] == "assistant"
    assert answer["message"]["content"]
    assert answer["message"]["thinking"]
    assert (answer["done"], answer["done_reason"]) == (True, "stop")
    assert answer["eval_count"] == 15
    assert answer["total_duration"] > answer["prompt_eval_duration"] > 0


def test_every_line(simulate: Simulate) -> None:
    *told, last = ask("lines", simulate(**QUICK, tokens="12", reasoning="5").base_url)
    assert [bool(line["message"]["thinking"]) for line in told] == [True] * 5 + [False] * 12
    assert all(line["message"]["content"] for line in told[5:])
    assert not any(line["done"] for line in told)
    assert (last["done"], last["eval_count"]) == (True, 17)
    assert last["created_at"]


def test_tool_calls(simulate: Simulate) -> None:
    *told, _ = ask("lines", simulate(**QUICK, tokens="4", tool_calls="2").base_url)
    calls = [call["function"] for line in told for call in line["message"]["tool_calls"]]
    assert [call["name"] for call in calls] == ["take_note"] * 4
    assert all(isinstance(call["arguments"], dict) for call in calls)


def test_a_limit(simulate: Simulate) -> None:
    answer = ask("limited", simulate(**QUICK, tokens="12").base_url)
    assert (answer["done_reason"], answer["eval_count"]) == ("length", 3)


def test_embeddings(simulate: Simulate) -> None:
    answer = ask("embed", simulate(**QUICK).base_url)
    assert (answer["embeddings"], answer["prompt_eval_count"]) == ([256, 256], 2)


@pytest.mark.parametrize(
    ("fault", "status"), [("429=2s:#0", 429), ("500:#0", 500), ("401:#0", 401)]
)
@pytest.mark.parametrize("case", ["whole", "lines"])
def test_refusals(simulate: Simulate, case: str, fault: str, status: int) -> None:
    answer = ask(case, simulate(faults=fault).base_url)
    assert answer["status"] == status
    assert answer["raised"]


def test_an_error_inside_a_stream(simulate: Simulate) -> None:
    answer = ask("begun", simulate(**QUICK, faults="error-event@3:#0").base_url)
    assert answer["lines"] == 3
    assert "while running the model" in answer["raised"]
