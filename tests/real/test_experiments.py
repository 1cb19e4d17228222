"""Experiments against llama.cpp with a real model, whose prompt cache is real."""

from __future__ import annotations

import pytest
from real_command import Command

pytestmark = pytest.mark.real


def test_an_unknown_prompt_is_the_cold_start_of_a_local_server(llama: str, lens: Command) -> None:
    ran = lens(
        *("coldstart", "llamacpp/smollm2", "Say hello.", "--base-url", llama),
        *("--idle", "0,200ms", "--repeat", "6", "--prefix-words", "400", "--max-tokens", "4"),
        *("--temperature", "0", "--quiet"),
    )
    assert ran.code == 0, ran.err
    found = ran.result
    assert {arm["requests"]["ok"] for arm in found["arms"]} == {6}
    cache = found["prompt_cache"]
    assert cache["repeated_cached_tokens"] > 0.8 * cache["input_tokens"]
    assert cache["unique_cached_tokens"] < 0.2 * cache["input_tokens"]
    assert cache["ttft_ms"]["distinct"]
    assert cache["ttft_ms"]["difference"] > 100
    assert found["parts"][0]["source"] == "prompt_cache"
    unique = next(arm for arm in found["arms"] if arm["name"] == "unique")
    told = unique["hints_ms"]["prompt_ms"]
    assert unique["metrics"]["ttft_ms"]["p50"] == pytest.approx(told, rel=0.2)
    assert "prompt cache" in found["sentence"]


def test_two_formats_of_one_server_are_compared(llama: str, lens: Command) -> None:
    host = llama.removesuffix("/v1")
    ran = lens(
        *("compare", f"chat=llamacpp/smollm2@{llama}", f"messages=anthropic/smollm2@{host}"),
        *("Tell me about bridges.", "--requests", "8", "--max-tokens", "16", "--quiet"),
    )
    assert ran.code == 0, ran.err
    chat, messages = ran.result["candidates"]
    assert (chat["requests"]["ok"], messages["requests"]["ok"]) == (8, 8)
    assert chat["tokens"]["output"] == messages["tokens"]["output"] == 8 * 16
    pair = ran.result["pairs"][0]
    assert pair["differences"]["ttft_ms_p50"]["pairs"] == 8
    assert {record["arm"] for record in ran.records} == {"chat", "messages"}


def test_where_the_time_of_a_local_server_went(llama: str, lens: Command) -> None:
    ran = lens(
        *("profile", "llamacpp/smollm2", "Tell me about bridges.", "--base-url", llama),
        *("--max-tokens", "8", "--extra-body", '{"cache_prompt": false}'),
    )
    assert ran.code == 0, ran.err
    where = ran.record["where"]
    assert where["server_source"] == "prompt_ms"
    assert where["server_until"] == "first_token"
    assert where["server_ms"] + where["network_ms"] == pytest.approx(ran.record["ttft_ms"])
    assert where["network_ms"] < 50
