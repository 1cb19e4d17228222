"""Cohere's API, second version: request out, record in; chat and embeddings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from ..record import EventKind, Record
from ..request import Operation, Prompt, Request, Target
from ..timeline import ErrorKind, Timeline
from . import rerank, typed
from .answer import CHECK, Answer, count, events_of, is_stream
from .asking import address, ask, bearer, limit_of
from .common import begin, refused
from .errors_map import Complaint, read_complaint
from .one_piece import ask_whole, decode_whole, inputs_of, vectors_problem
from .provider import Dialect, Provider
from .texts import one_line

VERSION = "/v2"
_DENIED = 498

_BROKEN_OFF = {
    "ERROR": (ErrorKind.SERVER, "the provider broke the answer off (finish_reason ERROR)"),
    "TIMEOUT": (ErrorKind.TIMEOUT, "the provider took too long (finish_reason TIMEOUT)"),
}


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`."""
    body: dict[str, Any] = {
        "model": target.model,
        "messages": list(prompt.messages),
        "stream": target.stream,
    }
    if (limit := limit_of(target, prompt)) is not None:
        body["max_tokens"] = limit
    if target.temperature is not None:
        body["temperature"] = target.temperature
    return ask(target, prompt, address(target.base_url, "/chat", VERSION), body, bearer(target))


# -- what the events hold --------------------------------------------------------------------


class Counted(msgspec.Struct, gc=False):
    """Counts that the API gives as numbers with a fraction of zero."""

    input_tokens: float | None = None
    output_tokens: float | None = None


class Usage(msgspec.Struct, gc=False):
    """`tokens` is what the model read and wrote, `billed_units` what is charged for."""

    tokens: Counted | None = None
    billed_units: Counted | None = None
    cached_tokens: float | None = None


class Content(msgspec.Struct, gc=False):
    """A piece of a content block, or, in an answer that came whole, one block."""

    text: str | None = None
    thinking: str | None = None


class Function(msgspec.Struct, gc=False):
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    function: Function | None = None


class Piece(msgspec.Struct, gc=False):
    """What an event of a stream adds to the message: one block, one call."""

    content: Content | None = None
    tool_plan: str | None = None
    tool_calls: Call | None = None

    def carried(self) -> tuple[EventKind, str] | None:
        """What the piece brings, as one content event; mostly text."""
        if content := self.content:
            if content.text:
                return EventKind.TEXT, content.text
            if content.thinking:
                return EventKind.REASONING, content.thinking
        if self.tool_plan:
            return EventKind.REASONING, self.tool_plan
        if called := _arguments(self.tool_calls):
            return EventKind.TOOL, called
        return None


class Delta(msgspec.Struct, gc=False):
    message: Piece | None = None
    finish_reason: str | None = None
    error: str | None = None
    usage: Usage | None = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream. `message` at the top is an error's."""

    type: str | None = None
    id: str | None = None
    delta: Delta | None = None
    message: Any = None
    error: Any = None


class Message(msgspec.Struct, gc=False):
    content: list[Content] | None = None
    tool_plan: str | None = None
    tool_calls: list[Call] | None = None


class Document(msgspec.Struct, gc=False):
    """The answer in one piece."""

    id: str | None = None
    finish_reason: str | None = None
    message: Message | None = None
    usage: Usage | None = None


read_event = typed.reader(Event)
read_document = typed.reader(Document)


def _arguments(call: Call | None) -> str:
    return (call.function.arguments or "") if call and call.function else ""


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        _name_denial(record)
        return record
    body = bytes(timeline.body)
    answer = Answer()
    if is_stream(body, timeline):
        _stream(answer, body, timeline)
    else:
        _document(answer, body, timeline)
        record.stream = timeline.stream and not answer.chunks
    lack = "the stream ended without message-end"
    return answer.settle(record, timeline, lack=lack, broken_off=_BROKEN_OFF)


def _name_denial(record: Record) -> None:
    """The status 498, which other services use for other things, is a word on a list here."""
    error = record.error
    if error and error.http_status == _DENIED:
        record.error = replace(error, kind=ErrorKind.CONTENT_FILTER)


def _stream(answer: Answer, body: bytes, timeline: Timeline) -> None:
    for event, name, place, data in answer.chunks_of(events_of(timeline, body), read_event):
        answer.chunks += 1
        delta = event.delta
        if delta and delta.message and (carried := delta.message.carried()):
            answer.say(*carried, place)
            if carried[0] is EventKind.REASONING:
                answer.thought = True
        if event.type == "message-end" or name == b"message-end":
            _end(answer, delta or Delta(), place)
        elif name == b"error" or event.error or isinstance(event.message, str):
            answer.complain(read_complaint(data))
        if answer.id is None:
            answer.id = event.id
    if answer.end_read is not None and answer.done_read is not None:
        answer.end_read = answer.done_read


