"""Anthropic's Messages as the simulator speaks them.

Shapes follow the types of Anthropic's own Python package, 2.12.0 (`types/message.py`,
`raw_message_stream_event.py`, `shared/error_response.py`). A thinking block ends with its
signature, the first piece of a tool's input is empty, and a ping comes before the first text, as
the API has it. An error inside a stream is its last event. Other envelopes of the same events use
`MessagesForm`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..record import EventKind
from .config import SimConfig
from .openai_wire import characters
from .plan import Plan, words
from .script import phrase
from .wire import (
    Ask,
    Asked,
    Fields,
    Wire,
    arguments_of,
    bearer,
    sse,
    text_of,
    tokens_of,
    usage_of,
)

_encode = msgspec.json.encode
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_SIGNATURE = "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="
_LIMIT = 4000
_DELTA = "content_block_delta"

Seal = Callable[[bytes, str], bytes]
"""Puts an event, in JSON, and its type into an envelope."""


class Body(msgspec.Struct):
    messages: list[dict[str, Any]]
    max_tokens: int
    model: str = ""
    system: Any = None
    stream: bool | None = None


_decode_body = msgspec.json.Decoder(Body).decode


def parse(data: bytes) -> Body:
    """The body of a request; ValueError with a plain text for a bad one."""
    try:
        body = _decode_body(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"The request body is not valid: {error}") from error
    if body.max_tokens < 1:
        raise ValueError(f"max_tokens: {body.max_tokens} is not greater than or equal to 1")
    return body


def asked_for(asked: Asked, body: Body, model: str, *, stream: bool) -> Ask:
    """What a body asks for, where model and stream may stand elsewhere."""
    system = characters({"content": body.system})
    return Ask(
        model,
        stream,
        tokens_of(system + sum(map(characters, body.messages))),
        body.max_tokens,
        asked.created,
        asked.keep_alive,
    )


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    body = parse(asked.body)
    if not body.model:
        raise ValueError("model: Field required")
    return asked_for(asked, body, body.model, stream=bool(body.stream))


_STATUS_WORDS = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is an issue with your billing information."),
    403: ("permission_error", "Your API key may not use this resource."),
    404: ("not_found_error", "The requested resource was not found."),
    413: ("request_too_large", "The request is larger than allowed."),
    429: ("rate_limit_error", "This request would exceed your rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}


def refusal(status: int, message: str, code: str | None) -> bytes:
    """Anthropic's error object, as of an HTTP error and inside a stream."""
    default = "api_error" if status >= 500 else "invalid_request_error"
    kind, usual = _STATUS_WORDS.get(status, (default, f"{phrase(status)}."))
    error: dict[str, Any] = {"type": kind, "message": message or usual}
    if code is not None:
        error["details"] = {"error_code": code}
    return _encode({"type": "error", "error": error, "request_id": "req_sim"})


