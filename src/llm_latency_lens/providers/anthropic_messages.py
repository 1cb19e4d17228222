"""Anthropic's Messages: request out, record in.

The same events come from other places in other envelopes: as server-sent events from Vertex AI and
from compatible servers, as payloads of binary frames from Bedrock. `Messages` takes them one by
one, wherever they were found; `body_of` is the body that all of them have in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..record import EventKind, Record
from ..request import Message as Said
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import typed
from .answer import CHECK, Answer, count, events_of, is_stream
from .asking import address, ask, bearer, key_header, limit_of
from .common import begin, refused
from .errors_map import complaint_of, read_complaint
from .provider import Provider

VERSION = "2023-06-01"
"""The `anthropic-version` that is sent where none is given: every server of this format knows it,
and it still takes a temperature, which the one after it refuses."""

MAX_TOKENS = 4096
"""The API wants a limit with each request. Every Claude model allows as many."""

_OFFICIAL_HOST = "api.anthropic.com"
_BEARERS = "sk-ant-oat"
_SYSTEM = frozenset(("system", "developer"))


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`."""
    prompt = replace(prompt, max_tokens=_limit(target, prompt))
    body = {"model": target.model, **body_of(target, prompt), "stream": target.stream}
    version = ("anthropic-version", target.api_version or VERSION)
    url = address(target.base_url, "/messages", "/v1")
    return ask(target, prompt, url, body, (version, *_proof(target)))


def body_of(target: Target, prompt: Prompt) -> dict[str, Any]:
    """The body without the model's name and without `stream`, which not every envelope has."""
    system, messages = _parted(prompt.messages)
    body: dict[str, Any] = {"max_tokens": _limit(target, prompt), "messages": messages}
    if system:
        body["system"] = system
    if target.temperature is not None:
        body["temperature"] = target.temperature
    return body


def _limit(target: Target, prompt: Prompt) -> int:
    limit = limit_of(target, prompt)
    return MAX_TOKENS if limit is None else limit


