"""AWS Bedrock's Converse and ConverseStream: request out, record in.

Amazon's Nova models use the same events inside InvokeModelWithResponseStream: `Converse` takes
them one by one, wherever they were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..record import EventKind, Record
from ..request import Message, Prompt, Request, Target
from ..timeline import Timeline
from . import typed
from .answer import CHECK, Answer, count
from .asking import ask, bearer, limit_of
from .aws_eventstream import CONTENT_TYPE
from .bedrock_runtime import events_in, first_count, is_frames, row, url_of
from .common import begin, refused
from .errors_map import read_complaint

_SYSTEM = frozenset(("system", "developer"))


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`."""
    url = url_of(target, "converse-stream" if target.stream else "converse")
    return ask(target, prompt, url, body_of(target, prompt), bearer(target), accept=CONTENT_TYPE)


def body_of(target: Target, prompt: Prompt) -> dict[str, Any]:
    """The body, which has no name of a model in it: that stands in the address."""
    said = [one for one in prompt.messages if one.get("role") not in _SYSTEM]
    body: dict[str, Any] = {
        "messages": [{**one, "content": _blocks(one)} for one in said],
    }
    told = [one for one in prompt.messages if one.get("role") in _SYSTEM]
    if told:
        body["system"] = [block for one in told for block in _blocks(one)]
    settings = {"maxTokens": limit_of(target, prompt), "temperature": target.temperature}
    if given := {name: value for name, value in settings.items() if value is not None}:
        body["inferenceConfig"] = given
    return body


def _blocks(message: Message) -> list[Any]:
    """A message's content as blocks; a block of text may come as other providers write it."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"text": content}]
    return [_block(one) for one in content or ()]


def _block(block: Any) -> Any:
    if isinstance(block, str):
        return {"text": block}
    if isinstance(block, Mapping) and block.get("type") == "text":
        return {"text": block.get("text", "")}
    return block


# -- what the events hold --------------------------------------------------------------------


class Called(msgspec.Struct, gc=False, rename="camel"):
    """A tool's arguments: a piece of JSON in a delta, an object in a whole answer."""

    input: Any = None


