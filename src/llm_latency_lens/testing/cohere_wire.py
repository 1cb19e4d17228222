"""Cohere's Chat v2 as the simulator speaks it, and its embeddings.

Shapes follow the types of Cohere's own Python package, 7.3.1 (`v2/types/v2chat_stream_response.py`,
`types/usage.py`, `types/embed_by_type_response.py`). An error inside a stream is a `message-end`
that names it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..record import EventKind
from ..request import Operation
from .config import SimConfig
from .embeddings_wire import DIMENSIONS, cohere_refusal, vector
from .openai_wire import characters
from .plan import Plan, words
from .wire import (
    Ask,
    Asked,
    Fields,
    Whole,
    Wire,
    arguments_of,
    bearer,
    sse,
    text_of,
    tokens_of,
    usage_of,
)

_encode = msgspec.json.encode
_DONE = sse(b"[DONE]")
_BROKEN = sse(b'{"type":"content-delta","index":0,"delta":{"message":{"con', "content-delta")
_REASONS = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
_THINKING, _TEXT = "thinking", "text"


class _Body(msgspec.Struct):
    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    max_tokens: int | None = None


class _Embed(msgspec.Struct):
    model: str
    texts: list[str] | None = None
    inputs: list[Any] | None = None
    embedding_types: list[str] | None = None
    output_dimension: int | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_embed = msgspec.json.Decoder(_Embed).decode


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    try:
        body = _decode_body(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"invalid request: {error}") from error
    if body.max_tokens is not None and body.max_tokens < 1:
        raise ValueError(f"invalid request: max_tokens is too small: {body.max_tokens}")
    return Ask(
        body.model,
        bool(body.stream),
        tokens_of(sum(map(characters, body.messages))),
        body.max_tokens,
        asked.created,
        asked.keep_alive,
    )


def read_embed(asked: Asked) -> Ask:
    """What is to be embedded; ValueError with a plain text for a bad body."""
    try:
        body = _decode_embed(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"invalid request: {error}") from error
    inputs = body.texts or body.inputs or []
    if not inputs:
        raise ValueError("invalid request: there is nothing to embed")
    kinds = ",".join(body.embedding_types or ["float"])
    return Ask(
        body.model,
        stream=False,
        prompt_tokens=sum(tokens_of(len(str(one))) for one in inputs),
        created=asked.created,
        keep_alive=asked.keep_alive,
        operation=Operation.EMBEDDINGS,
        flavour=f"{kinds} {body.output_dimension or DIMENSIONS}",
        items=len(inputs),
    )


def _event(kind: str, **members: Any) -> bytes:
    return sse(_encode({"type": kind, **members}), kind)


def _start(index: int, kind: str) -> bytes:
    content = {"type": kind, kind: ""}
    return _event("content-start", index=index, delta={"message": {"content": content}})


class ChatForm:
    """One answer: thinking and text are blocks, each with a start and an end, and so are calls."""

    def __init__(self, config: SimConfig, plan: Plan, _ask: Ask) -> None:
        self._config, self._plan = config, plan
        self._id = f"00000000-0000-4000-8000-{plan.index:012d}"

    def opening(self) -> bytes:
        if self._config.role == "off":
            return b""
        empty: dict[str, Any] = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        message = {"role": "assistant", **empty}
        return sse(
            _encode({"id": self._id, "type": "message-start", "delta": {"message": message}}),
            "message-start",
        )

    def events(self) -> list[tuple[bytes, bytes]]:
        plan, texts = self._plan, words(self._plan)
        thoughts = plan.kinds.count(EventKind.REASONING)
        events = _block(0, _THINKING, texts[:thoughts])
        end = _event("content-end", index=0) if thoughts else b""
        said = texts[thoughts:]
        if not said:
            return events
        rest = (
            self._called(said, plan.calls[thoughts:])
            if plan.calls
            else _block(bool(thoughts), _TEXT, said)
        )
        (before, first), *more = rest
        return [*events, (end + before, first), *more]

    def closing(self, whole: bool) -> bytes:
        plan, end = self._plan, b""
        if plan.calls and plan.calls[-1] >= 0:
            end = _event("tool-call-end", index=plan.calls[-1])
        elif len(plan):
            end = _event("content-end", index=len({*plan.kinds}) - 1)
        if not whole:
            return end
        delta = {"finish_reason": _REASONS[plan.finish_reason], "usage": _usage(plan)}
        return end + _event("message-end", delta=delta) + _DONE

    def error(self) -> bytes:
        delta = {"error": "internal server error", "finish_reason": "ERROR"}
        return _event("message-end", delta=delta) + _DONE

    def broken(self) -> bytes:
        return _BROKEN

    def again(self) -> bytes:
        return _block(0, _TEXT, [" again"])[0][1]

    def document(self) -> bytes:
        plan = self._plan
        blocks = [
            {"type": name, name: text}
            for name, kind in ((_THINKING, EventKind.REASONING), (_TEXT, EventKind.TEXT))
            if (text := text_of(plan, kind))
        ]
        message: dict[str, Any] = {"role": "assistant"}
        if blocks:
            message["content"] = blocks
        if calls := arguments_of(plan):
            message["tool_calls"] = [_call(call, text) for call, text in enumerate(calls)]
        return _encode(
            {
                "id": self._id,
                "finish_reason": _REASONS[plan.finish_reason],
                "message": message,
                "usage": _usage(plan),
            }
        )

    def _called(self, texts: list[str], calls: list[int]) -> list[tuple[bytes, bytes]]:
        events, named = [], -1
        for call, text in zip(calls, texts, strict=True):
            before = b""
            if call != named:
                if named >= 0:
                    before = _event("tool-call-end", index=named)
                message: dict[str, Any] = {"tool_calls": _call(call, "")}
                before += _event("tool-call-start", index=call, delta={"message": message})
                named = call
            message = {"tool_calls": {"function": {"arguments": text}}}
            piece = _event("tool-call-delta", index=call, delta={"message": message})
            events.append((before, piece))
        return events


def _block(index: int, name: str, texts: list[str]) -> list[tuple[bytes, bytes]]:
    """The events of one content block; its start comes just before the first."""
    head = b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":'
    before = head % index + b'{"content":{"%b":' % name.encode()
    events = [(b"", before + quoted + b"}}}}\n\n") for quoted in map(_encode, texts)]
    if events:
        events[0] = (_start(index, name), events[0][1])
    return events


def _call(call: int, arguments: str) -> dict[str, Any]:
    function = {"name": "take_note", "arguments": arguments}
    return {"id": f"take_note_sim{call}", "type": "function", "function": function}


def _usage(plan: Plan) -> dict[str, Any]:
    counts = {"input_tokens": plan.prompt_tokens, "output_tokens": usage_of(plan)}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": 0}


def _embedded(_config: SimConfig, plan: Plan, ask: Ask) -> Whole:
    kinds, _, dimensions = ask.flavour.partition(" ")
    vectors = {}
    for kind in kinds.split(","):
        one = vector(f"{'base64' if kind == 'base64' else 'float'} {dimensions}")
        vectors[kind] = msgspec.Raw(b"[" + b",".join([one] * ask.items) + b"]")
    return Whole(
        _encode(
            {
                "id": f"00000000-0000-4000-8000-{plan.index:012d}",
                "embeddings": vectors,
                "texts": [""] * ask.items,
                "meta": {
                    "api_version": {"version": "2"},
                    "billed_units": {"input_tokens": plan.prompt_tokens},
                },
                "response_type": "embeddings_by_type",
            }
        )
    )


def _headers(plan: Plan, _ask: Ask) -> Fields:
    return [("x-debug-trace-id", f"{plan.index:032x}")]


def _match(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/v2/chat")


def _match_embed(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/v2/embed")


WIRE = Wire("cohere", _match, read, ChatForm, cohere_refusal, bearer, headers=_headers)
EMBED = Wire(
    "cohere-embed", _match_embed, read_embed, _embedded, cohere_refusal, bearer, headers=_headers
)
WIRES = (WIRE, EMBED)
