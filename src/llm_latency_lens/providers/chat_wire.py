"""OpenAI's chat completions as types: what of a chunk, or of a whole answer, this package reads.

`read` first takes the fast road, which expects the types that the `openai` package documents.
What does not fit (content as a list of parts, an id that is a number, a NaN, broken UTF-8) is
parsed once more without types, and whatever has the right shape is taken from it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ..record import EventKind

T = TypeVar("T")


class Function(msgspec.Struct, gc=False):
    """A function's name is not read: it is known before the model has written one argument."""

    arguments: str | None = None


class Custom(msgspec.Struct, gc=False):
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    function: Function | None = None
    custom: Custom | None = None


class Detail(msgspec.Struct, gc=False):
    """OpenRouter's `reasoning_details`: text or a summary; `data` is encrypted and not text."""

    text: str | None = None
    summary: str | None = None


class Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None

    def thought(self) -> str:
        """Reasoning text under the first of its names that has any.

        Some servers repeat the same text under two names (vLLM as `reasoning` and
        `reasoning_content`, OpenRouter as `reasoning` and `reasoning_details`).
        """
        if text := self.reasoning_content or self.reasoning:
            return text
        if not self.reasoning_details:
            return ""
        return "".join(one.text or one.summary or "" for one in self.reasoning_details)

    def called(self) -> str:
        """Arguments of tool calls, of the deprecated function call, and input of custom tools."""
        if not (self.tool_calls or self.function_call):
            return ""
        parts = [self.function_call.arguments or ""] if self.function_call else []
        for call in self.tool_calls or ():
            if call.function:
                parts.append(call.function.arguments or "")
            if call.custom:
                parts.append(call.custom.input or "")
        return "".join(parts)

    def carried(self) -> tuple[EventKind, str] | None:
        """What the delta brings, as one content event; None where it brings nothing.

        A delta that holds reasoning and answer at once is an event of the answer.
        """
        text, refusal, called = self.content or "", self.refusal or "", self.called()
        whole = self.thought() + text + refusal + called
        if not whole:
            return None
        if text:
            return EventKind.TEXT, whole
        if refusal:
            return EventKind.REFUSAL, whole
        return (EventKind.TOOL if called else EventKind.REASONING), whole


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct, gc=False):
    """The `usage` object, with the places where DeepSeek, SGLang and Groq put what they add."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    reasoning_tokens: int | None = None
    queue_time: float | None = None
    prompt_time: float | None = None
    completion_time: float | None = None
    total_time: float | None = None


class Groq(msgspec.Struct, gc=False):
    usage: Counts | None = None
    error: str | None = None


class Chunk(msgspec.Struct, gc=False):
    """One event of a stream, or a whole answer."""

    choices: list[Choice] | None = None
    id: str | None = None
    object: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Counts | None = None
    timings: dict[str, Any] | None = None
    error: Any = None
    x_groq: Groq | None = None


_typed = msgspec.json.Decoder(Chunk).decode
_SURROGATES = re.compile("[\ud800-\udfff]")


def read(data: bytes) -> Chunk | None:
    """One JSON document as a chunk; None for `null`. ValueError for what is no JSON object."""
    try:
        return _typed(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _untyped(json.loads(data.decode("utf-8", "replace")))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _untyped(document: Any) -> Chunk | None:
    if document is None:
        return None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (of the text, not of an argument)
    groq = document.get("x_groq")
    timings = document.get("timings")
    return Chunk(
        choices=_each(document.get("choices"), _choice),
        id=_label(document.get("id")),
        object=_label(document.get("object")),
        model=_label(document.get("model")),
        system_fingerprint=_label(document.get("system_fingerprint")),
        usage=_counts(document.get("usage")),
        timings=timings if isinstance(timings, dict) else None,
        error=document.get("error"),
        x_groq=Groq(_counts(groq.get("usage")), _label(groq.get("error")))
        if isinstance(groq, dict)
        else None,
    )


def _choice(choice: dict[str, Any]) -> Choice:
    return Choice(
        index=_number(choice.get("index")) or 0,
        delta=_delta(choice.get("delta")),
        message=_delta(choice.get("message")),
        finish_reason=_label(choice.get("finish_reason")),
    )


def _delta(delta: Any) -> Delta | None:
    if not isinstance(delta, dict):
        return None
    content = delta.get("content")
    return Delta(
        content=_text(content),
        reasoning_content=_text(delta.get("reasoning_content")) or _thinking(content),
        reasoning=_text(delta.get("reasoning")),
        reasoning_details=_each(delta.get("reasoning_details"), _detail),
        refusal=_text(delta.get("refusal")),
        tool_calls=_each(delta.get("tool_calls"), _call),
        function_call=_function(delta.get("function_call")),
    )


def _detail(detail: dict[str, Any]) -> Detail:
    return Detail(_text(detail.get("text")), _text(detail.get("summary")))


def _call(call: dict[str, Any]) -> ToolCall:
    custom = call.get("custom")
    entered = Custom(_text(custom.get("input"))) if isinstance(custom, dict) else None
    return ToolCall(_function(call.get("function")), entered)


def _function(function: Any) -> Function | None:
    if not isinstance(function, dict):
        return None
    arguments = function.get("arguments")
    if isinstance(arguments, dict | list) and arguments:  # an object where a string belongs
        arguments = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    return Function(_text(arguments))


def _text(value: Any) -> str | None:
    """A string, or the joined text of a list of parts (`[{"type": "text", "text": "..."}]`)."""
    if isinstance(value, list):
        value = "".join(filter(None, map(_part, value)))
    return _SURROGATES.sub("\ufffd", value) if isinstance(value, str) else None


def _part(part: Any) -> str | None:
    return _text(part.get("text")) if isinstance(part, dict) else _text(part)


def _thinking(content: Any) -> str | None:
    """Mistral's thinking parts: `[{"type": "thinking", "thinking": [{"text": "..."}]}]`."""
    if not isinstance(content, list):
        return None
    return "".join(_text(one.get("thinking")) or "" for one in content if isinstance(one, dict))


def _counts(usage: Any) -> Counts | None:
    if not isinstance(usage, dict):
        return None
    before, after = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = _number(before.get("cached_tokens")) if isinstance(before, dict) else None
    thought = _number(after.get("reasoning_tokens")) if isinstance(after, dict) else None
    return Counts(
        prompt_tokens=_number(usage.get("prompt_tokens")),
        completion_tokens=_number(usage.get("completion_tokens")),
        total_tokens=_number(usage.get("total_tokens")),
        prompt_tokens_details=InputDetails(cached),
        completion_tokens_details=OutputDetails(thought),
        prompt_cache_hit_tokens=_number(usage.get("prompt_cache_hit_tokens")),
        reasoning_tokens=_number(usage.get("reasoning_tokens")),
    )


def _number(value: Any) -> int | None:
    """A count: a whole number, also one written as 12.0 or "12"."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and abs(value) < 2**53 else None


def _label(value: Any) -> str | None:
    """A name or id, also one that is a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _text(str(value))


def _each(values: Any, make: Callable[[dict[str, Any]], T]) -> list[T] | None:
    if not isinstance(values, list):
        return None
    return [make(value) for value in values if isinstance(value, dict)]
