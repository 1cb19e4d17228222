"""Ollama's own API: what is sent, and what the last line tells."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import PROVIDERS
from llm_latency_lens.providers import decode as decode_any
from llm_latency_lens.providers.ollama_chat import build, decode
from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation, Prompt, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

SAMPLES = load_samples(Path(__file__).parents[1] / "conformance/ollama.jsonl")
target = partial(Target, provider="ollama", model="llama3.2", base_url="http://127.0.0.1:11434")
HI = Prompt.of("Hi")


def sample(name: str) -> Sample:
    return next(one for one in SAMPLES if one.name == name)


def test_a_whole_request() -> None:
    request = build(target(max_tokens=7, temperature=0.5, api_key=Secret("k")), HI)
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:11434/api/chat")
    headers = dict(request.headers)
    assert (headers["authorization"], headers["accept"]) == ("Bearer k", "application/x-ndjson")
    assert json.loads(request.body) == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "options": {"num_predict": 7, "temperature": 0.5},
    }


def test_without_options() -> None:
    request = build(target(stream=False), HI)
    assert json.loads(request.body) == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
    }


@pytest.mark.parametrize(
    ("extra", "options"),
    [
        ({"options": {"num_ctx": 64}}, {"num_predict": 7, "num_ctx": 64}),
        ({"options": {"num_predict": 9}}, {"num_predict": 9}),
        ({"options": {"num_predict": None, "seed": 1}}, {"seed": 1}),
        ({"options": None}, None),
        ({"keep_alive": 0}, {"num_predict": 7}),
    ],
)
def test_options_of_the_user_are_added(extra: dict[str, Any], options: Any) -> None:
    request = build(target(max_tokens=7, extra_body=extra), HI)
    assert json.loads(request.body).get("options") == options


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h:1/", "http://h:1/api/chat"),
        ("http://h:1/api", "http://h:1/api/chat"),
        ("https://ollama.com", "https://ollama.com/api/chat"),
        ("http://h:1/api/chat", "http://h:1/api/chat"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert build(target(base_url=base), HI).url == url


def test_the_row() -> None:
    row = PROVIDERS["ollama"]
    assert (row.key_env, row.base_url_env) == (("OLLAMA_API_KEY",), ("OLLAMA_HOST",))
    assert not row.needs_key


def test_durations_are_hints_in_milliseconds() -> None:
    one = sample("ollama-plain")
    record = decode(capture(one, (len(one.body),)))
    assert record.hints_ms == {
        "total_ms": 2500.0,
        "load_ms": 1000.0,
        "prompt_eval_ms": 500.0,
        "eval_ms": 900.0,
    }
    assert record.response_model == "llama3.2"


def test_durations_that_cannot_be_are_left_out() -> None:
    one = sample("ollama-numbers")
    assert decode(capture(one, (len(one.body),))).hints_ms == {}


def test_thinking_was_seen() -> None:
    one = sample("ollama-thinking")
    assert decode(capture(one, (len(one.body),))).reasoning_streamed


def test_a_document_is_no_stream() -> None:
    one = sample("ollama-document-for-a-stream")
    assert not decode(capture(one, (len(one.body),))).stream


def test_what_follows_the_last_line_is_not_read() -> None:
    one = sample("ollama-plain")
    timeline = capture(one, (len(one.body),))
    timeline.add(9_000_000, b'{"message":{"content":"late"},"done":false}\n{"error":"late"}\n')
    record = decode(timeline)
    assert record.status is Status.OK
    assert record.events.text == ["Hi", " you"]
    assert record.end_ns == 1_000_000


def test_texts_are_embedded() -> None:
    row = PROVIDERS["ollama"].dialect(Operation.EMBEDDINGS)
    request = row.build(target(operation=Operation.EMBEDDINGS), HI)
    assert request.url == "http://127.0.0.1:11434/api/embed"
    assert json.loads(request.body) == {"model": "llama3.2", "input": ["Hi"]}


def test_embedding_has_its_durations() -> None:
    one = sample("ollama-embed")
    record = decode_any(capture(one, (len(one.body),)))
    assert record.hints_ms == {"total_ms": 14.143917, "load_ms": 1.0195}
    assert (record.tokens_source, record.response_model) == ("usage", "all-minilm")


@given(st.data())
def test_damaged_answers_never_raise(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(SAMPLES))
    body = bytearray(one.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    noisy = replace(one, body=bytes(body))
    record = decode_any(capture(noisy, (len(body),), complete=data.draw(st.booleans())))
    assert (record.error is None) == (record.status is Status.OK)


@pytest.mark.parametrize("arguments", ["[]", '"text"', "12", "null", '{"a":[1,{"b":"\\ud800"}]}'])
def test_arguments_of_any_type(arguments: str) -> None:
    line = '{"message":{"tool_calls":[{"function":{"name":"f","arguments":%s}}]},"done":true}\n'
    one = Sample("call", (line % arguments).encode(), headers=())
    record = decode(capture(one, (len(one.body),)))
    assert record.status is Status.OK
    said = {'"text"': ["text"], '{"a":[1,{"b":"\\ud800"}]}': ['{"a":[1,{"b":"\ufffd"}]}']}
    assert record.events.text == said.get(arguments, [])