def _parted(messages: tuple[Said, ...]) -> tuple[str | list[Any], list[Said]]:
    """What the system says, which has a field of its own, and the rest of the conversation."""
    contents = [one.get("content") for one in messages if one.get("role") in _SYSTEM]
    rest = [one for one in messages if one.get("role") not in _SYSTEM]
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return "\n\n".join(texts), rest
    blocks: list[Any] = []
    for content in contents:
        blocks += [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    return blocks, rest


def _proof(target: Target) -> tuple[tuple[str, str], ...]:
    """Who asks: a key goes into a header of its own, an access token is a bearer's.

    Other servers of this format read one or the other, so that both are sent there.
    """
    if urlsplit(target.base_url).hostname != _OFFICIAL_HOST:
        return (*key_header("x-api-key", target), *bearer(target))
    if target.api_key and target.api_key.reveal().startswith(_BEARERS):
        return bearer(target)
    return key_header("x-api-key", target)


# -- what the events hold --------------------------------------------------------------------


class Details(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class Written(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class ServerTools(msgspec.Struct, gc=False):
    web_search_requests: int | None = None


class Counts(msgspec.Struct, gc=False):
    """The `usage` object. `input_tokens` are those that no cache had a part in."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: Written | None = None
    output_tokens_details: Details | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None


_BESIDE_OUTPUT = [name for name in Counts.__struct_fields__ if not name.startswith("output")]


class Block(msgspec.Struct, gc=False):
    """A content block. Results of tools and redacted thinking have none of these fields."""

    text: str | None = None
    thinking: str | None = None
    input: Any = None

    def carried(self) -> tuple[EventKind, str] | None:
        """What the block begins with, as a content event; mostly nothing."""
        if self.text:
            return EventKind.TEXT, self.text
        if self.thinking:
            return EventKind.REASONING, self.thinking
        if called := typed.arguments_of(self.input):
            return EventKind.TOOL, called
        return None


class Delta(msgspec.Struct, gc=False):
    """A piece of a block, or what `message_delta` changes.

    Signatures, citations and the summary of a compacted context are no part of the answer.
    """

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Message(msgspec.Struct, gc=False):
    """The whole answer, or, in `message_start`, its empty beginning."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    usage: Counts | None = None
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str | None = None
    delta: Delta | None = None
    content_block: Block | None = None
    message: Message | None = None
    usage: Counts | None = None
    error: Any = None


read_event = typed.reader(Event)
read_message = typed.reader(Message)


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    messages = Messages()
    if is_stream(body, timeline):
        messages.stream(body, timeline)
    else:
        messages.document(body, timeline)
        record.stream = timeline.stream and not messages.answer.chunks
    return messages.settle(record, timeline)


class Messages:
    """Gathers one answer, event by event."""

    __slots__ = ("_counts", "answer", "stopped")

    def __init__(self) -> None:
        self.answer = Answer()
        self.stopped = False
        """`message_stop` was seen: nothing that follows belongs to the answer."""
        self._counts = Counts()

    def stream(self, body: bytes, timeline: Timeline) -> None:
        """Take a captured body of server-sent events."""
        answer, take = self.answer, self.take
        for event, name, read, data in answer.chunks_of(events_of(timeline, body), read_event):
            if event.type is None:
                event.type = name.decode("ascii", "replace")
            if event.type == "error" or name == b"error":
                answer.complain(read_complaint(data))
            take(event, read)
            if self.stopped:
                return

    def document(self, body: bytes, timeline: Timeline) -> None:
        """Take a body that is no stream: a whole answer in JSON, or something else altogether."""
        if (found := self.answer.document_of(body, timeline, read_message)) is None:
            return
        message, place, text = found
        if message.error or message.content is None:
            complaint = read_complaint(text)
            if message.error or complaint.message:
                self.answer.complain(complaint)
            else:
                self.answer.problem = f"a JSON document without content came as answer; {CHECK}"
            return
        self.whole(message, place)
        self.answer.end_read = len(timeline.ends) - 1

    def take(self, event: Event, read: int) -> None:
        """One event, which that read completed."""
        answer, delta = self.answer, event.delta
        answer.chunks += 1
        if event.type == "content_block_delta":
            if delta is None:
                return
            if delta.text:
                answer.say(EventKind.TEXT, delta.text, read)
            elif delta.partial_json:
                answer.say(EventKind.TOOL, delta.partial_json, read)
            elif delta.thinking:
                answer.thought = True
                answer.say(EventKind.REASONING, delta.thinking, read)
        elif event.error is not None:
            answer.complain(complaint_of({"error": event.error}))
        else:
            self._frame(event, delta, read)

    def _frame(self, event: Event, delta: Delta | None, read: int) -> None:
        """What stands around the pieces of content."""
        answer = self.answer
        match event.type:
            case "content_block_start":
                if event.content_block and (carried := event.content_block.carried()):
                    answer.thought = answer.thought or carried[0] is EventKind.REASONING
                    answer.say(*carried, read)
            case "message_start":
                if event.message:
                    self._begin(event.message)
                    answer.finish_reason = event.message.stop_reason or None
                    self._together(event.message.content or (), read)
            case "message_delta":
                if event.usage:
                    self._count(event.usage)
                    self._count_output(event.usage)
                if delta and delta.stop_reason:
                    answer.finish_reason = delta.stop_reason
            case "message_stop":
                self.stopped = True
                if answer.finish_reason or answer.reads:
                    answer.end_read = read

    def whole(self, message: Message, read: int) -> None:
        """An answer in one piece, which is one content event of the answer's kind."""
        answer = self.answer
        answer.chunks += 1
        self._begin(message)
        if message.usage:
            self._count_output(message.usage)
        answer.finish_reason = message.stop_reason or None
        self._together(message.content or (), read)

    def _together(self, blocks: Iterable[Block], read: int) -> None:
        """What blocks bring that came at once, as one content event."""
        answer = self.answer
        carried = [one for block in blocks if (one := block.carried())]
        kinds = {kind for kind, _ in carried}
        answer.thought = answer.thought or EventKind.REASONING in kinds
        for kind in (EventKind.TEXT, EventKind.TOOL, EventKind.REASONING):
            if kind in kinds:
                answer.say(kind, "".join(text for _, text in carried), read)
                return

    def _begin(self, message: Message) -> None:
        self.answer.id = message.id or None
        self.answer.model = message.model or None
        if message.usage:
            self._count(message.usage)

    def _count(self, new: Counts) -> None:
        """All but the output: what a later event leaves out, or says to be 0, stays as it was.

        Where it tells of a cache, its 0 beside that is meant: the cache had a part in everything.
        LiteLLM puts the sum of all into the input of the last event.
        """
        old = self._counts
        if told := (new.cache_read_input_tokens or 0) + (new.cache_creation_input_tokens or 0):
            if new.input_tokens == 0:
                old.input_tokens = None
            elif old.input_tokens and new.input_tokens == old.input_tokens + told:
                new.input_tokens = None
        for name in _BESIDE_OUTPUT:
            value = getattr(new, name)
            if value or getattr(old, name) is None:
                setattr(old, name, value)

    def _count_output(self, new: Counts) -> None:
        """The output, not from `message_start`, which can only say what there was until then."""
        if new.output_tokens is not None:
            self._counts.output_tokens = new.output_tokens
        if new.output_tokens_details is not None:
            self._counts.output_tokens_details = new.output_tokens_details

    def settle(self, record: Record, timeline: Timeline) -> Record:
        """Fill the record and decide how the request ended."""
        self._fill_usage()
        return self.answer.settle(
            record,
            timeline,
            lack="the stream ended (message_stop) without any content and without a stop reason"
            if self.stopped
            else "the stream ended without a stop reason and without message_stop",
        )

    def _fill_usage(self) -> None:
        """Map the counts so that input includes what was read from a cache and written to one."""
        counts, usage = self._counts, self.answer.usage
        written, details = counts.cache_creation or Written(), counts.output_tokens_details
        usage.cached_input = count(counts.cache_read_input_tokens)
        usage.cache_write = count(counts.cache_creation_input_tokens)
        usage.cache_write_1h = count(written.ephemeral_1h_input_tokens)
        if usage.cache_write is None and counts.cache_creation:
            short = count(written.ephemeral_5m_input_tokens)
            usage.cache_write = (short or 0) + (usage.cache_write_1h or 0)
        usage.input = count(counts.input_tokens)
        if usage.input is not None:
            usage.input += (usage.cached_input or 0) + (usage.cache_write or 0)
        usage.output = count(counts.output_tokens)
        usage.reasoning = count(details.thinking_tokens) if details else None
        if tools := counts.server_tool_use:
            usage.searches = count(tools.web_search_requests)
        fast = counts.speed == "fast"  # has a price of its own, as a tier has
        self.answer.service_tier = "fast" if fast else counts.service_tier


ROWS = (
    Provider(
        name="anthropic",
        title="Anthropic",
        base_url="https://api.anthropic.com",
        build=build,
        decode=decode,
        key_env=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        base_url_env=("ANTHROPIC_BASE_URL",),
        needs_key=True,
        small_model="claude-haiku-4-5",
        reports=("usage", "cached", "reasoning"),
    ),
)
