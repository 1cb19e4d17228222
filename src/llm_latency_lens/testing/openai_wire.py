"""OpenAI's chat completions as bytes: from a plan to what is sent and when.

Shapes follow the types of OpenAI's own Python package (`types/chat/chat_completion_chunk.py`,
`completion_usage.py`, `shared/error_object.py`). An error inside a stream is followed by `[DONE]`,
as vLLM does it; `reasoning_content` is DeepSeek's and older vLLM's name for reasoning text,
`reasoning` that of newer vLLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from ..clock import MS_NS
from ..record import EventKind
from .config import SimConfig
from .faults import Fault, FaultKind
from .plan import Plan, words
from .script import LAST_CHUNK, NO_CONTENT, Ending, Entry, Script, chunk, head

_encode = msgspec.json.encode
_DONE = chunk(b"data: [DONE]\n\n")
_EVENT_STREAM = "text/event-stream; charset=utf-8"
_BROKEN = chunk(b'data: {"id":"chatcmpl-sim","choices":[{"index":0,"delta":{"content":" th\n\n')
_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Just a moment</title></head>"
    b"<body><h1>This is a page, not an answer</h1></body></html>\n"
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asked for, as far as the form of the answer depends on it."""

    model: str
    stream: bool = True
    include_usage: bool = False
    created: int = 0
    keep_alive: bool = True


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


