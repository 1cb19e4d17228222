"""Embeddings and ranks as they are sent: what the decoders and OpenAI's types make of them."""

from __future__ import annotations

import json
from array import array
from base64 import b64decode
from typing import Any

import pytest
from wire_responses import Response, read_back

from llm_latency_lens.record import Status
from llm_latency_lens.request import Operation
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.embeddings_wire import (
    COHERE_RERANK,
    EMBEDDINGS,
    RERANK,
    WIRES,
    read_embeddings,
    read_rerank,
)
from llm_latency_lens.testing.plan import plan
from llm_latency_lens.testing.wire import Ask, Asked, Wire, answer, refuse
from llm_latency_lens.testing.wires import wire_of
from llm_latency_lens.timeline import ErrorKind, Stage

MS = 1_000_000


def embed(**body: Any) -> Ask:
    body = {"model": "m", "input": "x" * 40} | body
    return read_embeddings(Asked("POST", "/v1/embeddings", body=json.dumps(body).encode()))


def rank(**body: Any) -> Ask:
    body = {"model": "m", "query": "x" * 8, "documents": ["y" * 8, "z" * 32]} | body
    return read_rerank(Asked("POST", "/v1/rerank", body=json.dumps(body).encode()))


def sent(wire: Wire, ask: Ask, index: int = 0) -> Any:
    config = SimConfig()
    return Response(
        answer(wire, config, plan(config, index, prompt_tokens=ask.prompt_tokens), ask)
    ).json


def test_embeddings_are_as_openai_has_them() -> None:
    document = sent(EMBEDDINGS, embed(dimensions=3, input=["one", "two"]))
    numbers = [0.05259194, 0.05683109, 0.008820]
    assert document == {
        "id": "embd-sim-00000000",
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": document["data"][0]["embedding"]},
            {"object": "embedding", "index": 1, "embedding": document["data"][0]["embedding"]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    assert document["data"][0]["embedding"] == pytest.approx(numbers, abs=1e-8)


def test_base64_holds_the_same_numbers() -> None:
    (listed,) = sent(EMBEDDINGS, embed(dimensions=5))["data"]
    (coded,) = sent(EMBEDDINGS, embed(dimensions=5, encoding_format="base64"))["data"]
    assert list(array("f", b64decode(coded["embedding"]))) == pytest.approx(listed["embedding"])


def test_a_vector_has_256_numbers_unless_asked_otherwise() -> None:
    (item,) = sent(EMBEDDINGS, embed())["data"]
    assert len(item["embedding"]) == 256


@pytest.mark.parametrize(
    ("value", "items", "tokens"),
    [
        ("x" * 40, 1, 10),
        (["x" * 40, "x" * 4], 2, 11),
        ([5, 6, 7], 1, 3),
        ([[5, 6, 7], [8]], 2, 4),
    ],
)
def test_inputs(value: Any, items: int, tokens: int) -> None:
    ask = embed(input=value)
    assert (ask.items, ask.prompt_tokens) == (items, tokens)
    assert (ask.operation, ask.stream) == (Operation.EMBEDDINGS, False)


def test_ranks_come_best_first() -> None:
    assert sent(RERANK, rank()) == {
        "id": "rerank-sim-00000000",
        "model": "m",
        "usage": {"prompt_tokens": 14, "total_tokens": 14},
        "results": [
            {"index": 0, "relevance_score": 1.0},
            {"index": 1, "relevance_score": 0.5},
        ],
    }
    order = [result["index"] for result in sent(RERANK, rank(), index=1)["results"]]
    assert order == [1, 0]
    assert len(sent(RERANK, rank(top_n=1))["results"]) == 1


def test_text_embeddings_inference_gets_a_bare_list() -> None:
    ask = rank(documents=None, texts=["a", "b"])
    assert sent(RERANK, ask) == [{"index": 0, "score": 1.0}, {"index": 1, "score": 0.5}]


def test_cohere_counts_searches() -> None:
    document = sent(COHERE_RERANK, rank(documents=[{"text": "y" * 8}]))
    assert document["meta"]["billed_units"] == {"search_units": 1}
    assert document["results"] == [{"index": 0, "relevance_score": 1.0}]
    assert Response(refuse(COHERE_RERANK, 404)).json == {"message": "Not Found"}


@pytest.mark.parametrize(
    ("read", "body", "says"),
    [
        (read_embeddings, b"{", "could not parse"),
        (read_embeddings, b'{"model":"m","input":[]}', "nothing to embed"),
        (read_embeddings, b'{"model":"m","input":"a","dimensions":0}', "from 1 to 8192, not 0"),
        (read_rerank, b'{"model":"m"}', "could not parse"),
        (read_rerank, b'{"model":"m","query":"a","documents":[]}', "nothing to rank"),
    ],
)
def test_bad_bodies_are_refused(read: Any, body: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(Asked("POST", "/", body=body))


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("/v1/embeddings", EMBEDDINGS),
        ("/openai/deployments/x/embeddings", EMBEDDINGS),
        ("/v1/rerank", RERANK),
        ("/rerank", RERANK),
        ("/v2/rerank", COHERE_RERANK),
    ],
)
def test_their_paths(path: str, wire: Wire) -> None:
    assert wire_of(Asked("POST", path)) is wire
    assert not wire.match(Asked("GET", path))


# -- read back by the decoders ----------------------------------------------------------------

ASKED = {"embeddings": embed(input=["a" * 40] * 3), "rerank": rank(), "cohere-rerank": rank()}


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_the_decoder_finds_an_end_and_what_was_read(wire: Wire) -> None:
    due, record = read_back(wire, "vllm", ASKED[wire.name], ttft="30ms", prefill="1ms")
    assert record.status is Status.OK
    assert (len(record.events), record.ttft_ns, record.stream) == (0, None, False)
    assert record.e2e_ns == 30 * MS + due.prompt_tokens * MS
    assert record.usage.input == (None if wire is COHERE_RERANK else due.prompt_tokens)
    assert record.usage.output is None


@pytest.mark.parametrize(
    ("fault", "kind", "stage"),
    [
        ("429=2s", ErrorKind.RATE_LIMIT, Stage.WAIT),
        ("cut", ErrorKind.NETWORK, Stage.STREAM),
        ("reset", ErrorKind.NETWORK, Stage.WAIT),
        ("malformed", ErrorKind.PROTOCOL, Stage.DECODE),
        ("error-event", ErrorKind.SERVER, Stage.STREAM),
        ("html", ErrorKind.PROTOCOL, Stage.DECODE),
        ("silence", ErrorKind.TIMEOUT, Stage.WAIT),
    ],
)
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_the_decoder_sees_each_fault(wire: Wire, fault: str, kind: ErrorKind, stage: Stage) -> None:
    _, record = read_back(wire, "vllm", ASKED[wire.name], faults=f"{fault}:always")
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (kind, stage)


def test_a_count_can_be_wrong() -> None:
    due, record = read_back(EMBEDDINGS, "vllm", embed(), faults="wrong-usage=3:always")
    assert record.usage.input == 3 * due.prompt_tokens
