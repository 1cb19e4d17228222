"""AWS Bedrock's Converse and ConverseStream as the simulator speaks them.

Shapes follow botocore's model of the service (1.44.5, `data/bedrock-runtime/2023-09-30`) and
captured streams: each event has padding `p` of another length, text begins without a start of its
block, reasoning ends with its signature. A failure inside a stream is a frame of its own type, and
the last. Amazon's Nova puts the same events into another envelope with `ConverseForm`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import cycle
from typing import Any
from urllib.parse import unquote

import msgspec

from ..clock import MS_NS
from ..providers.aws_eventstream import CONTENT_TYPE, frame, packed, seal
from ..record import EventKind
from .config import SimConfig
from .openai_wire import characters
from .plan import Plan, words
from .script import phrase
from .wire import Ask, Asked, Fields, Wire, arguments_of, bearer, text_of, tokens_of, usage_of

_encode = msgspec.json.encode
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_SIGNATURE = "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="
_DELTA = "contentBlockDelta"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PADDINGS = [f',"p":"{_LETTERS[: 17 * i % 61 + 1]}"}}'.encode() for i in range(61)]
"""Ends of an event, each with padding of another length."""

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/\s]+)/\d{8}/[a-z0-9-]+/bedrock/aws4_request, ?"
    r"SignedHeaders=(?:[^,\s]*;)?host;(?:[^,\s]*;)?x-amz-date(?:;[^,\s]*)?, ?"
    r"Signature=[0-9a-f]{64}"
)
_PATH = re.compile(r"/model/([^/]+)/([a-z-]+)\Z")

Seal = Callable[[bytes, str], bytes]
"""Puts an event, in JSON, and its type into an envelope."""


def sealing() -> Seal:
    """Each event as a frame of its own type, padded."""
    paddings = cycle(PADDINGS)
    known: dict[str, bytes] = {}

    def sealed(event: bytes, kind: str) -> bytes:
        headers = known.get(kind)
        if headers is None:
            headers = known[kind] = headers_of(kind)
        return seal(headers, event[:-1] + next(paddings))

    return sealed


def headers_of(kind: str) -> bytes:
    """The headers of an event of that type."""
    return packed(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    )


def failure(status: int, message: str = "") -> bytes:
    """A failure inside a stream, as it would be with that status before one."""
    name, usual = _named(status)
    headers = {
        ":exception-type": name[0].lower() + name[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, _encode({"message": message or usual}))


def model_of(asked: Asked) -> tuple[str, str]:
    """The model and the operation, which stand in the address."""
    found = _PATH.search(asked.path)
    assert found is not None
    return unquote(found[1]), found[2]


def is_for(asked: Asked, *operations: str) -> bool:
    """Whether a request is for one of these operations of a model."""
    found = _PATH.search(asked.path)
    return asked.method == "POST" and found is not None and found[2] in operations


def parse(data: bytes) -> dict[str, Any]:
    """The body of a request; ValueError with a plain text for a bad one."""
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ValueError(f"Malformed input request: {error}") from error
    if not isinstance(body, dict):
        raise ValueError("Malformed input request: expected type: JSONObject")  # noqa: TRY004
    return body


def object_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; empty where it is none."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def objects_of(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A member that is a list, as far as it has objects."""
    value = body.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def limit_of(value: Any) -> int | None:
    """The most tokens that may come back; ValueError for what is no limit."""
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"The maximum tokens you requested, {value}, is not a number from 1.")
    return value


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    body = parse(asked.body)
    model, operation = model_of(asked)
    messages = objects_of(body, "messages")
    if not messages:
        raise ValueError("A conversation must start with a user message.")
    told = [{"content": body.get("system")}, *messages]
    return Ask(
        model,
        operation == "converse-stream",
        tokens_of(sum(map(characters, told))),
        limit_of(object_of(body, "inferenceConfig").get("maxTokens")),
        asked.created,
        asked.keep_alive,
    )


