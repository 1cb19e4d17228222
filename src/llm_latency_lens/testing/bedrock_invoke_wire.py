"""AWS Bedrock's InvokeModel as the simulator speaks it: each vendor's own answer, in base64.

The vendor is that of the model's name, or of the body where the name says nothing. Shapes follow
captured streams and the User Guide's inference parameters; who sends which is on the page "Wire
formats" of the documentation. The last object also has Bedrock's own counts and times.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from itertools import cycle
from typing import Any

import msgspec

from ..clock import MS_NS
from ..providers.aws_eventstream import CONTENT_TYPE, seal
from ..providers.bedrock_bodies import vendor_of
from ..record import EventKind
from .anthropic_wire import MessagesForm
from .bedrock_wire import (
    PADDINGS,
    ConverseForm,
    Seal,
    failure,
    headers_of,
    is_for,
    key,
    limit_of,
    model_of,
    object_of,
    objects_of,
    parse,
    refusal,
    refusal_headers,
)
from .bedrock_wire import headers as converse_headers
from .config import SimConfig
from .openai_wire import characters
from .plan import Plan, words
from .wire import Ask, Asked, Fields, Form, Wire, arguments_of, text_of, tokens_of, usage_of

_encode = msgspec.json.encode
_METRICS = "amazon-bedrock-invocationMetrics"
_STREAMED = "invoke-with-response-stream"
_HEAD = headers_of("chunk")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_gen_len", "maxTokens", "maxTokenCount")


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    body = parse(asked.body)
    model, operation = model_of(asked)
    settings = {
        **body,
        **object_of(body, "inferenceConfig"),
        **object_of(body, "textGenerationConfig"),
    }
    vendor = vendor_of(model) or ("anthropic" if "anthropic_version" in body else "qwen")
    return Ask(
        model,
        operation == _STREAMED,
        tokens_of(_said(body)),
        limit_of(next((settings[name] for name in _LIMITS if name in settings), None)),
        asked.created,
        asked.keep_alive,
        flavour=vendor,
    )


def _said(body: dict[str, Any]) -> int:
    """How many characters a body of any vendor says. ValueError where it says nothing."""
    alone = [body.get(name) for name in ("prompt", "inputText", "message", "system", "preamble")]
    listed = [one for name in ("messages", "chat_history") for one in objects_of(body, name)]
    given = [{"content": one} for one in alone if one]
    given += [{"content": one.get("content", one.get("message"))} for one in listed]
    if not given:
        raise ValueError("Malformed input request: required key [messages] not found")
    return sum(map(characters, given))


# -- the envelope ----------------------------------------------------------------------------


def chunking(plan: Plan) -> Seal:
    """Each object as a chunk. Those of the kind that ends an answer get Bedrock's own counts."""
    paddings = cycle(PADDINGS)
    metrics = b',"%b":%b}' % (_METRICS.encode(), _encode(_metrics(plan)))

    def sealed(event: bytes, kind: str) -> bytes:
        if kind in ("message_stop", "metadata", "last"):
            event = event[:-1] + metrics
        return seal(_HEAD, b'{"bytes":"' + b64encode(event) + b'"' + next(paddings))

    return sealed


def _metrics(plan: Plan) -> dict[str, int]:
    return {
        "inputTokenCount": plan.prompt_tokens,
        "outputTokenCount": usage_of(plan),
        "invocationLatency": plan.end_ns // MS_NS,
        "firstByteLatency": plan.first_ns // MS_NS,
    }


class InvokeForm:
    """One answer in the words of the model's vendor."""

    def __init__(self, config: SimConfig, plan: Plan, ask: Ask) -> None:
        self._inner = _form(config, plan, ask)

    def opening(self) -> bytes:
        return self._inner.opening()

    def events(self) -> list[tuple[bytes, bytes]]:
        return self._inner.events()

    def closing(self, whole: bool) -> bytes:
        return self._inner.closing(whole)

    def error(self) -> bytes:
        return failure(500)

    def broken(self) -> bytes:
        return seal(_HEAD, b'{"bytes":"eyJ0eXBlIjoiY29udGVudF9i')

    def again(self) -> bytes:
        return self._inner.again()

    def document(self) -> bytes:
        return self._inner.document()


