"""Embeddings: what is asked, and what is a sound answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import decode, embeddings, get
from llm_latency_lens.providers.one_piece import is_number, vectors_problem
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Operation, Prompt, Request, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture
from llm_latency_lens.timeline import ErrorKind, Stage

TARGET = Target(
    "openai", "m", "https://api.openai.com/v1", Secret("k"), operation=Operation.EMBEDDINGS
)
JSON = (("content-type", "application/json"),)


def asked(prompt: Prompt, target: Target = TARGET) -> tuple[Request, Any]:
    request = embeddings.build(target, prompt)
    return request, json.loads(request.body)


def answered(body: bytes, *, complete: bool = True) -> Record:
    sample = Sample("body", body, headers=JSON, operation=Operation.EMBEDDINGS)
    return decode(capture(sample, (len(body),), complete=complete))


def test_one_text_is_asked_for_as_a_text() -> None:
    request, body = asked(Prompt.of("Hello"))
    assert request.url == "https://api.openai.com/v1/embeddings"
    assert body == {"model": "m", "input": "Hello"}
    headers = dict(request.headers)
    assert (headers["authorization"], headers["accept"]) == ("Bearer k", "application/json")
    assert request.operation is Operation.EMBEDDINGS


def test_several_texts_are_asked_for_as_a_list() -> None:
    prompt = Prompt(({"role": "user", "content": "a\nb"},), documents=("a", "b"), tag="two")
    request, body = asked(prompt)
    assert body["input"] == ["a", "b"]
    assert request.tag == "two"


def test_nothing_streams_and_nothing_is_limited() -> None:
    target = Target("openai", "m", "http://h/v1", max_tokens=9, extra_body={"dimensions": 8})
    request, body = asked(Prompt((), max_tokens=5), target)
    assert (request.stream, request.max_tokens) == (False, None)
    assert body == {"model": "m", "input": "", "dimensions": 8}


def test_an_answer_has_an_end_and_no_first_token() -> None:
    record = answered(
        b'{"id":"e","model":"big","data":[{"embedding":[1,2]}],"usage":{"prompt_tokens":3}}'
    )
    assert (record.status, record.stream) == (Status.OK, False)
    assert (len(record.events), record.ttft_ns, record.e2e_ns) == (0, None, 1_000_000)
    assert (record.usage.input, record.usage.output) == (3, None)
    assert record.tokens_source == "usage"
    assert (record.response_id, record.response_model) == ("e", "big")


def test_where_nobody_counted_the_source_is_not_the_server() -> None:
    assert answered(b'{"data":[{"embedding":[1]}]}').tokens_source == "events"


def test_the_end_is_the_read_that_completed_the_document() -> None:
    sample = Sample("late", b'{"data":[{"embedding":[1]}]}\n \n', headers=JSON)
    timeline = capture(sample, (10, 28, 29, 31))
    timeline.operation = Operation.EMBEDDINGS
    assert decode(timeline).end_ns == timeline.at[1]


def test_a_whole_document_is_whole_even_if_the_connection_breaks_after_it() -> None:
    assert answered(b'{"data":[{"embedding":[1]}]}', complete=False).status is Status.OK


@pytest.mark.parametrize(
    ("status", "body", "kind", "stage"),
    [
        (429, b"{}", ErrorKind.RATE_LIMIT, Stage.WAIT),
        (200, b'{"error":{"message":"no","type":"server_error"}}', ErrorKind.SERVER, Stage.STREAM),
        (200, b'{"data":null}', ErrorKind.PROTOCOL, Stage.DECODE),
    ],
)
def test_failures(status: int, body: bytes, kind: ErrorKind, stage: Stage) -> None:
    sample = Sample("no", body, status=status, headers=JSON, operation=Operation.EMBEDDINGS)
    record = decode(capture(sample, (len(body),)))
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (kind, stage)


@pytest.mark.parametrize("name", ["openai", "vllm", "sglang", "llamacpp", "lmstudio"])
def test_servers_that_embed(name: str) -> None:
    assert get(name).dialect(Operation.EMBEDDINGS) == embeddings.EMBEDDINGS


# -- vectors ----------------------------------------------------------------------------------

NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63)


@given(st.lists(NUMBER, min_size=1))
def test_finite_numbers_are_a_vector(numbers: list[float]) -> None:
    assert vectors_problem([numbers]) is None
    assert vectors_problem([numbers, [numbers, numbers]]) is None


@given(
    st.lists(NUMBER, max_size=5),
    st.sampled_from([float("nan"), float("inf"), None, "0.5", {}, [], 10**400]),
    st.lists(NUMBER, max_size=5),
)
def test_one_that_is_no_finite_number_spoils_a_vector(
    before: list[Any], odd: Any, after: list[Any]
) -> None:
    problem = "embedding 2 of the answer is no list of finite numbers"
    assert vectors_problem([[1], [*before, odd, *after]]) == problem


@pytest.mark.parametrize("vector", [None, {}, 5, True, [], [[]], [[[1]]], [1, [1]], "", "abc", "é"])
def test_what_is_no_vector(vector: Any) -> None:
    assert vectors_problem([vector]) is not None


def test_some_vectors_there_must_be() -> None:
    assert vectors_problem([]) == "a JSON document without embeddings came as the answer"
    assert vectors_problem(["AAAA"]) is None


@pytest.mark.parametrize(
    ("value", "number"), [(1, True), (0.5, True), (True, False), (None, False), (10**400, False)]
)
def test_numbers(value: Any, number: bool) -> None:
    assert is_number(value) is number


# -- whatever comes ---------------------------------------------------------------------------

SOUND = (
    b'{"data":[{"embedding":[0.5,-1e-3],"index":0},{"embedding":"AAAA"}],'
    b'"usage":{"prompt_tokens":7}}'
)


@given(st.binary(max_size=200), st.booleans())
def test_noise_never_raises(body: bytes, complete: bool) -> None:
    record = answered(body, complete=complete)
    assert (record.error is None) == (record.status is Status.OK)


@given(st.data())
def test_damage_never_raises(data: st.DataObject) -> None:
    body = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    record = answered(bytes(body))
    assert (record.error is None) == (record.status is Status.OK)


@pytest.mark.parametrize("body", [b"[" * 5000, b'{"data":[{"embedding":' + b"[" * 5000])
def test_deep_nesting_is_no_answer(body: bytes) -> None:
    assert answered(body).status is Status.FAILED
