"""Ranks: what is asked, and what is a sound answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import decode, get, rerank
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Operation, Prompt, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture

PROMPT = Prompt(
    ({"role": "user", "content": "capital?"},), documents=("Paris", "Rome"), max_tokens=5
)


def target(base_url: str) -> Target:
    return Target("vllm", "m", base_url, Secret("k"), operation=Operation.RERANK)


def answered(body: bytes, *, complete: bool = True) -> Record:
    headers = (("content-type", "application/json"),)
    sample = Sample("body", body, headers=headers, provider="vllm", operation=Operation.RERANK)
    return decode(capture(sample, (len(body),), complete=complete))


@pytest.mark.parametrize(
    ("build", "base_url", "url"),
    [
        (rerank.RERANK.build, "http://h:8000/v1", "http://h:8000/v1/rerank"),
        (rerank.RERANK.build, "http://h:8000/", "http://h:8000/rerank"),
        (rerank.COHERE.build, "https://api.cohere.com", "https://api.cohere.com/v2/rerank"),
        (rerank.COHERE.build, "https://api.cohere.com/v2", "https://api.cohere.com/v2/rerank"),
    ],
)
def test_where_it_goes(build: Any, base_url: str, url: str) -> None:
    request = build(target(base_url), PROMPT)
    assert request.url == url
    assert dict(request.headers)["authorization"] == "Bearer k"
    assert (request.stream, request.max_tokens) == (False, None)
    assert request.operation is Operation.RERANK


def test_what_is_asked() -> None:
    body = json.loads(rerank.build(target("http://h"), PROMPT).body)
    assert body == {"model": "m", "query": "capital?", "documents": ["Paris", "Rome"]}


def test_an_answer_has_an_end_and_no_first_token() -> None:
    record = answered(
        b'{"id":"r","model":"big","usage":{"prompt_tokens":9},"results":[{"index":0,"relevance_score":-1}]}'
    )
    assert (record.status, record.stream, record.tokens_source) == (Status.OK, False, "usage")
    assert (len(record.events), record.ttft_ns, record.e2e_ns) == (0, None, 1_000_000)
    assert (record.usage.input, record.usage.output) == (9, None)
    assert (record.response_id, record.response_model) == ("r", "big")


@pytest.mark.parametrize("name", ["vllm", "sglang", "llamacpp"])
def test_servers_that_rank(name: str) -> None:
    assert get(name).dialect(Operation.RERANK) == rerank.RERANK


SOUND = (
    b'{"results":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":7}}',
    b'[{"index":0,"score":0.5},{"index":1,"score":-1e-3}]',
    b'{"results":[{"index":3,"relevance_score":1}],"meta":{"tokens":{"input_tokens":2.0}}}',
)


@given(st.binary(max_size=200), st.sampled_from([b"", b"[", b"{"]), st.booleans())
def test_noise_never_raises(noise: bytes, begin: bytes, complete: bool) -> None:
    record = answered(begin + noise, complete=complete)
    assert (record.error is None) == (record.status is Status.OK)


@given(st.data())
def test_damage_never_raises(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(SOUND)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    record = answered(bytes(body))
    assert (record.error is None) == (record.status is Status.OK)


def test_deep_nesting_is_no_answer() -> None:
    assert answered(b"[" * 5000).status is Status.FAILED
