"""Embeddings and ranks of a real server, whose counts are held against its own tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import real_servers
from real_command import Command

pytestmark = pytest.mark.real

TEXTS = ["Hello there, what a fine day it is.", "Bye.", "The tide comes twice a day."]


def tokens(base_url: str, text: str) -> int:
    """How many tokens the server makes of a text."""
    data = json.dumps({"content": text, "add_special": True}).encode()
    url = base_url.removesuffix("/v1") + "/tokenize"
    with urlopen(Request(url, data), timeout=20) as answer:
        return len(json.load(answer)["tokens"])


def check(record: dict[str, Any]) -> None:
    """What holds for every answer in one piece."""
    assert (record["status"], record["stream"], record["events"]) == ("ok", False, [])
    assert record["marks_ms"]["first_token"] is None
    assert 0 < record["marks_ms"]["first_byte"] <= record["marks_ms"]["end"]
    assert record["usage"]["output"] is None


@pytest.mark.parametrize("body", ["{}", '{"encoding_format": "base64"}'])
def test_embeddings(lens: Command, tmp_path: Path, body: str) -> None:
    prompts = tmp_path / "inputs.jsonl"
    lines = [{"input": text} for text in TEXTS] + [{"input": TEXTS}]
    prompts.write_text("\n".join(map(json.dumps, lines)))
    with real_servers.llama(tmp_path, "mean") as base_url:
        run = ("--base-url", base_url, "--operation", "embeddings", "--extra-body", body)
        ran = lens(
            *("benchmark", "llamacpp/any", "--prompt-file", str(prompts), "--requests", "8"), *run
        )
        read = [tokens(base_url, text) for text in TEXTS]
    assert ran.code == 0, ran.err
    assert len(ran.records) == 8
    expected = [*read, sum(read)]
    for record in ran.records:
        check(record)
        assert record["usage"]["input"] == expected[record["index"] % 4]
    assert {reason["code"] for reason in ran.result["validity"]["reasons"]} <= {"few_samples"}


def test_ranks(lens: Command, tmp_path: Path) -> None:
    prompts = tmp_path / "queries.jsonl"
    prompts.write_text(json.dumps({"query": "tides", "documents": TEXTS}))
    with real_servers.llama(tmp_path, "rank") as base_url:
        run = ("--base-url", base_url, "--operation", "rerank", "--prompt-file", str(prompts))
        ran = lens("profile", "llamacpp/any", *run)
        bare = lens(
            *("profile", "llamacpp/any", *run, "--extra-body"), json.dumps({"texts": TEXTS})
        )
    assert (ran.code, bare.code) == (0, 0), ran.err + bare.err
    check(ran.record)
    check(bare.record)
    assert ran.record["usage"]["input"] > 0
    assert bare.record["usage"]["input"] is None


def test_a_server_that_only_chats_says_so(lens: Command, llama: str) -> None:
    ran = lens("profile", "llamacpp/any", "Hi", "--base-url", llama, "--operation", "rerank")
    assert ran.code != 0
    assert ran.record["error"]["http_status"] == 501
    assert "does not support reranking" in ran.record["error"]["message"]
