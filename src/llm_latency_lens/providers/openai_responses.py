"""OpenAI's Responses, and every server that speaks them: request out, record in.

The stream consists of typed events. Pieces of content are in those whose type ends in `.delta`;
what is whole by then is repeated when a part, an item and the response end, which is passed over
where it had come in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..record import EventKind, Record
from ..request import Prompt, Request, Target
from ..timeline import ErrorKind, Timeline
from . import typed
from .answer import CHECK, Answer, count, events_of, is_stream
from .asking import address, ask, bearer, limit_of
from .chat_wire import Cost, billed
from .common import begin, refused
from .errors_map import complaint_of, read_complaint
from .openai_chat import ACCOUNT_ENV, llama_times
from .provider import Provider

PATH = "/responses"

_PIECES = {
    "response.output_text.delta": EventKind.TEXT,
    "response.refusal.delta": EventKind.REFUSAL,
    "response.reasoning_text.delta": EventKind.REASONING,
    "response.reasoning_summary_text.delta": EventKind.REASONING,
    "response.reasoning.delta": EventKind.REASONING,
    "response.reasoning_summary.delta": EventKind.REASONING,
    "response.function_call_arguments.delta": EventKind.TOOL,
    "response.custom_tool_call_input.delta": EventKind.TOOL,
    "response.mcp_call_arguments.delta": EventKind.TOOL,
    "response.code_interpreter_call_code.delta": EventKind.TOOL,
    "response.shell_call_command.delta": EventKind.TOOL,
    "response.apply_patch_call_operation_diff.delta": EventKind.TOOL,
}
"""The events that carry content, and its kind. Other deltas are sound, or what a tool printed."""

_WHOLES = {name.removesuffix("delta") + "done": kind for name, kind in _PIECES.items()}
_ENDS = frozenset(
    ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
)
_BROKEN_OFF = {"cancelled": (ErrorKind.SERVER, "the response was cancelled where it was made")}
_STEERING = "response.steer"
"""Events about a wish of the client's; that it failed does not touch the answer."""
_RUNNING = frozenset(("queued", "in_progress"))
_ASKING = frozenset(("local_shell_call", "shell_call", "computer_call", "apply_patch_call"))
_TEXTS = {"text": "input_text"}
_SAID_TEXTS = {"text": "output_text"}


# -- request ---------------------------------------------------------------------------------


def build(target: Target, prompt: Prompt, *, version: str = "") -> Request:
    """The HTTP request that puts `prompt` to `target`; for `version` see `asking.address`."""
    body: dict[str, Any] = {
        "model": target.model,
        "input": [_item(message) for message in prompt.messages],
        "stream": target.stream,
    }
    if (limit := limit_of(target, prompt)) is not None:
        body["max_output_tokens"] = limit
    if target.temperature is not None:
        body["temperature"] = target.temperature
    return ask(target, prompt, address(target.base_url, PATH, version), body, bearer(target))


