"""Ollama's own API: request out, record in; chat and embeddings.

A stream is JSON lines. The last one says how long the server took for what, in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from ..record import EventKind, Record
from ..request import Operation, Prompt, Request, Target
from ..timeline import Timeline
from . import typed
from .answer import CHECK, Answer, count
from .asking import address, ask, bearer, limit_of
from .common import begin, refused
from .errors_map import read_complaint
from .ndjson import is_lines, lines_of
from .one_piece import ask_whole, decode_whole, inputs_of, vectors_problem
from .provider import Dialect, Provider

_NS_PER_MS = 1e6
_DAY_NS = 86_400 * 10**9


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`.

    The limit and the temperature are `options` there; options of `extra_body` are added to them.
    """
    body: dict[str, Any] = {
        "model": target.model,
        "messages": list(prompt.messages),
        "stream": target.stream,
    }
    options: dict[str, Any] = {}
    if (limit := limit_of(target, prompt)) is not None:
        options["num_predict"] = limit
    if target.temperature is not None:
        options["temperature"] = target.temperature
    if options:
        body["options"] = options
    target = _with_options(target, options)
    url = address(target.base_url, "/chat", "/api")
    return ask(target, prompt, url, body, bearer(target), accept="application/x-ndjson")


def _with_options(target: Target, options: Mapping[str, Any]) -> Target:
    given = target.extra_body.get("options")
    if not isinstance(given, Mapping):
        return target
    merged = {name: value for name, value in {**options, **given}.items() if value is not None}
    return replace(target, extra_body={**target.extra_body, "options": merged})


# -- what the lines hold ---------------------------------------------------------------------


class Function(msgspec.Struct, gc=False):
    """A function that is called; its arguments are an object and come whole."""

    arguments: Any = None


class Call(msgspec.Struct, gc=False):
    function: Function | None = None


class Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Call] | None = None

    def carried(self) -> tuple[EventKind, str] | None:
        """What the message brings, as one content event; None where it brings nothing."""
        text, thought = self.content or "", self.thinking or ""
        called = "".join(map(_arguments, self.tool_calls)) if self.tool_calls else ""
        whole = thought + text + called
        if not whole:
            return None
        if text:
            return EventKind.TEXT, whole
        return (EventKind.TOOL if called else EventKind.REASONING), whole


class Told(msgspec.Struct, gc=False):
    """What the server counted and timed. Durations are nanoseconds."""

    model: str | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


class Line(Told, gc=False):
    """One line of a stream, or the whole answer."""

    message: Message | None = None
    done: bool | None = None
    done_reason: str | None = None
    error: Any = None


class Embedded(Told, gc=False):
    embeddings: list[Any] | None = None


read_embedded = typed.reader(Embedded)
read = typed.reader(Line)


def _arguments(call: Call) -> str:
    return typed.arguments_of(call.function.arguments if call.function else None)


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    answer = Answer()
    if is_lines(body, timeline):
        for line, _, place, data in answer.chunks_of(lines_of(timeline, body), read):
            _take(answer, line, place, data)
            if answer.end_read is not None:
                break
    else:
        _document(answer, body, timeline)
        record.stream = timeline.stream and not answer.chunks
    lack = "the stream ended without a line that says done"
    return answer.settle(record, timeline, lack=lack)


def _document(answer: Answer, body: bytes, timeline: Timeline) -> None:
    """A body that is no stream: a whole answer in JSON, or something else altogether."""
    if (found := answer.document_of(body, timeline, read)) is None:
        return
    line, place, text = found
    complaint = read_complaint(text)
    if line.message is None and not line.done and not complaint.message:
        answer.problem = f"a JSON document without a message came as the answer; {CHECK}"
        return
    _take(answer, line, place, text)
    if answer.end_read is not None:
        answer.end_read = len(timeline.ends) - 1


def _take(answer: Answer, line: Line, place: int, data: bytes) -> None:
    answer.chunks += 1
    if line.message is not None and (carried := line.message.carried()):
        answer.thought = answer.thought or bool(line.message.thinking)
        answer.say(*carried, place)
    if answer.model is None:
        answer.model = line.model
    if line.done:
        answer.end_read = place
        answer.finish_reason = line.done_reason or None
        _tell(answer, line)
    elif line.message is None or line.error:
        complaint = read_complaint(data)
        if line.error or complaint.message:
            answer.complain(complaint)


def _tell(answer: Answer, line: Told) -> None:
    """Counts and durations, which stand in the last line of a stream alone.

    A count of 0 is left out by the server: what is missing is unknown.
    """
    usage = answer.usage
    usage.input = count(line.prompt_eval_count)
    usage.cached_input = count(line.prompt_eval_cached_count)
    usage.output = count(line.eval_count)
    durations = {
        "total_ms": line.total_duration,
        "load_ms": line.load_duration,
        "prompt_eval_ms": line.prompt_eval_duration,
        "eval_ms": line.eval_duration,
    }
    answer.hints_ms = {
        name: value / _NS_PER_MS
        for name, value in durations.items()
        if value is not None and 0 <= value < _DAY_NS
    }


# -- embeddings ------------------------------------------------------------------------------


def build_embeddings(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that has the texts of `prompt` embedded."""
    body = {"model": target.model, "input": inputs_of(prompt)}
    url = address(target.base_url, "/embed", "/api")
    return ask_whole(target, prompt, url, body, bearer(target))


def decode_embeddings(timeline: Timeline) -> Record:
    """What a captured request for embeddings came to."""
    return decode_whole(timeline, read_embedded, _embedded)


def _embedded(answer: Answer, document: Embedded) -> str | None:
    answer.model = document.model
    _tell(answer, document)
    return vectors_problem(document.embeddings or ())


ROWS = (
    Provider(
        "ollama",
        "Ollama's own API",
        "http://127.0.0.1:11434",
        build,
        decode,
        key_env=("OLLAMA_API_KEY",),
        base_url_env=("OLLAMA_HOST",),
        reports=("usage", "cached", "timings"),
        notes="cached tokens from newer servers alone",
        also={Operation.EMBEDDINGS: Dialect(build_embeddings, decode_embeddings)},
    ),
)
