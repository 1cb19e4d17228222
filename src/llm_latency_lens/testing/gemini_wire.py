"""Google's generateContent as the simulator speaks it, at the paths of both of Google's APIs.

Shapes follow google-genai 3.4.0, `types.py` and `models.py`. With `alt=sse` a stream is server-sent
events, without it a JSON array; an error inside a stream is a bare object, as google-genai's
`_api_client.py` expects it. Calls of functions come whole, so that each event which would be a
piece of a call is a call of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from ..record import EventKind
from ..request import Operation
from .config import SimConfig
from .embeddings_wire import DIMENSIONS, vector
from .plan import Plan, words
from .script import phrase
from .wire import Ask, Asked, Whole, Wire, arguments_of, bearer, text_of, tokens_of, usage_of

_encode = msgspec.json.encode
_METHOD = re.compile(r"/([^/:]+):(\w+)$")
_STREAMED = "streamGenerateContent"
_EMBED = ("embedContent", "batchEmbedContents", "predict")
_FINISH = {"length": "MAX_TOKENS"}
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


# -- requests ----------------------------------------------------------------------------------


class _Content(msgspec.Struct):
    parts: list[dict[str, Any]] = []

    def characters(self) -> int:
        return sum(len(str(part.get("text", ""))) for part in self.parts)


class _Settings(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None


class _Body(msgspec.Struct, rename="camel"):
    contents: list[_Content]
    system_instruction: _Content | None = None
    generation_config: _Settings | None = None


class _Embed(msgspec.Struct):
    content: _Content


class _Instance(msgspec.Struct):
    content: str


class _Embeds(msgspec.Struct):
    """One content, several of batchEmbedContents, or the instances of predict."""

    content: _Content | None = None
    requests: list[_Embed] = []
    instances: list[_Instance] = []

    def characters(self) -> list[int]:
        contents = [self.content] if self.content else [one.content for one in self.requests]
        return [*(one.characters() for one in contents), *(len(i.content) for i in self.instances)]


def method_of(asked: Asked) -> tuple[str, str]:
    """The model and the method that a path ends in; empty where it names none."""
    found = _METHOD.search(unquote(asked.path))
    return (found[1], found[2]) if found else ("", "")


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    body = _decoded(_Body, asked)
    if not body.contents:
        raise ValueError("* GenerateContentRequest.contents: contents is not specified")
    model, method = method_of(asked)
    limit = body.generation_config.max_output_tokens if body.generation_config else None
    if limit is not None and limit < 1:
        raise ValueError(f"Unable to submit request: maxOutputTokens is {limit}")
    said = [*body.contents, *([body.system_instruction] if body.system_instruction else [])]
    return Ask(
        model,
        method == _STREAMED,
        tokens_of(sum(one.characters() for one in said)),
        limit,
        asked.created,
        asked.keep_alive,
    )


def read_embed(asked: Asked) -> Ask:
    """What is to be embedded; ValueError with a plain text for a bad body."""
    each = _decoded(_Embeds, asked).characters()
    if not each:
        raise ValueError("* EmbedContentRequest.content: content is not specified")
    model, method = method_of(asked)
    return Ask(
        model,
        stream=False,
        prompt_tokens=sum(map(tokens_of, each)),
        created=asked.created,
        keep_alive=asked.keep_alive,
        operation=Operation.EMBEDDINGS,
        flavour=method,
        items=len(each),
    )


def _decoded(kind: type[Any], asked: Asked) -> Any:
    try:
        return msgspec.json.decode(asked.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Invalid JSON payload received. {error}") from error


def key(asked: Asked) -> str | None:
    """The key, in its header or in the query, or the token of a cloud's user."""
    named = parse_qs(asked.query).get("key", [None])
    return asked.headers.get("x-goog-api-key") or named[0] or bearer(asked)


def refusal(status: int, message: str, _code: str | None) -> bytes:
    """A `google.rpc.Status`."""
    word = _WORDS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    error = {"code": status, "message": message or f"{phrase(status)}.", "status": word}
    return json.dumps({"error": error}, indent=2).encode() + b"\n"


def _listed(status: int, message: str, code: str | None) -> bytes:
    """A stream that is an array answers with an array of one error."""
    return b"[" + refusal(status, message, code) + b"]\n"


# -- answers -----------------------------------------------------------------------------------


