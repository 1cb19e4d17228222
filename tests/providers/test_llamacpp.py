"""llama.cpp's own API: what is sent, and what its last event tells."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import PROVIDERS
from llm_latency_lens.providers.llamacpp_completion import build, decode
from llm_latency_lens.record import Status
from llm_latency_lens.request import Prompt, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

SAMPLES = load_samples(Path(__file__).parents[1] / "conformance/llamacpp.jsonl")
target = partial(Target, provider="llamacpp-native", model="m", base_url="http://h:8080")


def test_a_whole_request() -> None:
    said = Prompt(({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}))
    request = build(target(max_tokens=7, temperature=0.5, api_key=Secret("k")), said)
    assert (request.method, request.url) == ("POST", "http://h:8080/completion")
    assert dict(request.headers)["authorization"] == "Bearer k"
    assert json.loads(request.body) == {
        "model": "m",
        "prompt": "Be brief.\nHi",
        "stream": True,
        "n_predict": 7,
        "temperature": 0.5,
    }


def test_without_a_stream() -> None:
    request = build(target(stream=False), Prompt.of("Hi"))
    assert json.loads(request.body) == {"model": "m", "prompt": "Hi", "stream": False}


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h:1/", "http://h:1/completion"),
        ("http://h:1/v1", "http://h:1/completion"),
        ("http://h:1/v1/?a=b", "http://h:1/completion?a=b"),
        ("http://h:1/completion", "http://h:1/completion"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert build(target(base_url=base), Prompt.of("Hi")).url == url


def test_the_row() -> None:
    row = PROVIDERS["llamacpp-native"]
    assert (row.base_url, row.needs_key) == ("http://127.0.0.1:8080", False)


def sample(name: str) -> Sample:
    return next(one for one in SAMPLES if one.name == name)


def test_timings_are_hints() -> None:
    one = sample("llama-plain")
    record = decode(capture(one, (len(one.body),)))
    assert record.hints_ms == {
        "prompt_ms": 28.804,
        "prompt_per_token_ms": 4.8,
        "predicted_ms": 18.5,
        "predicted_per_token_ms": 9.25,
    }
    assert record.response_model == "a-model.gguf"


def test_timings_of_an_older_server() -> None:
    one = sample("llama-old")
    record = decode(capture(one, (len(one.body),)))
    assert record.hints_ms == {"prompt_ms": 28.8}
    assert record.usage.cached_input is None


def test_a_document_is_no_stream() -> None:
    one = sample("llama-document-for-a-stream")
    assert not decode(capture(one, (len(one.body),))).stream


@given(st.data())
def test_damaged_answers_never_raise(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(SAMPLES))
    body = bytearray(one.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    noisy = Sample("noise", bytes(body), status=one.status, headers=one.headers)
    record = decode(capture(noisy, (len(body),), complete=data.draw(st.booleans())))
    assert (record.error is None) == (record.status is Status.OK)
