"""OpenAI's chat completions as the simulator speaks them.

Shapes follow the types of OpenAI's own Python package (`types/chat/chat_completion_chunk.py`,
`completion_usage.py`, `shared/error_object.py`). An error inside a stream is followed by `[DONE]`,
as vLLM does it; `reasoning_content` is DeepSeek's and older vLLM's name for reasoning text,
`reasoning` that of newer vLLM.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..record import EventKind
from .config import SimConfig
from .plan import Plan, words
from .script import phrase
from .wire import (
    Ask,
    Asked,
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
_BROKEN = sse(b'{"id":"chatcmpl-sim","choices":[{"index":0,"delta":{"content":" th')


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: _StreamOptions | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    try:
        request = _decode_body(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from error
    limit = request.max_completion_tokens
    if limit is None:
        limit = request.max_tokens
    if limit is not None and limit < 1:
        raise ValueError(f"max_tokens is too small: {limit}")
    return Ask(
        request.model,
        bool(request.stream),
        tokens_of(sum(map(characters, request.messages))),
        limit,
        asked.created,
        asked.keep_alive,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
    )


def characters(message: dict[str, Any]) -> int:
    """How many characters a message says, whether its content is a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return sum(len(str(part.get("text", ""))) for part in content if isinstance(part, dict))
    return len(content) if isinstance(content, str) else 0


_STATUS_WORDS = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    529: ("Overloaded.", "overloaded_error", None),
}


def refusal(status: int, message: str, code: str | None) -> bytes:
    """OpenAI's error object, as of an HTTP error and inside a stream."""
    default = "server_error" if status >= 500 else "invalid_request_error"
    usual, kind, its_code = _STATUS_WORDS.get(status, (f"{phrase(status)}.", default, None))
    error = {"message": message or usual, "type": kind, "param": None, "code": code or its_code}
    return _encode({"error": error})


def models(config: SimConfig) -> bytes:
    """The list of models: the one that is served."""
    model = {"id": config.model, "object": "model", "created": 0, "owned_by": "latency-lens"}
    return _encode({"object": "list", "data": [model]})


class ChatForm:
    """One answer. What stays the same from one event to the next is written once."""

    def __init__(self, config: SimConfig, plan: Plan, ask: Ask) -> None:
        self._config, self._plan, self._ask = config, plan, ask
        self._id = f"chatcmpl-sim-{plan.index:08d}"
        told = {"always": True, "never": False}
        self._counted = told.get(config.usage, ask.include_usage)
        usage = b',"usage":null' if self._counted else b""
        self._head = (
            b'data: {"id":"%b","object":"chat.completion.chunk","created":%d,"model":%b'
            % (
                self._id.encode(),
                ask.created,
                _encode(ask.model),
            )
        )
        self._start = self._head + b',"choices":[{"index":0,"delta":'
        self._finish = b',"logprobs":null,"finish_reason":%b}]' + usage + b"}\n\n"
        self._thought = b'{"%b":' % config.reasoning_field.encode()

    def opening(self) -> bytes:
        if self._config.role == "off":
            return b""
        text = None if self._config.tool_calls else ""
        return self._delta(_encode({"role": "assistant", "content": text}))

    def events(self) -> list[tuple[bytes, bytes]]:
        plan, texts = self._plan, words(self._plan)
        thoughts = plan.kinds.count(EventKind.REASONING)
        events = self._content(self._thought, texts[:thoughts])
        if not plan.calls:
            return events + self._content(b'{"content":', texts[thoughts:])
        named = 0
        for call, text in zip(plan.calls[thoughts:], texts[thoughts:], strict=True):
            opener = b""
            if call == named:
                opener = self._delta(_encode({"tool_calls": [{"index": call, **_call(call, "")}]}))
                named += 1
            piece = {"index": call, "function": {"arguments": text}}
            events.append((opener, self._delta(_encode({"tool_calls": [piece]}))))
        return events

    def closing(self, whole: bool) -> bytes:
        data = self._delta(b"{}", _encode(self._plan.finish_reason))
        if self._counted:
            data += self._head + b',"choices":[],"usage":' + _encode(_usage(self._plan)) + b"}\n\n"
        return data + _DONE if whole else data

    def error(self) -> bytes:
        return sse(refusal(500, "", None)) + _DONE

    def broken(self) -> bytes:
        return _BROKEN

    def again(self) -> bytes:
        return self._delta(b'{"content":" again"}')

    def document(self) -> bytes:
        plan = self._plan
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": None,
            "finish_reason": plan.finish_reason,
        }
        return _encode(
            {
                "id": self._id,
                "object": "chat.completion",
                "created": self._ask.created,
                "model": self._ask.model,
                "choices": [choice],
                "usage": _usage(plan),
            }
        )

    def _message(self) -> dict[str, Any]:
        plan = self._plan
        text = text_of(plan, EventKind.TEXT)
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if EventKind.REASONING in plan.kinds:
            message[self._config.reasoning_field] = text_of(plan, EventKind.REASONING)
        if calls := arguments_of(plan):
            message["tool_calls"] = [_call(call, text) for call, text in enumerate(calls)]
        return message

    def _content(self, name: bytes, texts: list[str]) -> list[tuple[bytes, bytes]]:
        """Events of text or reasoning."""
        before, after = self._start + name, b"}" + self._finish % b"null"
        return [(b"", before + quoted + after) for quoted in map(_encode, texts)]

    def _delta(self, delta: bytes, finish: bytes = b"null") -> bytes:
        return self._start + delta + self._finish % finish


def _usage(plan: Plan) -> dict[str, Any]:
    output = usage_of(plan)
    return {
        "prompt_tokens": plan.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": plan.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": plan.reasoning_tokens},
    }


def _call(call: int, arguments: str) -> dict[str, Any]:
    function = {"name": "take_note", "arguments": arguments}
    return {"id": f"call_sim_{call}", "type": "function", "function": function}


def _match(asked: Asked) -> bool:
    # Services and gateways put prefixes of their own before it.
    return asked.method == "POST" and asked.path.endswith("/chat/completions")


WIRE = Wire("openai", _match, read, ChatForm, refusal, bearer)
