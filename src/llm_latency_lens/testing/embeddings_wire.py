"""Embeddings and ranks as the simulator speaks them: OpenAI's, Jina's and Cohere's shapes.

Sources: openai 3.54.0, `types/create_embedding_response.py`, `types/embedding_create_params.py`;
mistralai 3.7.0, `client/models/embeddingresponse.py`, which has the id that OpenAI's lacks;
vLLM, `entrypoints/pooling/scoring/protocol.py`; Text Embeddings Inference, `router/src/http/
types.rs`; cohere 7.3.1, `v2/types/v2rerank_response.py`. Vectors and scores are always the same:
what is simulated is when they come.
"""

from __future__ import annotations

import math
from array import array
from base64 import b64encode
from functools import lru_cache
from typing import Any

import msgspec

from ..request import Operation
from .config import SimConfig
from .faults import FaultKind
from .openai_wire import refusal
from .plan import Plan
from .script import phrase
from .wire import Ask, Asked, Whole, Wire, bearer, tokens_of

_encode = msgspec.json.encode
DIMENSIONS = 256
"""Of a vector, where the request names no number."""
_MOST_DIMENSIONS = 8192


class _Embed(msgspec.Struct):
    model: str
    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: int | None = None


class _Rank(msgspec.Struct):
    """`texts` is what Text Embeddings Inference calls the documents, and it names no model."""

    query: str
    documents: list[Any] | None = None
    texts: list[Any] | None = None
    model: str = ""
    top_n: int | None = None


_embed = msgspec.json.Decoder(_Embed).decode
_rank = msgspec.json.Decoder(_Rank).decode


def read_embeddings(asked: Asked) -> Ask:
    """What is to be embedded; ValueError with a plain text for a bad body."""
    try:
        body = _embed(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from error
    one = isinstance(body.input, str) or (bool(body.input) and isinstance(body.input[0], int))
    inputs = [body.input] if one else list(body.input)
    if not inputs:
        raise ValueError("'$.input' is invalid: it holds nothing to embed")
    dimensions = DIMENSIONS if body.dimensions is None else body.dimensions
    if not 0 < dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"dimensions is from 1 to {_MOST_DIMENSIONS}, not {dimensions}")
    return Ask(
        body.model,
        stream=False,
        prompt_tokens=sum(map(_tokens, inputs)),
        created=asked.created,
        keep_alive=asked.keep_alive,
        operation=Operation.EMBEDDINGS,
        flavour=f"{body.encoding_format or 'float'} {dimensions}",
        items=len(inputs),
    )


def read_rerank(asked: Asked) -> Ask:
    """What is to be ranked; ValueError with a plain text for a bad body."""
    try:
        body = _rank(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from error
    documents = body.documents or body.texts
    if not documents:
        raise ValueError("documents: there is nothing to rank")
    most = len(documents) if body.top_n is None else max(1, body.top_n)
    query = len(body.query)
    return Ask(
        body.model,
        stream=False,
        prompt_tokens=sum(tokens_of(query + _characters(document)) for document in documents),
        created=asked.created,
        keep_alive=asked.keep_alive,
        operation=Operation.RERANK,
        flavour="" if body.texts is None else "bare",
        items=min(len(documents), most),
    )


def _tokens(text: Any) -> int:
    """A text's tokens; a list of numbers is tokens already."""
    return len(text) if isinstance(text, list) else tokens_of(len(str(text)))


def _characters(document: Any) -> int:
    """A document is a text, or an object whose texts are read."""
    texts = document.values() if isinstance(document, dict) else (document,)
    return sum(len(text) for text in texts if isinstance(text, str))


@lru_cache(maxsize=16)
def vector(flavour: str) -> bytes:
    """A vector as JSON: a list, or a text of base64 over float32."""
    form, _, dimensions = flavour.partition(" ")
    numbers = [round(math.sin(i) / 16, 8) for i in range(1, int(dimensions) + 1)]
    if form == "base64":
        return _encode(b64encode(array("f", numbers).tobytes()).decode())
    return _encode(numbers)


def _read(plan: Plan) -> dict[str, int]:
    tokens, fault = plan.prompt_tokens, plan.fault
    if fault and fault.kind is FaultKind.WRONG_USAGE:
        tokens = round(tokens * fault.factor)
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def _embeddings(_config: SimConfig, plan: Plan, ask: Ask) -> Whole:
    item = b'{"object":"embedding","index":%d,"embedding":%b}'
    one = vector(ask.flavour)
    return Whole(
        b'{"id":"embd-sim-%08d","object":"list","data":[%b],"model":%b,"usage":%b}'
        % (
            plan.index,
            b",".join(item % (i, one) for i in range(ask.items)),
            _encode(ask.model),
            _encode(_read(plan)),
        )
    )


def _ranks(plan: Plan, ask: Ask, name: str) -> list[dict[str, Any]]:
    """The best come first; which those are, depends on the request alone."""
    turn = plan.index % ask.items
    return [
        {"index": (place + turn) % ask.items, name: round(1 / (place + 1), 6)}
        for place in range(ask.items)
    ]


def _jina(_config: SimConfig, plan: Plan, ask: Ask) -> Whole:
    if ask.flavour == "bare":
        return Whole(_encode(_ranks(plan, ask, "score")))
    answer = {
        "id": f"rerank-sim-{plan.index:08d}",
        "model": ask.model,
        "usage": _read(plan),
        "results": _ranks(plan, ask, "relevance_score"),
    }
    return Whole(_encode(answer))


def _cohere(_config: SimConfig, plan: Plan, ask: Ask) -> Whole:
    units = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    answer = {
        "id": f"00000000-0000-4000-8000-{plan.index:012d}",
        "results": _ranks(plan, ask, "relevance_score"),
        "meta": units,
    }
    return Whole(_encode(answer))


def cohere_refusal(status: int, message: str, _code: str | None) -> bytes:
    """Cohere's error: a message and no more."""
    return _encode({"message": message or phrase(status)})


def _posted(end: str, asked: Asked) -> bool:
    # Services and gateways put prefixes of their own before it.
    return asked.method == "POST" and asked.path.endswith(end)


EMBEDDINGS = Wire(
    "embeddings",
    lambda asked: _posted("/embeddings", asked),
    read_embeddings,
    _embeddings,
    refusal,
    bearer,
)
COHERE_RERANK = Wire(
    "cohere-rerank",
    lambda asked: _posted("/v2/rerank", asked),
    read_rerank,
    _cohere,
    cohere_refusal,
    bearer,
)
RERANK = Wire(
    "rerank", lambda asked: _posted("/rerank", asked), read_rerank, _jina, refusal, bearer
)
WIRES = (EMBEDDINGS, COHERE_RERANK, RERANK)