def _form(config: SimConfig, plan: Plan, ask: Ask) -> Form:
    chunked = chunking(plan)
    if ask.flavour == "anthropic":
        return MessagesForm(config, plan, ask, chunked)
    if ask.flavour == "nova":

        def nova(event: bytes, kind: str) -> bytes:
            return chunked(b'{"%b":%b}' % (kind.encode(), event), kind)

        return ConverseForm(config, plan, ask, nova)
    if ask.flavour in _TEXTS:
        return TextForm(plan, ask, chunked)
    return ChoicesForm(plan, ask, chunked)


# -- vendors whose models complete a text ----------------------------------------------------

_TEXTS: dict[str, bytes] = {
    "titan": b'{"outputText":%b,"index":0,"totalOutputTextTokenCount":null,'
    b'"completionReason":null,"inputTextTokenCount":null}',
    "llama": b'{"generation":%b,"prompt_token_count":null,"generation_token_count":null,'
    b'"stop_reason":null}',
    "mistral-text": b'{"outputs":[{"text":%b,"stop_reason":null}]}',
    "deepseek-r1": b'{"choices":[{"text":%b,"stop_reason":null}]}',
    "command-r": b'{"is_finished":false,"event_type":"text-generation","text":%b}',
    "command": b'{"text":%b,"is_finished":false}',
}
_LAST: dict[str, Callable[[Plan, str, str], dict[str, Any]]] = {
    "titan": lambda plan, _, reason: {
        "outputText": "",
        "index": 0,
        "totalOutputTextTokenCount": usage_of(plan),
        "completionReason": reason,
        "inputTextTokenCount": plan.prompt_tokens,
    },
    "llama": lambda plan, _, reason: {
        "generation": "",
        "prompt_token_count": plan.prompt_tokens,
        "generation_token_count": usage_of(plan),
        "stop_reason": reason,
    },
    "mistral-text": lambda _plan, _, reason: {"outputs": [{"text": "", "stop_reason": reason}]},
    "deepseek-r1": lambda _plan, _, reason: {"choices": [{"text": "", "stop_reason": reason}]},
    "command-r": lambda _plan, text, reason: {
        "is_finished": True,
        "event_type": "stream-end",
        "response": {"text": text, "finish_reason": reason},
        "finish_reason": reason,
    },
    "command": lambda _plan, _, reason: {"is_finished": True, "finish_reason": reason},
}
_WHOLE: dict[str, Callable[[Plan, str, str], dict[str, Any]]] = {
    "titan": lambda plan, text, reason: {
        "inputTextTokenCount": plan.prompt_tokens,
        "results": [{"tokenCount": usage_of(plan), "outputText": text, "completionReason": reason}],
    },
    "llama": lambda plan, text, reason: {
        "generation": text,
        "prompt_token_count": plan.prompt_tokens,
        "generation_token_count": usage_of(plan),
        "stop_reason": reason,
    },
    "mistral-text": lambda _, text, reason: {"outputs": [{"text": text, "stop_reason": reason}]},
    "deepseek-r1": lambda _, text, reason: {"choices": [{"text": text, "stop_reason": reason}]},
    "command-r": lambda _, text, reason: {"text": text, "finish_reason": reason},
    "command": lambda _, text, reason: {"generations": [{"text": text, "finish_reason": reason}]},
}
_REASONS = {
    "titan": {"stop": "FINISH", "length": "LENGTH", "tool_calls": "FINISH"},
    "command-r": {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "COMPLETE"},
    "command": {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "COMPLETE"},
}


class TextForm:
    """An answer of text alone: reasoning and calls are text like the rest."""

    def __init__(self, plan: Plan, ask: Ask, envelope: Seal) -> None:
        self._plan, self._seal, self._vendor = plan, envelope, ask.flavour
        self._text = "".join(words(plan))
        words_of_its_own = _REASONS.get(self._vendor, {})
        self._reason = words_of_its_own.get(plan.finish_reason, plan.finish_reason)

    def opening(self) -> bytes:
        if self._vendor != "command-r":
            return b""
        return self._seal(b'{"is_finished":false,"event_type":"stream-start"}', "first")

    def events(self) -> list[tuple[bytes, bytes]]:
        around = _TEXTS[self._vendor]
        return [
            (b"", self._seal(around % text, "piece")) for text in map(_encode, words(self._plan))
        ]

    def closing(self, whole: bool) -> bytes:
        last = _LAST[self._vendor](self._plan, self._text, self._reason)
        return self._seal(_encode(last), "last" if whole else "piece")

    def again(self) -> bytes:
        return self._seal(_TEXTS[self._vendor] % b'" again"', "piece")

    error = broken = again

    def document(self) -> bytes:
        return _encode(_WHOLE[self._vendor](self._plan, self._text, self._reason))