_STATUS_WORDS = {
    400: ("ValidationException", "The provided request is not valid."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    403: ("AccessDeniedException", "You don't have access to the model with that ID."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model."),
    408: ("ModelTimeoutException", "The model has timed out in processing the request."),
    424: ("ModelErrorException", "The model failed to process the request."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}


def _named(status: int) -> tuple[str, str]:
    default = "InternalServerException" if status >= 500 else "ValidationException"
    return _STATUS_WORDS.get(status, (default, f"{phrase(status)}."))


def refusal(status: int, message: str, code: str | None) -> bytes:  # noqa: ARG001
    """The body of an HTTP error; what it is called stands in a header."""
    return _encode({"message": message or _named(status)[1]})


def refusal_headers(status: int) -> Fields:
    """What an HTTP error is called."""
    namespace = "http://internal.amazon.com/coral/com.amazon.bedrock/"
    return [
        ("x-amzn-requestid", "00000000-0000-4000-8000-000000000000"),
        ("x-amzn-errortype", f"{_named(status)[0]}:{namespace}"),
    ]


def headers(plan: Plan, _ask: Ask) -> Fields:
    """Who asked, for the service's support."""
    return [("x-amzn-requestid", f"00000000-0000-4000-8000-{plan.index:012d}")]


def key(asked: Asked) -> str | None:
    """A bearer's token, or the access key by which the request was signed."""
    found = _SIGNED.fullmatch(asked.headers.get("authorization", ""))
    return found[1] if found else bearer(asked)


class ConverseForm:
    """One answer: each run of reasoning, of text, and each call is a block of its own."""

    def __init__(
        self, _config: SimConfig, plan: Plan, _ask: Ask, envelope: Seal | None = None
    ) -> None:
        self._plan = plan
        self._seal = envelope or sealing()
        self._hidden = bool(plan.reasoning_tokens) and EventKind.REASONING not in plan.kinds

    def opening(self) -> bytes:
        data = self._seal(b'{"role":"assistant"}', "messageStart")
        if self._hidden:
            redacted = {"reasoningContent": {"redactedContent": _SIGNATURE}}
            data += self._delta(0, redacted) + self._stop(0)
        return data

    def events(self) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        index, last, start, end = int(self._hidden) - 1, None, b"", b""
        for block, text in zip(self._blocks(), map(_encode, words(self._plan)), strict=True):
            before = b""
            if block != last:
                before = self._end(index, last[0]) if last else b""
                index, last = index + 1, block
                before += self._begin(index, *block)
                start, end = _PIECES[block[0]]
                start = b'{"contentBlockIndex":%d,"delta":' % index + start
            found.append((before, self._seal(start + text + end, _DELTA)))
        return found

    def closing(self, whole: bool) -> bytes:
        plan = self._plan
        data = self._end(self._last, plan.kinds[-1]) if len(plan) else b""
        data += self._seal(_encode({"stopReason": _REASONS[plan.finish_reason]}), "messageStop")
        return data + self._seal(_encode(_told(plan)), "metadata") if whole else data

    def error(self) -> bytes:
        return failure(500)

    def broken(self) -> bytes:
        return seal(headers_of(_DELTA), b'{"contentBlockIndex":0,"delta":{"te')

    def again(self) -> bytes:
        return self._delta(self._last, {"text": " again"})

    def document(self) -> bytes:
        plan = self._plan
        blocks: list[dict[str, Any]] = []
        if text := text_of(plan, EventKind.REASONING):
            thought = {"text": text, "signature": _SIGNATURE}
            blocks.append({"reasoningContent": {"reasoningText": thought}})
        elif self._hidden:
            blocks.append({"reasoningContent": {"redactedContent": _SIGNATURE}})
        if text := text_of(plan, EventKind.TEXT):
            blocks.append({"text": text})
        for call, given in enumerate(arguments_of(plan)):
            blocks.append({"toolUse": {**_tool(call), "input": msgspec.Raw(given.encode())}})
        message = {"role": "assistant", "content": blocks}
        reason = _REASONS[plan.finish_reason]
        return _encode({"output": {"message": message}, "stopReason": reason, **_told(plan)})

    @property
    def _last(self) -> int:
        """The index of the last block."""
        return int(self._hidden) - 1 + len({*self._blocks()})

    def _blocks(self) -> list[tuple[EventKind, int]]:
        """For each content event what tells its block from the others: its kind and its call."""
        plan = self._plan
        return list(zip(plan.kinds, plan.calls or [0] * len(plan), strict=True))

    def _begin(self, index: int, kind: EventKind, call: int) -> bytes:
        if kind is not EventKind.TOOL:
            return b""
        start = {"contentBlockIndex": index, "start": {"toolUse": _tool(call)}}
        empty = self._delta(index, {"toolUse": {"input": ""}})
        return self._seal(_encode(start), "contentBlockStart") + empty

    def _end(self, index: int, kind: EventKind) -> bytes:
        signature = {"reasoningContent": {"signature": _SIGNATURE}}
        signed = self._delta(index, signature) if kind is EventKind.REASONING else b""
        return signed + self._stop(index)

    def _stop(self, index: int) -> bytes:
        return self._seal(b'{"contentBlockIndex":%d}' % index, "contentBlockStop")

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return self._seal(_encode({"contentBlockIndex": index, "delta": delta}), _DELTA)


_PIECES = {
    EventKind.TEXT: (b'{"text":', b"}}"),
    EventKind.REASONING: (b'{"reasoningContent":{"text":', b"}}}"),
    EventKind.TOOL: (b'{"toolUse":{"input":', b"}}}"),
}


def _tool(call: int) -> dict[str, Any]:
    return {"toolUseId": f"tooluse_sim_{call}", "name": "take_note"}


def _told(plan: Plan) -> dict[str, Any]:
    output = usage_of(plan)
    usage = {
        "inputTokens": plan.prompt_tokens,
        "outputTokens": output,
        "totalTokens": plan.prompt_tokens + output,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    }
    return {"metrics": {"latencyMs": plan.end_ns // MS_NS}, "usage": usage}


def _match(asked: Asked) -> bool:
    return is_for(asked, "converse", "converse-stream")


WIRE = Wire(
    "bedrock",
    _match,
    read,
    ConverseForm,
    refusal,
    key,
    stream_type=CONTENT_TYPE,
    refusal_headers=refusal_headers,
    headers=headers,
)
