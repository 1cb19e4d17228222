"""AWS Bedrock's InvokeModel and InvokeModelWithResponseStream: request out, record in.

Bedrock puts each vendor's own body into its envelope and takes each vendor's own answer out. Whose
answer it is, is read off its first object, never off the model's name: a profile's name may hide
the vendor, and one vendor's models do not all answer alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import msgspec

from ..record import EventKind, Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import anthropic_messages, typed
from .answer import CHECK, Answer, count
from .anthropic_messages import Messages
from .asking import ask, bearer
from .aws_eventstream import CONTENT_TYPE
from .bedrock_bodies import body_of
from .bedrock_converse import LACK, Converse, Document, Event, read_document
from .bedrock_payloads import (
    METRICS,
    Metrics,
    Piece,
    Shape,
    read_chunk,
    read_last,
    read_piece,
    read_shape,
    untagged,
)
from .bedrock_runtime import events_in, first_count, is_frames, row, url_of
from .common import begin, fill_usage, refused
from .errors_map import complaint_of, read_complaint

_ANTHROPIC = frozenset(
    ("message", "message_start", "message_delta", "message_stop", "ping", "error")
)
_HEADER = "x-amzn-bedrock-"
_INTERVENED = "INTERVENED"
"""What a guardrail did, in the member `amazon-bedrock-guardrailAction` of each object."""


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`, in the words of the model's vendor."""
    body = body_of(target, prompt)
    if "anthropic_version" in body:  # it wants a limit with each request
        prompt = replace(prompt, max_tokens=body["max_tokens"])
    url = url_of(target, "invoke-with-response-stream" if target.stream else "invoke")
    return ask(target, prompt, url, body, bearer(target), accept=CONTENT_TYPE)


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    invoke = _Invoke()
    if is_frames(body, timeline):
        invoke.stream(body, timeline)
    else:
        invoke.document(body, timeline)
        record.stream = timeline.stream and not invoke.answer.chunks
    return invoke.settle(record, timeline)


class _Nova(msgspec.Struct, gc=False, rename="camel"):
    """One event of Nova, under its type."""

    content_block_delta: Event | None = None
    message_stop: Event | None = None
    metadata: Event | None = None


_read_nova = typed.reader(_Nova)