class MessagesForm:
    """One answer: each run of thinking, of text, and each call is a block of its own."""

    def __init__(self, _config: SimConfig, plan: Plan, ask: Ask, seal: Seal = sse) -> None:
        self._plan, self._ask, self._seal = plan, ask, seal
        self._hidden = bool(plan.reasoning_tokens) and EventKind.REASONING not in plan.kinds

    def opening(self) -> bytes:
        usage = {**_usage(self._plan), "output_tokens": 1, "service_tier": "standard"}
        message = {**self._message([]), "stop_reason": None, "usage": usage}
        data = self._event("message_start", message=message)
        if self._hidden:
            data += self._start(0, _thinking("")) + self._sign(0) + self._stop(0)
        return data

    def events(self) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        index, last, head = int(self._hidden) - 1, None, b""
        for block, text in zip(self._blocks(), map(_encode, words(self._plan)), strict=True):
            before = b""
            if block != last:
                before = self._end(index, last[0]) if last else b""
                index, last = index + 1, block
                before += self._begin(index, *block)
                head = _delta_head(index, *_PIECES[block[0]])
            found.append((before, self._seal(head + text + b"}}", _DELTA)))
        return found

    def closing(self, whole: bool) -> bytes:
        plan = self._plan
        data = self._end(self._last, plan.kinds[-1]) if len(plan) else b""
        delta = {"stop_reason": _REASONS[plan.finish_reason], "stop_sequence": None}
        usage = {
            **_usage(plan),
            "output_tokens": usage_of(plan),
            "output_tokens_details": {"thinking_tokens": plan.reasoning_tokens},
        }
        data += self._event("message_delta", delta=delta, usage=usage)
        return data + self._event("message_stop") if whole else data

    def error(self) -> bytes:
        return self._seal(refusal(529, "", None), "error")

    def broken(self) -> bytes:
        return self._seal(b'{"type":"content_block_delta","index":0,"del', _DELTA)

    def again(self) -> bytes:
        return self._delta(self._last, *_PIECES[EventKind.TEXT], " again")

    def document(self) -> bytes:
        plan = self._plan
        blocks: list[dict[str, Any]] = []
        if plan.reasoning_tokens:
            blocks.append(_thinking(text_of(plan, EventKind.REASONING), _SIGNATURE))
        if text := text_of(plan, EventKind.TEXT):
            blocks.append(_text(text))
        for call, given in enumerate(arguments_of(plan)):
            blocks.append(_tool(call, msgspec.Raw(given.encode())))
        usage = {
            **_usage(plan),
            "output_tokens": usage_of(plan),
            "output_tokens_details": {"thinking_tokens": plan.reasoning_tokens},
            "service_tier": "standard",
        }
        reason = _REASONS[plan.finish_reason]
        return _encode({**self._message(blocks), "stop_reason": reason, "usage": usage})

    @property
    def _last(self) -> int:
        """The index of the last block."""
        return int(self._hidden) - 1 + len({*self._blocks()})

    def _blocks(self) -> list[tuple[EventKind, int]]:
        """For each content event what tells its block from the others: its kind and its call."""
        plan = self._plan
        return list(zip(plan.kinds, plan.calls or [0] * len(plan), strict=True))

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"msg_sim_{self._plan.index:08d}",
            "type": "message",
            "role": "assistant",
            "model": self._ask.model,
            "content": content,
            "stop_sequence": None,
        }

    def _event(self, kind: str, **members: Any) -> bytes:
        return self._seal(_encode({"type": kind, **members}), kind)

    def _start(self, index: int, block: dict[str, Any]) -> bytes:
        return self._event("content_block_start", index=index, content_block=block)

    def _delta(self, index: int, kind: str, name: str, text: str) -> bytes:
        return self._seal(_delta_head(index, kind, name) + _encode(text) + b"}}", _DELTA)

    def _sign(self, index: int) -> bytes:
        return self._delta(index, "signature_delta", "signature", _SIGNATURE)

    def _stop(self, index: int) -> bytes:
        return self._event("content_block_stop", index=index)

    def _begin(self, index: int, kind: EventKind, call: int) -> bytes:
        if kind is EventKind.REASONING:
            return self._start(index, _thinking(""))
        if kind is EventKind.TOOL:
            return self._start(index, _tool(call, {})) + self._delta(index, *_PIECES[kind], "")
        return self._start(index, _text("")) + self._event("ping")

    def _end(self, index: int, kind: EventKind) -> bytes:
        signed = self._sign(index) if kind is EventKind.REASONING else b""
        return signed + self._stop(index)


_PIECES = {
    EventKind.TEXT: ("text_delta", "text"),
    EventKind.REASONING: ("thinking_delta", "thinking"),
    EventKind.TOOL: ("input_json_delta", "partial_json"),
}


def _delta_head(index: int, kind: str, name: str) -> bytes:
    head = '{"type":"%s","index":%d,"delta":{"type":"%s","%s":'
    return (head % (_DELTA, index, kind, name)).encode()


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _thinking(text: str, signature: str = "") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def _tool(call: int, given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_sim_{call}", "name": "take_note", "input": given}


def _usage(plan: Plan) -> dict[str, Any]:
    return {
        "input_tokens": plan.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


def _headers(plan: Plan, ask: Ask) -> Fields:
    until = datetime.fromtimestamp(ask.created + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    limits = "anthropic-ratelimit-requests"
    return [
        ("request-id", f"req_sim_{plan.index:08d}"),
        (f"{limits}-limit", str(_LIMIT)),
        (f"{limits}-remaining", str(_LIMIT - 1)),
        (f"{limits}-reset", until),
    ]


def _refusal_headers(_status: int) -> Fields:
    return [("request-id", "req_sim")]


def _match(asked: Asked) -> bool:
    # Services and gateways put prefixes of their own before it.
    return asked.method == "POST" and asked.path.endswith("/v1/messages")


def _key(asked: Asked) -> str | None:
    return asked.headers.get("x-api-key") or bearer(asked)


WIRE = Wire(
    "anthropic",
    _match,
    read,
    MessagesForm,
    refusal,
    _key,
    refusal_headers=_refusal_headers,
    headers=_headers,
)