class Spoken(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None


class Thought(msgspec.Struct, gc=False, rename="camel"):
    """Signatures and redacted content are no text."""

    text: str | None = None
    reasoning_text: Spoken | None = None


class Cited(msgspec.Struct, gc=False, rename="camel"):
    content: list[Spoken] | None = None


class Block(msgspec.Struct, gc=False, rename="camel"):
    """A piece of a block, or a whole one. Results of tools, images and sources are not read."""

    text: str | None = None
    tool_use: Called | None = None
    reasoning_content: Thought | None = None
    citations_content: Cited | None = None

    def carried(self) -> tuple[EventKind, str] | None:
        """What it brings, as one content event; None where it brings nothing."""
        if self.text:
            return EventKind.TEXT, self.text
        if self.tool_use and (called := typed.arguments_of(self.tool_use.input)):
            return EventKind.TOOL, called
        if (thought := self.reasoning_content) and (
            text := thought.text or (thought.reasoning_text and thought.reasoning_text.text)
        ):
            return EventKind.REASONING, text
        if self.citations_content:
            cited = "".join(one.text or "" for one in self.citations_content.content or ())
            return (EventKind.TEXT, cited) if cited else None
        return None


class Lasting(msgspec.Struct, gc=False, rename="camel"):
    ttl: str | None = None
    input_tokens: int | None = None


class Counts(msgspec.Struct, gc=False, rename="camel"):
    """The `usage` object. `inputTokens` are those that no cache had a part in.

    Nova has a name of its own for each count of a cache.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_tokens: int | None = None
    cache_write_input_token_count: int | None = None
    cache_details: list[Lasting] | None = None


class Metrics(msgspec.Struct, gc=False, rename="camel"):
    latency_ms: float | None = None


class Performance(msgspec.Struct, gc=False, rename="camel"):
    latency: str | None = None


class Tier(msgspec.Struct, gc=False, rename="camel"):
    type: str | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """The payload of any event: its type, which stands outside it, says what may be there."""

    delta: Block | None = None
    stop_reason: str | None = None
    usage: Counts | None = None
    metrics: Metrics | None = None
    performance_config: Performance | None = None
    service_tier: Tier | None = None


class Said(msgspec.Struct, gc=False, rename="camel"):
    content: list[Block] | None = None


class Output(msgspec.Struct, gc=False, rename="camel"):
    message: Said | None = None


class Document(Event, gc=False, rename="camel"):
    """A whole answer, which also has what the last events of a stream have."""

    output: Output | None = None


read_event = typed.reader(Event)
read_document = typed.reader(Document)


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    answer = Answer()
    converse = Converse(answer)
    if is_frames(body, timeline):
        converse.stream(body, timeline)
    else:
        converse.document(body, timeline)
        record.stream = timeline.stream and not answer.chunks
    return answer.settle(record, timeline, lack=LACK)


LACK = "the stream ended without a stop reason"


class Converse:
    """Gathers one answer, event by event."""

    __slots__ = ("_told", "answer")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._told = False
        """The usage was seen: with the stop reason, that is the answer's end."""

    def stream(self, body: bytes, timeline: Timeline) -> None:
        """Take a captured event stream."""
        answer = self.answer
        for number, (name, payload, read) in enumerate(events_in(body, timeline, answer), 1):
            try:
                event = read_event(payload)
            except ValueError:
                answer.problem = f"event {number} of the stream is not a JSON object"
                continue
            if event is not None:
                self.take(name, event, read)
                if answer.end_read is not None:
                    return

    def document(self, body: bytes, timeline: Timeline) -> None:
        """Take a body that is no stream: a whole answer in JSON, or something else altogether."""
        if (found := self.answer.document_of(body, timeline, read_document)) is None:
            return
        document, place, text = found
        if document.output is None:
            complaint = read_complaint(text)
            if complaint.message or complaint.code:
                self.answer.complain(complaint)
            else:
                self.answer.problem = f"a JSON document without output came as answer; {CHECK}"
            return
        self.whole(document, place)
        self.answer.end_read = len(timeline.ends) - 1

    def take(self, name: str, event: Event, read: int) -> None:
        """One event of that type, which that read completed."""
        answer = self.answer
        answer.chunks += 1
        if name == "contentBlockDelta":
            if event.delta and (carried := event.delta.carried()):
                answer.thought = answer.thought or carried[0] is EventKind.REASONING
                answer.say(*carried, read)
            return
        if name == "messageStop":
            answer.finish_reason = event.stop_reason or None
        elif name == "metadata":
            self._told = self._told or event.usage is not None
            self._tell(event)
        else:
            return
        if self._told and answer.finish_reason:
            answer.end_read = read

    def whole(self, document: Document, read: int) -> None:
        """An answer in one piece, which is one content event of the answer's kind."""
        answer, message = self.answer, document.output and document.output.message
        answer.chunks += 1
        answer.finish_reason = document.stop_reason or None
        blocks = (message.content or ()) if message else ()
        carried = [one for block in blocks if (one := block.carried())]
        kinds = {kind for kind, _ in carried}
        answer.thought = EventKind.REASONING in kinds
        for kind in (EventKind.TEXT, EventKind.TOOL, EventKind.REASONING):
            if kind in kinds:
                answer.say(kind, "".join(text for _, text in carried), read)
                break
        self._tell(document)

    def _tell(self, event: Event) -> None:
        """What is said of the answer: counts, the service's own time, the tier."""
        answer = self.answer
        if event.usage:
            self._count(event.usage)
        if event.metrics and event.metrics.latency_ms is not None:
            answer.hints_ms["latency_ms"] = event.metrics.latency_ms
        if event.service_tier:
            answer.service_tier = event.service_tier.type
        if event.performance_config and event.performance_config.latency == "optimized":
            answer.service_tier = "optimized"  # has a price of its own, as a tier has

    def _count(self, counts: Counts) -> None:
        """Map the counts so that input includes what was read from a cache and written to one."""
        usage = self.answer.usage
        usage.cached_input = first_count(
            counts.cache_read_input_tokens, counts.cache_read_input_token_count
        )
        usage.cache_write = first_count(
            counts.cache_write_input_tokens, counts.cache_write_input_token_count
        )
        if counts.cache_details is not None:
            usage.cache_write_1h = sum(
                one.input_tokens or 0 for one in counts.cache_details if one.ttl == "1h"
            )
        usage.output = count(counts.output_tokens)
        usage.input = count(counts.input_tokens)
        if usage.input is not None:
            usage.input += (usage.cached_input or 0) + (usage.cache_write or 0)


ROWS = (row("bedrock", "AWS Bedrock, Converse", build, decode),)