def _end(answer: Answer, delta: Delta, place: int) -> None:
    answer.finish_reason = delta.finish_reason or None
    if answer.finish_reason or answer.reads:
        answer.end_read = place
    if delta.error:
        answer.complain(Complaint(one_line(delta.error), delta.finish_reason))
    _count(answer, delta.usage)


def _document(answer: Answer, body: bytes, timeline: Timeline) -> None:
    """A body that is no stream: a whole answer in JSON, or something else altogether."""
    if (found := answer.document_of(body, timeline, read_document)) is None:
        return
    document, place, text = found
    message = document.message
    if message is None:
        complaint = read_complaint(text)
        if complaint.message:
            answer.complain(complaint)
        else:
            answer.problem = f"a JSON document without a message came as the answer; {CHECK}"
        return
    answer.chunks += 1
    answer.id, answer.finish_reason = document.id, document.finish_reason or None
    _whole(answer, message, place)
    _count(answer, document.usage)
    answer.end_read = len(timeline.ends) - 1


def _whole(answer: Answer, message: Message, place: int) -> None:
    """An answer in one piece is one content event, of the answer's kind."""
    blocks = message.content or []
    thought = (message.tool_plan or "") + "".join(block.thinking or "" for block in blocks)
    text = "".join(block.text or "" for block in blocks)
    called = "".join(map(_arguments, message.tool_calls or ()))
    answer.thought = bool(thought)
    if whole := thought + text + called:
        kind = EventKind.TOOL if called else EventKind.REASONING
        answer.say(EventKind.TEXT if text else kind, whole, place)


def _count(answer: Answer, counted: Usage | None) -> None:
    """The model's own counts, or, where those are missing, what is charged for."""
    if counted is None:
        return
    tokens, billed = counted.tokens or Counted(), counted.billed_units or Counted()
    usage = answer.usage
    usage.billed_input = _whole_of(billed.input_tokens)
    usage.billed_output = _whole_of(billed.output_tokens)
    usage.input, usage.output = _whole_of(tokens.input_tokens), _whole_of(tokens.output_tokens)
    if usage.input is None:
        usage.input = usage.billed_input
    if usage.output is None:
        usage.output = usage.billed_output
    usage.cached_input = _whole_of(counted.cached_tokens)


def _whole_of(value: float | None) -> int | None:
    return count(typed.whole_of(value))


# -- embeddings ------------------------------------------------------------------------------


class Meta(msgspec.Struct, gc=False):
    """Counts of an answer that is no chat."""

    tokens: Counted | None = None
    billed_units: Counted | None = None


class Embedded(msgspec.Struct, gc=False):
    """`embeddings` has a list of vectors for each type that was asked for."""

    id: str | None = None
    embeddings: dict[str, Any] | None = None
    meta: Meta | None = None


read_embedded = typed.reader(Embedded)


def build_embeddings(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that has the texts of `prompt` embedded, as documents of a search."""
    body = {
        "model": target.model,
        "texts": inputs_of(prompt),
        "input_type": "search_document",
        "embedding_types": ["float"],
    }
    url = address(target.base_url, "/embed", VERSION)
    return ask_whole(target, prompt, url, body, bearer(target))


def decode_embeddings(timeline: Timeline) -> Record:
    """What a captured request for embeddings came to."""
    record = decode_whole(timeline, read_embedded, _embedded)
    _name_denial(record)
    return record


def _embedded(answer: Answer, document: Embedded) -> str | None:
    answer.id = document.id
    if meta := document.meta:
        _count(answer, Usage(meta.tokens, meta.billed_units))
    kinds = [kind for kind in (document.embeddings or {}).values() if kind is not None]
    if not all(isinstance(kind, list) for kind in kinds):
        return "the embeddings of the answer are no lists"
    return vectors_problem(one for kind in kinds for one in kind)


ROWS = (
    Provider(
        "cohere",
        "Cohere Chat v2",
        "https://api.cohere.com",
        build,
        decode,
        key_env=("CO_API_KEY", "COHERE_API_KEY"),
        base_url_env=("CO_API_URL",),
        needs_key=True,
        small_model="command-r7b-12-2024",
        reports=("usage", "cached"),
        also={
            Operation.EMBEDDINGS: Dialect(build_embeddings, decode_embeddings),
            Operation.RERANK: rerank.COHERE,
        },
    ),
)
