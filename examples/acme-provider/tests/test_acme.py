"""The decoder does what every decoder must do."""

from __future__ import annotations

import json
from pathlib import Path

from latency_lens_acme import ACME, build, decode

from llm_latency_lens.request import Prompt, Secret, Target
from llm_latency_lens.testing.conformance import check_decoder, load_samples


def test_samples() -> None:
    check_decoder(decode, load_samples(Path(__file__).with_name("samples.jsonl")))


def test_request() -> None:
    target = Target("acme", "acme-1", ACME.base_url, Secret("key"), max_tokens=7)
    request = build(target, Prompt.of("Say hello"))
    assert request.url == "https://api.acme.example/v1/generate"
    assert dict(request.headers)["authorization"] == "Bearer key"
    assert json.loads(request.body) == {
        "engine": "acme-1",
        "input": "Say hello",
        "stream": True,
        "limit": 7,
    }
