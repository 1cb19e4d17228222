"""OpenAI's chat completions as types: what of a chunk, or of a whole answer, this package reads.

The fields are those that the `openai` package documents, and those that other services add; who
adds which is on the page "Wire formats" of the documentation.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from ..record import EventKind
from .typed import arguments_of, reader, text_of

_MOST_USD = 1_000_000
_TICK_USD = Decimal("1e-10")


class Function(msgspec.Struct, gc=False):
    """A function's name is not read: it is known before the model has written one argument.

    `arguments` are a string; some servers put an object there.
    """

    arguments: Any = None


class Custom(msgspec.Struct, gc=False):
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    function: Function | None = None
    custom: Custom | None = None


class Detail(msgspec.Struct, gc=False):
    """OpenRouter's `reasoning_details`: text or a summary; `data` is encrypted and not text."""

    text: str | None = None
    summary: str | None = None


class Step(msgspec.Struct, gc=False):
    """A step of Perplexity's research; what it searched and found is not the model's word."""

    thought: str | None = None


class Delta(msgspec.Struct, gc=False):
    """What is new in a choice, or all of it; `content` is a string or, with Mistral and
    Databricks, parts."""

    content: Any = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    """GitHub Copilot's name."""
    reasoning_details: list[Detail] | None = None
    reasoning_steps: list[Step] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None

    def mixed(self) -> bool:
        """Whether there is anything beside the content."""
        return bool(
            self.tool_calls
            or self.reasoning_content
            or self.reasoning
            or self.refusal
            or self.function_call
            or self.reasoning_text
            or self.reasoning_details
            or self.reasoning_steps
        )

    def thought(self) -> str:
        """Reasoning text under the first of its names that has any.

        Some servers repeat the same text under two names (vLLM as `reasoning` and
        `reasoning_content`, OpenRouter as `reasoning` and `reasoning_details`).
        """
        if text := self.reasoning_content or self.reasoning or self.reasoning_text:
            return text
        if self.reasoning_details:
            return "".join(one.text or one.summary or "" for one in self.reasoning_details)
        if self.reasoning_steps:
            return "".join(one.thought or "" for one in self.reasoning_steps)
        return _thinking(self.content) if isinstance(self.content, list) else ""

    def called(self) -> str:
        """Arguments of tool calls, of the deprecated function call, and input of custom tools."""
        if not (self.tool_calls or self.function_call):
            return ""
        parts = [arguments_of(self.function_call.arguments)] if self.function_call else []
        for call in self.tool_calls or ():
            if call.function:
                parts.append(arguments_of(call.function.arguments))
            if call.custom:
                parts.append(call.custom.input or "")
        return "".join(parts)

    def carried(self) -> tuple[EventKind, str] | None:
        """What the delta brings, as one content event; None where it brings nothing.

        A delta that holds reasoning and answer at once is an event of the answer.
        """
        content = self.content
        if content and isinstance(content, str) and not self.mixed():
            return EventKind.TEXT, content
        text = content if isinstance(content, str) else text_of(content) or ""
        refusal, called = self.refusal or "", self.called()
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
    text: str | None = None
    """What there is where a choice has no delta; Together repeats its delta here."""
    finish_reason: str | None = None
    usage: Counts | None = None
    """Moonshot puts the counts here, beside the finish reason."""
    error: Any = None
    """OpenRouter may put it here, beside the finish reason `error`."""


class InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class Cost(msgspec.Struct, gc=False):
    """Perplexity's `cost`, in dollars."""

    total_cost: Decimal | None = None


class Times(msgspec.Struct, gc=False):
    """How long the service says that it took, in seconds."""

    queue_time: float | None = None
    prompt_time: float | None = None
    completion_time: float | None = None
    total_time: float | None = None


class Counts(msgspec.Struct, gc=False):
    """The `usage` object, with what DeepSeek, SGLang, Groq, OpenRouter, Perplexity, xAI, Mistral
    and Moonshot put there besides."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    queue_time: float | None = None
    prompt_time: float | None = None
    completion_time: float | None = None
    total_time: float | None = None
    cost: Decimal | Cost | None = None
    cost_in_usd_ticks: int | None = None
    service_tier: str | None = None


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
    service_tier: str | None = None
    usage: Counts | None = None
    timings: dict[str, Any] | None = None
    time_info: Times | None = None
    perf_metrics: dict[str, Any] | None = None
    error: Any = None
    x_groq: Groq | None = None


read = reader(Chunk)


def billed(cost: Decimal | Cost | None, ticks: int | None) -> Decimal | None:
    """What a service says that a request cost, in dollars; a tick of xAI is 1e-10 of one."""
    if ticks is not None:
        found: Decimal | None = ticks * _TICK_USD
    else:
        found = cost.total_cost if isinstance(cost, Cost) else cost
    if found is None or not found.is_finite() or not 0 <= found < _MOST_USD:
        return None
    return found


def _thinking(parts: list[Any]) -> str:
    """Mistral's parts `{"type": "thinking", "thinking": [{"text": "..."}]}`, and those of
    Databricks: `{"type": "reasoning", "summary": [{"text": "..."}]}`."""
    told = (one.get("thinking") or one.get("summary") for one in parts if isinstance(one, dict))
    return "".join(text_of(one) or "" for one in told)