class _Invoke:
    """Gathers one answer, whoever's it is."""

    __slots__ = (
        "_converse",
        "_in_pieces",
        "_intervened",
        "_messages",
        "_metrics",
        "_take",
        "_thinking",
        "answer",
    )

    def __init__(self) -> None:
        self.answer = Answer()
        self._converse = Converse(self.answer)
        self._messages: Messages | None = None
        self._metrics: Metrics | None = None
        self._take: Callable[[bytes, int], None] | None = None
        """How this vendor's objects are taken; None before the first."""
        self._thinking = False
        self._intervened = False
        """A guardrail did: of a prompt that it blocked, nothing else says why the answer ended."""
        self._in_pieces = False
        """A tool call came in pieces: when it is whole, it says nothing new."""

    def stream(self, body: bytes, timeline: Timeline) -> None:
        """Take a captured event stream."""
        answer = self.answer
        for number, (_, payload, read) in enumerate(events_in(body, timeline, answer), 1):
            try:
                inner = read_chunk(payload)
                if inner is None:
                    continue
                if self._take is None:
                    self._take = self._vendor(read_shape(inner) or Shape())
                self._take(inner, read)
            except ValueError:
                answer.problem = f"chunk {number} of the stream does not hold a JSON object"
                continue
            if METRICS in inner:
                self._measured(inner, read)
            if answer.end_read is not None:
                return

    def document(self, body: bytes, timeline: Timeline) -> None:
        """Take a body that is no stream: a whole answer in JSON, or something else altogether."""
        answer = self.answer
        if (found := answer.document_of(body, timeline, read_shape)) is None:
            return
        shape, place, text = found
        if shape.type == "message" and shape.content is not None:
            whole = anthropic_messages.read_message(text)
            self._anthropic().whole(whole or anthropic_messages.Message(), place)
        elif isinstance(shape.output, dict):
            self._converse.whole(read_document(text) or Document(), place)
        else:
            self._piece(text, place)
            if not answer.chunks:
                self._without_answer(text)
        if answer.chunks:
            answer.end_read = len(timeline.ends) - 1

    def _without_answer(self, text: bytes) -> None:
        complaint = read_complaint(text)
        if complaint.message or complaint.code:
            self.answer.complain(complaint)
        else:
            self.answer.problem = f"a JSON document that is no known answer came; {CHECK}"

    # -- one object of each vendor -------------------------------------------------------------

    def _vendor(self, shape: Shape) -> Callable[[bytes, int], None]:
        kind = shape.type or ""
        if kind in _ANTHROPIC or kind.startswith("content_block_"):
            return self._event_of(self._anthropic())
        nova = (name for name in Shape.__struct_fields__ if name not in ("type", "content"))
        return self._nova if any(getattr(shape, name) is not None for name in nova) else self._piece

    def _anthropic(self) -> Messages:
        self._messages = messages = Messages()
        messages.answer = self.answer
        return messages

    def _event_of(self, messages: Messages) -> Callable[[bytes, int], None]:
        def take(inner: bytes, read: int) -> None:
            if (event := anthropic_messages.read_event(inner)) is not None:
                messages.take(event, read)

        return take

    def _nova(self, inner: bytes, read: int) -> None:
        take = self._converse.take
        if (nova := _read_nova(inner)) is None:
            return
        if nova.content_block_delta:
            take("contentBlockDelta", nova.content_block_delta, read)
        elif nova.message_stop:
            take("messageStop", nova.message_stop, read)
        elif nova.metadata:
            take("metadata", nova.metadata, read)
        else:
            self.answer.chunks += 1

    def _piece(self, inner: bytes, read: int) -> None:
        """An object of any other vendor, or all of its answer."""
        answer = self.answer
        if (piece := read_piece(inner)) is None:
            return
        if piece.error:
            answer.complain(complaint_of({"error": piece.error}))
        if not piece.known():
            return
        answer.chunks += 1
        answer.id = answer.id or piece.id or None
        answer.model = answer.model or piece.model or None
        answer.finish_reason = piece.finished() or answer.finish_reason
        self._intervened = self._intervened or piece.guardrail == _INTERVENED
        self._say(piece, read)
        self._count(piece)

    def _say(self, piece: Piece, read: int) -> None:
        parts = piece.carried()
        if piece.choices:
            parts = [one for kind, text in parts for one in self._untagged(kind, text)]
        elif piece.tool_call_delta:
            self._in_pieces = True
        elif piece.tool_calls and self._in_pieces:
            return
        if parts:
            kinds = [kind for kind, _ in parts]
            said = [kind for kind in kinds if kind is not EventKind.REASONING]
            self.answer.thought = self.answer.thought or len(said) < len(kinds)
            kind = said[0] if said else EventKind.REASONING
            self.answer.say(kind, "".join(text for _, text in parts), read)

    def _untagged(self, kind: EventKind, text: str) -> list[tuple[EventKind, str]]:
        if kind is not EventKind.TEXT:
            return [(kind, text)]
        parts, self._thinking = untagged(text, thinking=self._thinking)
        return parts

    def _count(self, piece: Piece) -> None:
        """The vendor's own counts; those that only grow are told with each object."""
        usage = self.answer.usage
        before = (piece.input_text_tokens, piece.prompt_token_count)
        after = (piece.output_text_tokens, piece.generation_token_count)
        if counts := piece.usage:
            before, after = (counts.prompt_tokens, None), (counts.completion_tokens, None)
            if counts.prompt_tokens_details:
                usage.cached_input = count(counts.prompt_tokens_details.cached_tokens)
            if counts.completion_tokens_details:
                usage.reasoning = count(counts.completion_tokens_details.reasoning_tokens)
        elif piece.results:
            after = (piece.results[0].token_count, None)
        usage.input = first_count(*before, usage.input)
        usage.output = first_count(*after, usage.output)

    def _measured(self, inner: bytes, read: int) -> None:
        """Bedrock's own counts and times, which are in the last object."""
        last = read_last(inner)
        if last is None or last.metrics is None:
            return
        self._metrics = last.metrics
        answer = self.answer
        if self._take == self._piece and (answer.finish_reason or answer.reads):
            answer.end_read = read

    # -- what it all came to -------------------------------------------------------------------

    def settle(self, record: Record, timeline: Timeline) -> Record:
        """Fill the record and decide how the request ended."""
        if self._intervened and self.answer.finish_reason is None:
            self.answer.finish_reason = _INTERVENED
        if self._messages:
            self._messages.settle(record, timeline)
        else:
            self.answer.settle(record, timeline, lack=LACK)
        headers = dict(timeline.headers)
        for told in (_of_metrics(self._metrics or Metrics()), _of_headers(headers)):
            told.fill(record)
        fill_usage(record, thought=self.answer.thought)
        if metrics := self._metrics:
            times = {
                "invocation_latency_ms": metrics.invocation_latency,
                "first_byte_latency_ms": metrics.first_byte_latency,
            }
            known = {name: value for name, value in times.items() if value is not None}
            record.hints_ms = {**record.hints_ms, **known}
        tier = headers.get(f"{_HEADER}service-tier")
        if headers.get(f"{_HEADER}performanceconfig-latency") == "optimized":
            tier = "optimized"  # has a price of its own, as a tier has
        record.service_tier = record.service_tier or tier
        return record


class _Told(NamedTuple):
    """Bedrock's own counts: `input` are the tokens that no cache had a part in."""

    input: int | None
    output: int | None
    cached: int | None
    written: int | None

    def fill(self, record: Record) -> None:
        """Put them where the vendor told nothing."""
        usage = record.usage
        if usage.input is None and self.input is not None:
            usage.cached_input = first_count(usage.cached_input, self.cached)
            usage.cache_write = first_count(usage.cache_write, self.written)
            usage.input = self.input + (usage.cached_input or 0) + (usage.cache_write or 0)
        if usage.output is None:
            usage.output = self.output


def _of_metrics(metrics: Metrics) -> _Told:
    return _Told(
        count(metrics.input_token_count),
        count(metrics.output_token_count),
        count(metrics.cache_read_input_token_count),
        count(metrics.cache_write_input_token_count),
    )


def _of_headers(headers: dict[str, str]) -> _Told:
    kinds = ("input", "output", "cache-read-input", "cache-write-input")
    values = [headers.get(f"{_HEADER}{kind}-token-count", "") for kind in kinds]
    return _Told(*(typed.whole_of(value.strip()) for value in values))


ROWS = (
    row(
        "bedrock-invoke",
        "AWS Bedrock, InvokeModel",
        build,
        decode,
        "each vendor's own body: for a model that it does not know, use bedrock",
    ),
)
