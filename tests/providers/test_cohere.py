"""Cohere's Chat v2: what is sent, and what an answer's corners come to."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.providers import PROVIDERS
from llm_latency_lens.providers import decode as decode_any
from llm_latency_lens.providers.cohere_chat import build, decode
from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation, Prompt, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

SAMPLES = load_samples(Path(__file__).parents[1] / "conformance/cohere.jsonl")
target = partial(
    Target, provider="cohere", model="command-a-03-2025", base_url="https://api.cohere.com"
)
HI = Prompt.of("Hi")


def test_a_whole_request() -> None:
    request = build(target(max_tokens=7, temperature=0.5, api_key=Secret("k")), HI)
    assert (request.method, request.url) == ("POST", "https://api.cohere.com/v2/chat")
    headers = dict(request.headers)
    assert (headers["authorization"], headers["accept"]) == ("Bearer k", "text/event-stream")
    assert json.loads(request.body) == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "max_tokens": 7,
        "temperature": 0.5,
    }


def test_without_a_stream_and_without_limits() -> None:
    request = build(target(stream=False, extra_body={"safety_mode": "OFF"}), HI)
    assert json.loads(request.body) == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
        "safety_mode": "OFF",
    }
    assert "authorization" not in dict(request.headers)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.cohere.com/", "https://api.cohere.com/v2/chat"),
        ("https://api.cohere.com/v2", "https://api.cohere.com/v2/chat"),
        ("http://h:1/prefix", "http://h:1/prefix/v2/chat"),
        ("http://h:1/v2/chat", "http://h:1/v2/chat"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert build(target(base_url=base), HI).url == url


def test_the_row() -> None:
    row = PROVIDERS["cohere"]
    assert row.key_env == ("CO_API_KEY", "COHERE_API_KEY")
    assert row.base_url_env == ("CO_API_URL",)
    assert row.needs_key


def sample(name: str) -> Sample:
    return next(one for one in SAMPLES if one.name == name)


def record_of(one: Sample) -> Any:
    return decode(capture(one, (len(one.body),)))


def test_the_response_id_and_no_model() -> None:
    record = record_of(sample("cohere-plain"))
    assert (record.response_id, record.response_model) == ("c1", None)
    assert record.tokens_source == "usage"


def test_thinking_was_seen_where_there_is_a_plan() -> None:
    assert record_of(sample("cohere-tool-plan")).reasoning_streamed


def test_a_document_is_no_stream() -> None:
    assert not record_of(sample("cohere-document-for-a-stream")).stream
    assert record_of(sample("cohere-plain")).stream


def test_the_end_is_that_of_the_last_event_or_of_done() -> None:
    whole = sample("cohere-plain")
    record = decode(capture(whole, range(1, len(whole.body) + 1)))
    assert record.end_ns == 1_000_000 * (len(whole.body) - 2)
    short = sample("cohere-no-done")
    record = decode(capture(short, range(1, len(short.body) + 1)))
    assert record.end_ns == 1_000_000 * (len(short.body) - 2)


def test_a_denied_word() -> None:
    body = b'{"data": "a word"}'
    record = record_of(Sample("denied", body, status=498, headers=()))
    assert record.error.kind == "content_filter"
    assert record.error.message == "HTTP 498, no message"


def test_texts_are_embedded() -> None:
    aim = target(operation=Operation.EMBEDDINGS, extra_body={"input_type": "search_query"})
    row = PROVIDERS["cohere"].dialect(Operation.EMBEDDINGS)
    request = row.build(aim, Prompt((), documents=("a", "b")))
    assert request.url == "https://api.cohere.com/v2/embed"
    assert json.loads(request.body) == {
        "model": "command-a-03-2025",
        "texts": ["a", "b"],
        "input_type": "search_query",
        "embedding_types": ["float"],
    }
    assert (request.stream, request.operation) == (False, Operation.EMBEDDINGS)


def test_documents_are_ranked() -> None:
    row = PROVIDERS["cohere"].dialect(Operation.RERANK)
    request = row.build(target(operation=Operation.RERANK), Prompt(HI.messages, documents=("a",)))
    assert request.url == "https://api.cohere.com/v2/rerank"


@given(st.data())
def test_damaged_answers_never_raise(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(SAMPLES))
    body = bytearray(one.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    noisy = replace(one, body=bytes(body))
    record = decode_any(capture(noisy, (len(body),)))
    assert (record.error is None) == (record.status is Status.OK)


@settings(max_examples=30)  # each value goes to fifteen places
@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=4), st.lists))
def test_any_value_in_any_place_is_read(value: Any) -> None:
    try:
        given_json = json.dumps(value).encode()
    except ValueError:
        return
    for name in ("cohere-plain", "cohere-tool-plan", "cohere-document-tools"):
        one = sample(name)
        for old in (b'"Hi"', b'{"message":', b'"tokens":', b'"arguments":"{}"', b'"usage":'):
            body = one.body.replace(old, old.split(b":")[0] + b":" + given_json + b',"x":')
            noisy = Sample("odd", body, headers=one.headers, stream=one.stream)
            record = decode(capture(noisy, (len(body),)))
            assert (record.error is None) == (record.status is Status.OK)
