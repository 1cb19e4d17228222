"""The same question to llama.cpp in each of its formats: one model, so one count and one text."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from real_command import Command
from test_llama import FRESH, agrees, check, told

pytestmark = pytest.mark.real

QUESTION = "Name the colours of a rainbow, one on each line."
TOKENS = 12


def templated(origin: str) -> str:
    """The question as the server itself puts it before the model."""
    connection = HTTPConnection(origin.removeprefix("http://"), timeout=20)
    body = json.dumps({"messages": [{"role": "user", "content": QUESTION}]})
    connection.request("POST", "/apply-template", body)
    prompt: str = json.loads(connection.getresponse().read())["prompt"]
    connection.close()
    return prompt


def asked(lens: Command, base_url: str, provider: str, *more: str) -> dict[str, Any]:
    """The record of one answer."""
    prompt = templated(base_url.removesuffix("/v1")) if provider == "llamacpp-native" else QUESTION
    ran = lens(
        *("profile", f"{provider}/smollm2", prompt, "--base-url", base_url, "--keep-text"),
        *("--api-key", "none", "--max-tokens", str(TOKENS), *FRESH, *more),
    )
    assert ran.code == 0, ran.err
    return ran.record


@pytest.mark.parametrize("how", [(), ("--no-stream",)], ids=["streamed", "whole"])
def test_all_formats_count_and_say_the_same(
    llama: str, lens: Command, how: tuple[str, ...]
) -> None:
    found = {
        provider: asked(lens, llama, provider, *how)
        for provider in ("llamacpp", "llamacpp-native", "anthropic", "openai-responses")
    }
    usage = {name: record["usage"] for name, record in found.items()}
    assert {one["output"] for one in usage.values()} == {TOKENS}
    assert len({one["input"] for one in usage.values()}) == 1, usage
    assert len({record["text"] for record in found.values()}) == 1
    assert all(record["stream"] is not bool(how) for record in found.values())
    if not how:
        events = {name: len(record["events"]) for name, record in found.items()}
        assert len(set(events.values())) == 1, events


def test_its_own_format_agrees_with_its_timings(llama: str, lens: Command, tmp_path: Path) -> None:
    pairs = []
    for number in range(3):
        folder = tmp_path / f"run-{number}"
        record = asked(lens, llama, "llamacpp-native", "--run-dir", str(folder))
        (theirs,) = told(folder).values()
        check(record, theirs)
        pairs.append((record, theirs))
        for name in ("prompt_ms", "predicted_ms", "predicted_per_token_ms"):
            assert record["hints_ms"][name] == theirs[name]
    assert sum(agrees(*pair) for pair in pairs) >= 2, pairs


def test_the_prompt_cache_is_seen_in_its_own_format(llama: str, lens: Command) -> None:
    again = ("--extra-body", '{"cache_prompt": true}')
    asked(lens, llama, "llamacpp-native", *again)
    record = asked(lens, llama, "llamacpp-native", *again)
    assert record["usage"]["cached_input"] == record["usage"]["input"] - 1


def test_errors_in_its_own_format(llama: str, lens: Command) -> None:
    ran = lens(
        *("profile", "llamacpp-native/smollm2", "word " * 9000, "--base-url", llama),
        *("--max-tokens", "2"),
    )
    error = ran.record["error"]
    assert (error["kind"], error["http_status"]) == ("bad_request", 400)
    assert error["provider_code"] == "exceed_context_size_error"
