"""Google's generateContent as types: what of a chunk, or of a whole answer, this package reads.

The names are those of google-genai's `types.py`, on the wire in camel case.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..record import EventKind
from . import typed

Carried = tuple[EventKind, str]


class PartialArg(msgspec.Struct, gc=False, rename="camel"):
    """A piece of one argument; only strings come in several."""

    string_value: str | None = None
    number_value: Any = None
    bool_value: bool | None = None
    null_value: str | None = None

    def written(self) -> str:
        if self.string_value is not None:
            return self.string_value
        value = self.bool_value if self.number_value is None else self.number_value
        return _json(value) if value is not None or self.null_value else ""


class FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    """A function's name is not read: it is known before the model has written one argument."""

    args: dict[str, Any] | None = None
    partial_args: list[PartialArg] | None = None

    def written(self) -> str:
        text = "" if self.args is None else _json(self.args)
        return text + "".join(one.written() for one in self.partial_args or ())


class Code(msgspec.Struct, gc=False):
    code: str | None = None


class Part(msgspec.Struct, gc=False, rename="camel"):
    """A part of the answer. Signatures, inline data and what a tool gave back are none of these."""

    text: str | None = None
    thought: bool | None = None
    function_call: FunctionCall | None = None
    executable_code: Code | None = None
    tool_call: FunctionCall | None = None

    def carried(self) -> Carried | None:
        if self.text:
            return EventKind.REASONING if self.thought else EventKind.TEXT, self.text
        if call := self.function_call or self.tool_call:
            text = call.written()
        else:
            text = self.executable_code.code or "" if self.executable_code else ""
        return (EventKind.TOOL, text) if text else None


class Content(msgspec.Struct, gc=False):
    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    index: int = 0
    content: Content | None = None
    finish_reason: str | None = None


class Feedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class ModalityCount(msgspec.Struct, gc=False, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class Counts(msgspec.Struct, gc=False, rename="camel"):
    """The `usageMetadata` object. The prompt includes what was cached; the candidates do not
    include the thoughts."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None
    traffic_type: str | None = None
    service_tier: str | None = None


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    """One event of a stream, one element of the array, or a whole answer."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Counts | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None

    def blocked(self) -> str | None:
        """Why the prompt was not answered at all."""
        return (self.prompt_feedback and self.prompt_feedback.block_reason) or None


read = typed.reader(Chunk)


def joined(found: list[Carried]) -> Carried:
    """Several parts of one chunk as one content event.

    A chunk that holds reasoning and answer at once is an event of the answer.
    """
    if len(found) == 1:
        return found[0]
    kinds = {kind for kind, _ in found}
    kind = next(k for k in (EventKind.TEXT, EventKind.TOOL, EventKind.REASONING) if k in kinds)
    return kind, "".join(text for _, text in found)


def _json(value: Any) -> str:
    return typed.text_of(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) or ""