class Events:
    """One answer as server-sent events. What stays the same is written once."""

    _before, _after = b"data: ", b"\r\n\r\n"

    def __init__(self, _config: SimConfig, plan: Plan, ask: Ask) -> None:
        self._plan = plan
        self._tail = b',"modelVersion":%b,"responseId":"sim-%08d"}' % (
            _encode(ask.model),
            plan.index,
        )

    def opening(self) -> bytes:
        return b""

    def events(self) -> list[tuple[bytes, bytes]]:
        plan, events = self._plan, []
        said, thought = 0, 0 if EventKind.REASONING in plan.kinds else plan.reasoning_tokens
        for kind, text, tokens in zip(plan.kinds, words(plan), plan.tokens, strict=True):
            if kind is EventKind.REASONING:
                thought += tokens
            else:
                said += tokens
            candidate = _candidate([_part(kind, text)])
            events.append((b"", self._chunk(candidate, _usage(plan, said, thought))))
        return events

    def closing(self, whole: bool) -> bytes:
        return self._last() if whole else b""

    def error(self) -> bytes:
        return refusal(500, "", None)

    def broken(self) -> bytes:
        return self._before + b'{"candidates":[{"content":{"parts":[{"text":" th' + self._after

    def again(self) -> bytes:
        plan = self._plan
        candidate = _candidate([b'{"text":" again"}'])
        return self._chunk(candidate, _usage(plan, len(plan), plan.reasoning_tokens))

    def document(self) -> bytes:
        plan = self._plan
        kinds = [kind for kind in (EventKind.REASONING, EventKind.TEXT) if kind in plan.kinds]
        parts = [_part(kind, text_of(plan, kind)) for kind in kinds]
        parts += [_call(json.loads(call)) for call in arguments_of(plan)]
        return self._object(_candidate(parts, _finish(plan)), _final(plan))

    def _last(self) -> bytes:
        plan = self._plan
        return self._chunk(_candidate([b'{"text":""}'], _finish(plan)), _final(plan))

    def _chunk(self, candidate: bytes, usage: bytes) -> bytes:
        return self._before + self._object(candidate, usage) + self._after

    def _object(self, candidate: bytes, usage: bytes) -> bytes:
        return b'{"candidates":[%b],"usageMetadata":%b' % (candidate, usage) + self._tail


class Array(Events):
    """The same as a JSON array; its first element has the prompt's tokens and no content."""

    _before, _after = b"\n,\r\n", b""

    def opening(self) -> bytes:
        return b'[{"usageMetadata":' + _usage(self._plan, 0, 0) + self._tail

    def closing(self, whole: bool) -> bytes:
        return self._last() + b"\n]\n" if whole else b""

    def error(self) -> bytes:
        return self._before + refusal(500, "", None) + b"]\n"


def _part(kind: EventKind, text: str) -> bytes:
    if kind is EventKind.TOOL:
        return _call({"text": text})
    return b'{"text":%b%b}' % (
        _encode(text),
        b',"thought":true' if kind is EventKind.REASONING else b"",
    )


def _call(args: dict[str, Any]) -> bytes:
    return b'{"functionCall":{"name":"take_note","args":%b}}' % _encode(args)


def _candidate(parts: Iterable[bytes], finish: bytes = b"") -> bytes:
    content = b'{"content":{"parts":[%b],"role":"model"}' % b",".join(parts)
    return content + finish + b',"index":0}'


def _finish(plan: Plan) -> bytes:
    return b',"finishReason":"%b"' % _FINISH.get(plan.finish_reason, "STOP").encode()


def _final(plan: Plan) -> bytes:
    output = usage_of(plan)
    thought = min(plan.reasoning_tokens, output)
    return _usage(plan, output - thought, thought)


def _usage(plan: Plan, said: int, thought: int) -> bytes:
    prompt = plan.prompt_tokens
    total = prompt + said + thought
    counts = b'{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d' % (
        prompt,
        said,
        total,
    )
    return counts + (b',"thoughtsTokenCount":%d}' % thought if thought else b"}")


def _embedded(_config: SimConfig, plan: Plan, ask: Ask) -> Whole:
    values = b'{"values":%b' % vector(f"float {DIMENSIONS}")
    usage = b',"usageMetadata":{"promptTokenCount":%d}}' % plan.prompt_tokens
    if ask.flavour == "embedContent":
        return Whole(b'{"embedding":' + values + b"}" + usage)
    if ask.flavour == "batchEmbedContents":
        return Whole(b'{"embeddings":[%b]' % b",".join([values + b"}"] * ask.items) + usage)
    each = b'{"embeddings":%b,"statistics":{"truncated":false,"token_count":%d}}}'
    counts = [plan.prompt_tokens // ask.items] * ask.items
    counts[0] += plan.prompt_tokens % ask.items
    return Whole(b'{"predictions":[%b]}' % b",".join(each % (values, one) for one in counts))


def _generates(asked: Asked, *, array: bool) -> bool:
    method = method_of(asked)[1]
    if asked.method != "POST" or method not in (_STREAMED, "generateContent"):
        return False
    return array is (method == _STREAMED and parse_qs(asked.query).get("alt") != ["sse"])


def _embeds(asked: Asked) -> bool:
    return asked.method == "POST" and method_of(asked)[1] in _EMBED


EVENTS = Wire(
    "gemini",
    lambda asked: _generates(asked, array=False),
    read,
    Events,
    refusal,
    key,
    stream_type="text/event-stream",
)
ARRAY = Wire(
    "gemini-array",
    lambda asked: _generates(asked, array=True),
    read,
    Array,
    _listed,
    key,
    stream_type="application/json; charset=UTF-8",
)
EMBED = Wire("gemini-embed", _embeds, read_embed, _embedded, refusal, key)
WIRES = (EVENTS, ARRAY, EMBED)
