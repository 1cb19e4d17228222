"""What stands inside the chunks of InvokeModelWithResponseStream, whichever vendor's it is.

Anthropic and Amazon's Nova have events of their own (`anthropic_messages`, `bedrock_converse`).
All others send one object after the other whose fields name their vendor:

    outputText, results[].outputText                   Amazon Titan
    generation                                         Meta Llama
    outputs[].text                                     Mistral, completing a text
    choices[].delta, .message                          Mistral's chat, AI21 Jamba, OpenAI, Qwen, ...
    choices[].text                                     DeepSeek R1
    text with is_finished or event_type                Cohere Command
    generations[].text                                 Cohere Command, in one piece
    completion                                         Anthropic, completing a text
    completions[].data.text                            AI21 Jurassic

The last object also holds `amazon-bedrock-invocationMetrics`, Bedrock's own counts and times.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..record import EventKind
from . import typed
from .chat_wire import Counts, Delta

METRICS = b'"amazon-bedrock-invocationMetrics"'
_OPEN, _CLOSE = "<reasoning>", "</reasoning>"
_NO_TEXT = frozenset(("", "<EOS_TOKEN>"))


class Chunk(msgspec.Struct, gc=False):
    """A frame of type `chunk`; the padding beside the bytes is not read."""

    data: bytes | None = msgspec.field(default=None, name="bytes")


class Shape(msgspec.Struct, gc=False, rename="camel"):
    """The fields by which the events of Anthropic and of Nova are told from the rest."""

    type: str | None = None
    message_start: Any = None
    content_block_start: Any = None
    content_block_delta: Any = None
    content_block_stop: Any = None
    message_stop: Any = None
    metadata: Any = None
    output: Any = None
    content: Any = None


class Metrics(msgspec.Struct, gc=False, rename="camel"):
    input_token_count: int | None = None
    output_token_count: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None
    invocation_latency: float | None = None
    first_byte_latency: float | None = None


class Last(msgspec.Struct, gc=False):
    metrics: Metrics | None = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")


class Choice(msgspec.Struct, gc=False):
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: str | None = None


class Written(msgspec.Struct, gc=False):
    """One of Titan's results, Mistral's outputs or Cohere's generations."""

    text: str | None = None
    output_text: str | None = msgspec.field(default=None, name="outputText")
    stop_reason: str | None = None
    finish_reason: str | None = None
    completion_reason: str | None = msgspec.field(default=None, name="completionReason")
    token_count: int | None = msgspec.field(default=None, name="tokenCount")


class Reason(msgspec.Struct, gc=False):
    reason: str | None = None


class Completed(msgspec.Struct, gc=False):
    """One of Jurassic's completions."""

    data: Written | None = None
    finish_reason: Reason | None = msgspec.field(default=None, name="finishReason")


class Called(msgspec.Struct, gc=False):
    """A tool call of Command R: an object when it is whole, pieces of JSON before."""

    parameters: Any = None


class Piece(msgspec.Struct, gc=False):
    """One object of any other vendor, or its whole answer."""

    output_text: str | None = msgspec.field(default=None, name="outputText")
    completion_reason: str | None = msgspec.field(default=None, name="completionReason")
    input_text_tokens: int | None = msgspec.field(default=None, name="inputTextTokenCount")
    output_text_tokens: int | None = msgspec.field(default=None, name="totalOutputTextTokenCount")
    results: list[Written] | None = None
    generation: str | None = None
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    stop_reason: str | None = None
    outputs: list[Written] | None = None
    choices: list[Choice] | None = None
    usage: Counts | None = None
    id: str | None = None
    model: str | None = None
    text: str | None = None
    event_type: str | None = None
    finish_reason: str | None = None
    tool_calls: list[Called] | None = None
    tool_call_delta: Called | None = None
    generations: list[Written] | None = None
    completion: str | None = None
    completions: list[Completed] | None = None
    guardrail: str | None = msgspec.field(default=None, name="amazon-bedrock-guardrailAction")
    error: Any = None

    def known(self) -> bool:
        """Whether there is anything of a vendor's in it."""
        return any(
            getattr(self, name) is not None
            for name in self.__struct_fields__
            if name not in ("id", "model", "error")
        )

    def carried(self) -> list[tuple[EventKind, str]]:
        """What it brings; mostly one thing."""
        if self.choices:
            return [one for choice in self.choices for one in _of_choice(choice)]
        calls = [self.tool_call_delta] if self.tool_call_delta else self.tool_calls
        if called := "".join(typed.arguments_of(one.parameters) for one in calls or ()):
            return [(EventKind.TOOL, called)]
        written = self.results or self.outputs or self.generations
        texts = [one.output_text or one.text or "" for one in written or ()]
        if self.completions:
            texts += [one.data.text or "" for one in self.completions if one.data]
        alone = self.output_text or self.generation or self.completion
        if not alone and self.event_type != "stream-end":  # which has the whole text once more
            alone = self.text
        text = "".join((alone or "", *texts))
        return [] if text in _NO_TEXT else [(EventKind.TEXT, text)]

    def finished(self) -> str | None:
        """Why the answer ended, in its vendor's word."""
        if found := self.completion_reason or self.stop_reason or self.finish_reason:
            return found
        for choice in self.choices or ():
            if found := choice.finish_reason or choice.stop_reason:
                return found
        for one in self.results or self.outputs or self.generations or ():
            if found := one.completion_reason or one.stop_reason or one.finish_reason:
                return found
        for done in self.completions or ():
            if done.finish_reason and done.finish_reason.reason:
                return done.finish_reason.reason
        return None


def _of_choice(choice: Choice) -> list[tuple[EventKind, str]]:
    if choice.text:
        return [(EventKind.TEXT, choice.text)]
    delta = choice.delta or choice.message
    carried = delta.carried() if delta else None
    return [carried] if carried else []


def untagged(text: str, *, thinking: bool) -> tuple[list[tuple[EventKind, str]], bool]:
    """A text of OpenAI's open models without the tags around its reasoning.

    `thinking` says, before and after, whether the reasoning goes on.
    """
    thought = ""
    if not thinking and text.startswith(_OPEN):
        thinking, text = True, text.removeprefix(_OPEN)
    if thinking:
        thought, close, text = text.partition(_CLOSE)
        thinking = not close
    parts = [(EventKind.REASONING, thought), (EventKind.TEXT, text)]
    return [part for part in parts if part[1]], thinking


_chunk = msgspec.json.Decoder(Chunk).decode


def read_chunk(data: bytes) -> bytes | None:
    """What a chunk holds. ValueError where that cannot be had."""
    try:
        return _chunk(data).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("not a chunk") from error


read_shape = typed.reader(Shape)
read_last = typed.reader(Last)
read_piece = typed.reader(Piece)
