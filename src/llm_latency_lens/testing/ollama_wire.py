"""Ollama's own API as the simulator speaks it: chat and embeddings.

Shapes follow the types of Ollama's own Python package, 0.6.3 (`_types.py`), and of its server
(`ollama/ollama`, `api/types.go`). Calls of tools come whole there, so that each event which would
be a piece of a call is a call of its own.
"""

from __future__ import annotations

from time import gmtime, strftime
from typing import Any

import msgspec

from ..record import EventKind
from ..request import Operation
from .config import SimConfig
from .embeddings_wire import DIMENSIONS, vector
from .openai_wire import characters
from .plan import Plan, words
from .script import phrase
from .wire import Ask, Asked, Whole, Wire, bearer, text_of, tokens_of, usage_of

_encode = msgspec.json.encode
_FAILED = "an error was encountered while running the model"


class _Options(msgspec.Struct):
    num_predict: int | None = None


class _Body(msgspec.Struct):
    """An answer is streamed where nothing else is said."""

    model: str
    messages: list[dict[str, Any]] = []
    stream: bool | None = None
    options: _Options | None = None


class _Embed(msgspec.Struct):
    model: str
    input: str | list[str]
    dimensions: int | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_embed = msgspec.json.Decoder(_Embed).decode


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    try:
        body = _decode_body(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    limit = body.options.num_predict if body.options else None
    return Ask(
        body.model,
        body.stream is not False,
        tokens_of(sum(map(characters, body.messages))),
        limit if limit and limit > 0 else None,  # -1 is without end
        asked.created,
        asked.keep_alive,
    )


def read_embed(asked: Asked) -> Ask:
    """What is to be embedded; ValueError with a plain text for a bad body."""
    try:
        body = _decode_embed(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    inputs = [body.input] if isinstance(body.input, str) else body.input
    return Ask(
        body.model,
        stream=False,
        prompt_tokens=sum(tokens_of(len(one)) for one in inputs),
        created=asked.created,
        keep_alive=asked.keep_alive,
        operation=Operation.EMBEDDINGS,
        flavour=f"float {body.dimensions or DIMENSIONS}",
        items=len(inputs),
    )


def refusal(status: int, message: str, _code: str | None) -> bytes:
    """Ollama's error: one text."""
    return _encode({"error": message or phrase(status).lower()})


class ChatForm:
    """One answer. What stays the same from one line to the next is written once."""

    def __init__(self, _config: SimConfig, plan: Plan, ask: Ask) -> None:
        self._plan = plan
        self._head = b'{"model":%b,"created_at":"%b","message":' % (
            _encode(ask.model),
            strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(ask.created)).encode(),
        )

    def opening(self) -> bytes:
        return b""

    def events(self) -> list[tuple[bytes, bytes]]:
        say = {
            EventKind.TEXT: self._text,
            EventKind.REASONING: self._thought,
            EventKind.TOOL: self._call,
        }
        plan = self._plan
        return [(b"", say[kind](t)) for kind, t in zip(plan.kinds, words(plan), strict=True)]

    def closing(self, whole: bool) -> bytes:
        return self._last({"role": "assistant", "content": ""}) + b"\n" if whole else b""

    def error(self) -> bytes:
        return refusal(500, _FAILED, None) + b"\n"

    def broken(self) -> bytes:
        return self._head + b'{"role":"assistant","content":" th\n'

    def again(self) -> bytes:
        return self._text(" again")

    def document(self) -> bytes:
        plan = self._plan
        message: dict[str, Any] = {"role": "assistant", "content": text_of(plan, EventKind.TEXT)}
        if thought := text_of(plan, EventKind.REASONING):
            message["thinking"] = thought
        if plan.calls:
            texts = zip(plan.kinds, words(plan), strict=True)
            message["tool_calls"] = [_call(text) for kind, text in texts if kind is EventKind.TOOL]
        return self._last(message)

    def _text(self, text: str) -> bytes:
        return self._line(b'{"role":"assistant","content":%b}' % _encode(text))

    def _thought(self, text: str) -> bytes:
        return self._line(b'{"role":"assistant","content":"","thinking":%b}' % _encode(text))

    def _call(self, text: str) -> bytes:
        return self._line(
            _encode({"role": "assistant", "content": "", "tool_calls": [_call(text)]})
        )

    def _line(self, message: bytes) -> bytes:
        return self._head + message + b',"done":false}\n'

    def _last(self, message: dict[str, Any]) -> bytes:
        plan = self._plan
        reason = "length" if plan.finish_reason == "length" else "stop"
        told = {
            "total_duration": plan.end_ns,
            "load_duration": 0,
            "prompt_eval_count": plan.prompt_tokens,
            "prompt_eval_duration": plan.decode_ns,
            "eval_count": usage_of(plan),
            "eval_duration": plan.end_ns - plan.decode_ns,
        }
        told = {name: value for name, value in told.items() if value}  # 0 is left out
        end = _encode({"done": True, "done_reason": reason, **told})
        return self._head + _encode(message) + b"," + end[1:]


def _call(text: str) -> dict[str, Any]:
    return {"function": {"name": "take_note", "arguments": {"text": text}}}


def _embedded(_config: SimConfig, plan: Plan, ask: Ask) -> Whole:
    vectors = b"[" + b",".join([vector(ask.flavour)] * ask.items) + b"]"
    return Whole(
        _encode(
            {
                "model": ask.model,
                "embeddings": msgspec.Raw(vectors),
                "total_duration": plan.end_ns,
                "prompt_eval_count": plan.prompt_tokens,
            }
        )
    )


def _match(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/api/chat")


def _match_embed(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/api/embed")


WIRE = Wire("ollama", _match, read, ChatForm, refusal, bearer, stream_type="application/x-ndjson")
EMBED = Wire("ollama-embed", _match_embed, read_embed, _embedded, refusal, bearer)
WIRES = (WIRE, EMBED)