def read_request(body: bytes, *, created: int, keep_alive: bool) -> tuple[Ask, int, int | None]:
    """What is asked, prompt tokens, max_tokens. ValueError with a plain text for a bad body.

    A prompt's tokens are its characters divided by 4, and at least 1.
    """
    try:
        request = _decode_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from error
    limit = request.max_completion_tokens
    if limit is None:
        limit = request.max_tokens
    if limit is not None and limit < 1:
        raise ValueError(f"max_tokens is too small: {limit}")
    usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    ask = Ask(request.model, bool(request.stream), usage, created, keep_alive)
    return ask, max(1, sum(map(_characters, request.messages)) // 4), limit


def _characters(message: dict[str, Any]) -> int:
    content = message.get("content")
    if isinstance(content, list):
        return sum(len(str(part.get("text", ""))) for part in content if isinstance(part, dict))
    return len(content) if isinstance(content, str) else 0


def answer(config: SimConfig, plan: Plan, ask: Ask) -> Script:
    """The response to a chat request, its fault included."""
    fault = plan.fault
    kind = fault.kind if fault else None
    if fault and kind is FaultKind.STATUS:
        return refusal(fault.status, delay_ns=fault.delay_ns, keep_alive=ask.keep_alive)
    if kind is FaultKind.SILENCE:
        return Script(ending=Ending.HOLD)
    if kind is FaultKind.HTML:
        return whole(
            _PAGE, at_ns=plan.first_ns, content_type="text/html", keep_alive=ask.keep_alive
        )
    script = _stream(config, plan, ask) if ask.stream else _document(config, plan, ask)
    if fault and kind is FaultKind.SLOW_HEADERS:
        script.trickle(fault.header_ns)
    return script


def refusal(
    status: int,
    message: str = "",
    *,
    code: str | None = None,
    delay_ns: int | None = None,
    keep_alive: bool = True,
) -> Script:
    """An HTTP error with OpenAI's error object; `delay_ns` becomes Retry-After."""
    headers = []
    if delay_ns is not None:
        headers.append(("retry-after", str(-(-delay_ns // (1000 * MS_NS)))))
        headers.append(("retry-after-ms", str(-(-delay_ns // MS_NS))))
    body = _encode({"error": _error(status, message, code)})
    script = whole(body, status=status, headers=headers, keep_alive=keep_alive)
    script.outcome = "error"
    return script


def models(config: SimConfig, *, keep_alive: bool) -> Script:
    """The list of models: the one that is served."""
    model = {"id": config.model, "object": "model", "created": 0, "owned_by": "latency-lens"}
    return whole(_encode({"object": "list", "data": [model]}), keep_alive=keep_alive)


def whole(
    body: bytes,
    *,
    status: int = 200,
    at_ns: int = 0,
    content_type: str = "application/json",
    headers: list[tuple[str, str]] | None = None,
    keep_alive: bool = True,
    entries: tuple[Entry, ...] = NO_CONTENT,
) -> Script:
    """A response in one send."""
    fields = [("content-length", str(len(body))), *(headers or [])]
    script = Script(status=status)
    script.add(at_ns, head(status, content_type, fields, keep_alive) + body, entries)
    script.ending = Ending.KEEP if keep_alive else Ending.CLOSE
    return script


_STATUS_WORDS = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    529: ("Overloaded.", "overloaded_error", None),
}


def _error(status: int, message: str = "", code: str | None = None) -> dict[str, Any]:
    default = "server_error" if status >= 500 else "invalid_request_error"
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    words, kind, usual = _STATUS_WORDS.get(status, (f"{phrase}.", default, None))
    return {"message": message or words, "type": kind, "param": None, "code": code or usual}


def _usage(plan: Plan) -> dict[str, Any]:
    fault, output = plan.fault, plan.output_tokens
    if fault and fault.kind is FaultKind.WRONG_USAGE:
        output = round(output * fault.factor)
    return {
        "prompt_tokens": plan.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": plan.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": plan.reasoning_tokens},
    }


class _Form:
    """The parts of a stream's events that stay the same from one event to the next."""

    def __init__(self, config: SimConfig, plan: Plan, ask: Ask) -> None:
        self.id = f"chatcmpl-sim-{plan.index:08d}"
        usage = b',"usage":null' if ask.include_usage else b""
        self._head = (
            b'data: {"id":"%b","object":"chat.completion.chunk","created":%d,"model":%b'
            % (
                self.id.encode(),
                ask.created,
                _encode(ask.model),
            )
        )
        self._finish = b',"logprobs":null,"finish_reason":%b}]' + usage + b"}\n\n"
        self._thought = b'{"%b":' % config.reasoning_field.encode()

    def delta(self, delta: bytes, finish: bytes = b"null") -> bytes:
        """The chunk of an event with this delta."""
        start = self._head + b',"choices":[{"index":0,"delta":'
        return chunk(start + delta + self._finish % finish)

    def opener(self, call: int) -> bytes:
        """The chunk that names a tool call; its arguments follow."""
        return self.delta(_encode({"tool_calls": [{"index": call, **_call(call, "")}]}))

    def usage(self, usage: dict[str, Any]) -> bytes:
        return chunk(self._head + b',"choices":[],"usage":' + _encode(usage) + b"}\n\n")

    def content(self, kind: EventKind, texts: Sequence[str]) -> list[bytes]:
        """The chunks of text or reasoning events."""
        field = self._thought if kind is EventKind.REASONING else b'{"content":'
        before = self._head + b',"choices":[{"index":0,"delta":' + field
        after = b"}" + self._finish % b"null"
        fixed = len(before) + len(after)
        return [
            b"%x\r\n%b%b%b\r\n" % (fixed + len(quoted), before, quoted, after)
            for quoted in map(_encode, texts)
        ]

    def arguments(self, call: int, text: str) -> bytes:
        """The chunk of a piece of a tool call's arguments."""
        piece = {"index": call, "function": {"arguments": text}}
        return self.delta(_encode({"tool_calls": [piece]}))


def _stream(config: SimConfig, plan: Plan, ask: Ask) -> Script:
    form, script = _Form(config, plan, ask), Script()
    if config.role != "off":
        at_ns = 0 if config.role == "early" else plan.first_ns
        text = None if config.tool_calls else ""
        script.add(at_ns, form.delta(_encode({"role": "assistant", "content": text})))
    _add_content(script, plan, form)
    script.add(plan.end_ns, _tail(form, plan, ask))
    if plan.fault is not None:
        _strike(script, plan.fault, plan, config, form)
    if config.burst != 1:
        script.gather()
    if script.data:
        fields = [("cache-control", "no-cache"), ("transfer-encoding", "chunked")]
        script.data[0] = head(200, _EVENT_STREAM, fields, ask.keep_alive) + script.data[0]
    if script.ending is Ending.KEEP and not ask.keep_alive:
        script.ending = Ending.CLOSE
    return script


def _add_content(script: Script, plan: Plan, form: _Form) -> None:
    texts = words(plan)
    thoughts = plan.kinds.count(EventKind.REASONING)
    chunks = form.content(EventKind.REASONING, texts[:thoughts])
    if not plan.calls:
        chunks += form.content(EventKind.TEXT, texts[thoughts:])
    script.offsets_ns += plan.offsets_ns[: len(chunks)]
    script.data += chunks
    script.entries += [((True, tokens),) for tokens in plan.tokens[: len(chunks)]]
    named = 0
    for i in range(len(chunks), len(plan)):
        if plan.calls[i] == named:
            script.add(plan.offsets_ns[i], form.opener(named))
            named += 1
        data = form.arguments(plan.calls[i], texts[i])
        script.add(plan.offsets_ns[i], data, ((True, plan.tokens[i]),))


def _tail(form: _Form, plan: Plan, ask: Ask) -> bytes:
    """All that follows the last token, in one send: servers have it ready at once."""
    data = form.delta(b"{}", _encode(plan.finish_reason))
    if ask.include_usage:
        data += form.usage(_usage(plan))
    if plan.fault is None or plan.fault.kind is not FaultKind.NO_DONE:
        data += _DONE
    return data + LAST_CHUNK


def _strike(script: Script, fault: Fault, plan: Plan, config: SimConfig, form: _Form) -> None:
    """Let a fault happen in the middle of a stream that was sound so far."""
    place = script.place(fault.at_event(len(plan)))
    at_ns = script.offsets_ns[place]
    match fault.kind:
        case FaultKind.RESET:
            script.stop(place, Ending.RESET, "reset")
        case FaultKind.CUT:
            script.stop(place, Ending.CLOSE, "cut")
        case FaultKind.ERROR_EVENT:
            script.stop(place, Ending.KEEP, "error")
            error = _encode({"error": _error(500)})
            script.add(at_ns, chunk(b"data: " + error + b"\n\n") + _DONE + LAST_CHUNK)
        case FaultKind.MALFORMED:
            script.insert(place, _BROKEN)
        case FaultKind.ENDLESS:
            script.stop(len(script.data) - 1, Ending.REPEAT if len(plan) else Ending.HOLD, "ok")
            script.repeat = form.delta(b'{"content":" again"}')
            script.repeat_ns = max(MS_NS, round(config.gap.mean))


def _document(config: SimConfig, plan: Plan, ask: Ask) -> Script:
    """The response without streaming: one JSON document when the answer is complete."""
    message, fault = _message(config, plan), plan.fault
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": plan.finish_reason}
    document = {
        "id": f"chatcmpl-sim-{plan.index:08d}",
        "object": "chat.completion",
        "created": ask.created,
        "model": ask.model,
        "choices": [choice],
        "usage": _usage(plan),
    }
    kind = fault.kind if fault else None
    if kind is FaultKind.ERROR_EVENT:
        document = {"error": _error(500)}
    body = _encode(document)
    if kind is FaultKind.MALFORMED:
        body = body[: len(body) // 2]
    entries = ((True, sum(plan.tokens)),)
    script = whole(body, at_ns=plan.end_ns, keep_alive=ask.keep_alive, entries=entries)
    if kind is FaultKind.RESET:
        script.stop(0, Ending.RESET, "reset")
    elif kind is FaultKind.CUT:
        script.data[0] = script.data[0][: -len(body) // 2]
        script.ending, script.outcome = Ending.CLOSE, "cut"
    elif kind is FaultKind.ENDLESS:
        script.stop(0, Ending.HOLD, "ok")
    elif kind is FaultKind.ERROR_EVENT:
        script.outcome = "error"
    return script


def _message(config: SimConfig, plan: Plan) -> dict[str, Any]:
    texts = words(plan)
    text = "".join(t for t, k in zip(texts, plan.kinds, strict=True) if k is EventKind.TEXT)
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
    if EventKind.REASONING in plan.kinds:
        message[config.reasoning_field] = "".join(
            t for t, k in zip(texts, plan.kinds, strict=True) if k is EventKind.REASONING
        )
    if plan.calls and plan.calls[-1] >= 0:
        message["tool_calls"] = [
            _call(call, "".join(t for t, c in zip(texts, plan.calls, strict=True) if c == call))
            for call in range(plan.calls[-1] + 1)
        ]
    return message


def _call(call: int, arguments: str) -> dict[str, Any]:
    function = {"name": "take_note", "arguments": arguments}
    return {"id": f"call_sim_{call}", "type": "function", "function": function}
