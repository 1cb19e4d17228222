"""llama.cpp's `/v1/messages` held against its `/v1/chat/completions`, which tells its own times."""

from __future__ import annotations

from typing import Any

import pytest
from real_command import Command
from test_llama import FRESH

pytestmark = pytest.mark.real

QUESTION = "Tell me about the moon and about the sea, please."
ROUNDS = 4


def ask(lens: Command, base_url: str, provider: str, *more: str) -> dict[str, Any]:
    ran = lens(
        *("profile", f"{provider}/smollm2", QUESTION, "--base-url", base_url, "--keep-text"),
        *("--api-key", "none", "--max-tokens", "40", *FRESH, *more),
    )
    assert ran.code == 0, ran.err
    return ran.record


def quickest(records: list[dict[str, Any]], name: str) -> float:
    """The least disturbed of a few measurements."""
    return min(float(record[name]) for record in records)


def test_both_formats_take_the_same_time(llama: str, lens: Command) -> None:
    """Asked in turn, so that what else the machine does meets both."""
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(ask(lens, llama, "llamacpp"))
        ours.append(ask(lens, llama, "anthropic"))
    for record in ours:
        assert record["usage"]["output"] == theirs[0]["usage"]["output"] == 40
        assert record["usage"]["input"] == theirs[0]["usage"]["input"]
        assert record["text"] == theirs[0]["text"]
        assert record["finish_reason"] == "max_tokens"
        assert len(record["events"]) == len(theirs[0]["events"])
    # The first token is not compared: this endpoint uses the prompt cache whatever is asked.
    assert quickest(ours, "tpot_ms") == pytest.approx(quickest(theirs, "tpot_ms"), rel=0.2)
    told = min(record["hints_ms"]["predicted_per_token_ms"] for record in theirs)
    assert quickest(ours, "tpot_ms") == pytest.approx(told, rel=0.2)


def test_the_prompt_cache_is_beside_the_input(llama: str, lens: Command) -> None:
    again = ("--extra-body", '{"cache_prompt": true}')
    first = ask(lens, llama, "anthropic", *again)
    second = ask(lens, llama, "anthropic", *again)
    assert second["usage"]["input"] == first["usage"]["input"]
    assert second["usage"]["cached_input"] == second["usage"]["input"] - 1


def test_an_error(llama: str, lens: Command) -> None:
    ran = lens(
        *("profile", "anthropic/smollm2", "word " * 9000, "--base-url", llama),
        *("--api-key", "none", "--max-tokens", "2"),
    )
    error = ran.record["error"]
    assert (error["kind"], error["http_status"]) == ("bad_request", 400)