def _item(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message as an item of the input; parts of text have another name there than in a chat."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    names = _SAID_TEXTS if message.get("role") == "assistant" else _TEXTS
    return {**message, "content": [_part(part, names) for part in content]}


def _part(part: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(part, dict):
        return part
    return {**part, "type": names.get(part.get("type", ""), part.get("type"))}


# -- what the events hold --------------------------------------------------------------------


class InputDetails(msgspec.Struct, gc=False):
    """The last two are Perplexity's names."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct, gc=False):
    """The `usage` object; what it cost is told by xAI and Perplexity."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    cost: Decimal | Cost | None = None
    cost_in_usd_ticks: int | None = None


class Part(msgspec.Struct, gc=False):
    """Text of a message or of reasoning."""

    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct, gc=False):
    """A part of the output: a message, reasoning, or a call of a tool.

    `arguments` are a string, but an object where tools are searched for. A shell, a computer and a
    patch are given an `action`, `actions` or an `operation` instead; the `action` of a search of
    the web is a report of what the provider did.
    """

    id: str | None = None
    type: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    arguments: Any = None
    input: str | None = None
    code: str | None = None
    action: Any = None
    actions: Any = None
    operation: Any = None

    def carried(self) -> tuple[EventKind, str] | None:
        """All of its content at once; None where it has none."""
        if called := typed.arguments_of(self.arguments) or self.input or self.code or self._asked():
            return EventKind.TOOL, called
        parts = self.content or ()
        text = "".join(part.text or part.refusal or "" for part in parts)
        if self.type == "reasoning":
            text = "".join(part.text or "" for part in self.summary or ()) + text
            return (EventKind.REASONING, text) if text else None
        if not text:
            return None
        refused = not any(part.text for part in parts)
        return (EventKind.REFUSAL if refused else EventKind.TEXT), text

    def _asked(self) -> str:
        """What the client itself is to do."""
        if self.type not in _ASKING:
            return ""
        return typed.arguments_of(self.action or self.actions or self.operation)


class Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """The whole answer, or what is known of it when it begins."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    output: list[Item] | None = None
    usage: Counts | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream. `text`, `refusal`, `arguments`, `input`, `code` and `item` repeat."""

    type: str | None = None
    delta: Any = None
    item_id: str | None = None
    output_index: int | None = None
    response: Response | None = None
    item: Item | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    code: str | None = None
    message: str | None = None
    error: Any = None
    timings: dict[str, Any] | None = None


read_event = typed.reader(Event)
read_response = typed.reader(Response)


# -- response --------------------------------------------------------------------------------


def decode(timeline: Timeline) -> Record:
    """What a captured request came to. Never raises for what a server sent."""
    record = begin(timeline)
    if refused(timeline, record):
        return record
    body = bytes(timeline.body)
    responses = _Responses()
    if is_stream(body, timeline):
        responses.stream(body, timeline)
    else:
        responses.document(body, timeline)
        record.stream = timeline.stream and not responses.answer.chunks
    return responses.settle(record, timeline)


class _Responses:
    """Gathers one answer, event by event."""

    __slots__ = ("answer", "in_pieces", "whole")

    def __init__(self) -> None:
        self.answer = Answer()
        self.in_pieces: set[int | str | None] = set()
        """Items of the output, by their places, whose content comes piece by piece."""
        self.whole: set[int | str | None] = set()
        """Those whose parts came whole."""

    def stream(self, body: bytes, timeline: Timeline) -> None:
        answer, pieces = self.answer, _PIECES
        for event, name, read, _ in answer.chunks_of(events_of(timeline, body), read_event):
            answer.chunks += 1
            kind = pieces.get(event.type or name.decode("ascii", "replace"))
            if kind is None:
                if self._frame(event, name, read):
                    return
            elif isinstance(event.delta, str) and event.delta:
                self.in_pieces.add(_place(event))
                self._say(kind, event.delta, read)

    def document(self, body: bytes, timeline: Timeline) -> None:
        """A body that is no stream: a whole answer in JSON, or something else altogether."""
        answer = self.answer
        if (found := answer.document_of(body, timeline, read_response)) is None:
            return
        response, place, text = found
        if response.error:
            answer.complain(read_complaint(text))
        elif response.output is None:
            if (complaint := read_complaint(text)).message:
                answer.complain(complaint)
            else:
                answer.problem = f"a JSON document without output came as the answer; {CHECK}"
        elif response.status in _RUNNING:
            answer.problem = f"the answer is not ready (status {response.status})"
        else:
            answer.chunks += 1
            self._finish(response, place)
            answer.end_read = len(timeline.ends) - 1

    def settle(self, record: Record, timeline: Timeline) -> Record:
        answer = self.answer
        if answer.end_read is None and answer.reads:  # some servers end with [DONE] alone
            answer.end_read = answer.done_read
        return answer.settle(
            record,
            timeline,
            lack="the stream ended without response.completed",
            broken_off=_BROKEN_OFF,
        )

    def _say(self, kind: EventKind, text: str, read: int) -> None:
        self.answer.thought = self.answer.thought or kind is EventKind.REASONING
        self.answer.say(kind, text, read)

    def _frame(self, event: Event, name: bytes, read: int) -> bool:
        """What stands around the pieces of content; whether it ends the answer."""
        answer, response = self.answer, event.response
        what = event.type or name.decode("ascii", "replace")
        if what == "error" or (event.error and not what.startswith(_STEERING)):
            told = event.error or {"code": event.code, "message": event.message}
            answer.complain(complaint_of({"error": told}))
        if what in _ENDS:
            if event.timings:
                answer.hints_ms = llama_times(event.timings)
            self._finish(response or Response(), read, what.removeprefix("response."))
            answer.end_read = read
            return True
        if response is not None:
            self._begin(response)
        self._repeated(event, what, read)
        return False

    def _repeated(self, event: Event, what: str, read: int) -> None:
        """What is whole now; it counts where it had not come in pieces."""
        place = _place(event)
        if place in self.in_pieces:
            return
        carried: tuple[EventKind, str] | None = None
        text = event.text or event.refusal or event.arguments or event.input or event.code
        if text and (kind := _WHOLES.get(what)):
            carried = kind, text
        elif event.item and what == "response.output_item.done" and place not in self.whole:
            carried = event.item.carried()
        if carried:
            self.whole.add(place)
            self._say(*carried, read)

    def _begin(self, response: Response) -> None:
        answer = self.answer
        answer.id = response.id or answer.id
        answer.model = response.model or answer.model
        answer.service_tier = response.service_tier or answer.service_tier

    def _finish(self, response: Response, read: int, status: str = "") -> None:
        """The response as it is at its end."""
        answer = self.answer
        self._begin(response)
        if response.usage:
            _fill_counts(answer, response.usage)
        status = response.status or status
        if response.error or status == "failed":
            answer.complain(complaint_of({"error": response.error or {}}))
            return
        why = response.incomplete_details
        answer.finish_reason = (why and why.reason) or status or None
        if not answer.reads and (carried := _joined(response.output or ())):
            self._say(*carried, read)


def _place(event: Event) -> int | str | None:
    """Which item of the output an event belongs to; llama.cpp gives no index, some change ids."""
    if event.output_index is not None:
        return event.output_index
    return event.item_id or (event.item.id if event.item else None)


def _joined(output: Iterable[Item]) -> tuple[EventKind, str] | None:
    """An answer that came whole, as one content event of the answer's kind."""
    found = [carried for item in output if (carried := item.carried())]
    kinds = {kind for kind, _ in found}
    for kind in (EventKind.TEXT, EventKind.REFUSAL, EventKind.TOOL, EventKind.REASONING):
        if kind in kinds:
            return kind, "".join(text for _, text in found)
    return None


def _fill_counts(answer: Answer, counts: Counts) -> None:
    """Input includes what was cached, and output includes reasoning, as this package has it."""
    usage, before = answer.usage, counts.input_tokens_details or InputDetails()
    after = counts.output_tokens_details or OutputDetails()
    usage.input, usage.output = count(counts.input_tokens), count(counts.output_tokens)
    usage.reasoning = count(after.reasoning_tokens)
    usage.cached_input = count(_either(before.cached_tokens, before.cache_read_input_tokens))
    usage.cache_write = count(
        _either(before.cache_write_tokens, before.cache_creation_input_tokens)
    )
    answer.billed_usd = billed(counts.cost, counts.cost_in_usd_ticks)


def _either(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


ROWS = (
    Provider(
        "openai-responses",
        "OpenAI Responses",
        "https://api.openai.com/v1",
        build,
        decode,
        key_env=("OPENAI_API_KEY",),
        base_url_env=("OPENAI_BASE_URL",),
        needs_key=True,
        small_model="gpt-5-nano",
        reports=("usage", "cached", "reasoning", "timings"),
        notes="the provider stores answers unless --extra-body '{\"store\": false}'",
        headers_env=ACCOUNT_ENV,
    ),
)