# -- vendors whose models chat ---------------------------------------------------------------


class ChoicesForm:
    """An answer in chat completions. OpenAI's open models think between tags."""

    def __init__(self, plan: Plan, ask: Ask, envelope: Seal) -> None:
        self._plan, self._ask, self._seal = plan, ask, envelope
        self._tagged = ask.flavour == "openai"
        of_mistral = ask.flavour == "mistral"
        self._delta = "message" if of_mistral else "delta"
        self._why = "stop_reason" if of_mistral else "finish_reason"

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def events(self) -> list[tuple[bytes, bytes]]:
        plan, found, named = self._plan, [], 0
        calls = plan.calls or [0] * len(plan)
        for kind, text, call in zip(plan.kinds, words(plan), calls, strict=True):
            before = b""
            if kind is EventKind.TOOL and call == named:
                before = self._chunk({"tool_calls": [{"index": call, **_call(call, "")}]})
                named += 1
            found.append((before, self._chunk(self._piece(kind, text, call))))
        return found

    def closing(self, whole: bool) -> bytes:
        return self._chunk({}, self._plan.finish_reason, "last" if whole else "piece")

    def again(self) -> bytes:
        return self._chunk({"content": " again"})

    error = broken = again

    def document(self) -> bytes:
        plan = self._plan
        thought, text = text_of(plan, EventKind.REASONING), text_of(plan, EventKind.TEXT)
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if thought:
            message |= self._piece(EventKind.REASONING, thought, 0)
            if self._tagged:
                message["content"] += text
        if calls := arguments_of(plan):
            message["tool_calls"] = [_call(call, given) for call, given in enumerate(calls)]
        choice = {"index": 0, "message": message, self._why: plan.finish_reason}
        return _encode({"id": f"chatcmpl-sim-{plan.index:08d}", "choices": [choice]})

    def _piece(self, kind: EventKind, text: str, call: int) -> dict[str, Any]:
        if kind is EventKind.TOOL:
            return {"tool_calls": [{"index": call, "function": {"arguments": text}}]}
        if kind is EventKind.REASONING and not self._tagged:
            return {"reasoning_content": text}
        return {
            "content": f"<reasoning>{text}</reasoning>" if kind is EventKind.REASONING else text
        }

    def _chunk(self, delta: dict[str, Any], why: str | None = None, kind: str = "piece") -> bytes:
        choice = {"index": 0, self._delta: delta, self._why: why}
        return self._seal(_encode({"choices": [choice], "model": self._ask.model}), kind)


def _call(call: int, arguments: str) -> dict[str, Any]:
    function = {"name": "take_note", "arguments": arguments}
    return {"id": f"call_sim_{call}", "type": "function", "function": function}


# -- HTTP ------------------------------------------------------------------------------------


def headers(plan: Plan, ask: Ask) -> Fields:
    """Bedrock's own counts, where they cannot stand in the answer."""
    fields = converse_headers(plan, ask)
    if ask.stream:
        return [*fields, ("x-amzn-bedrock-content-type", "application/json")]
    told = _metrics(plan)
    return [
        *fields,
        ("x-amzn-bedrock-input-token-count", str(told["inputTokenCount"])),
        ("x-amzn-bedrock-output-token-count", str(told["outputTokenCount"])),
        ("x-amzn-bedrock-invocation-latency", str(told["invocationLatency"])),
    ]


def _match(asked: Asked) -> bool:
    return is_for(asked, "invoke", _STREAMED)


WIRE = Wire(
    "bedrock-invoke",
    _match,
    read,
    InvokeForm,
    refusal,
    key,
    stream_type=CONTENT_TYPE,
    refusal_headers=refusal_headers,
    headers=headers,
)
