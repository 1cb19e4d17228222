"""OpenAI's Responses as the simulator speaks them.

Shapes follow the types of OpenAI's own Python package, 3.54.0 (`types/responses/`), and the order
of events what OpenAI sends: each item of the output is added, filled and repeated when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from ..record import EventKind
from .config import SimConfig
from .openai_wire import characters, refusal
from .plan import Plan, words
from .wire import Ask, Asked, Wire, bearer, sse, tokens_of, usage_of

_encode = msgspec.json.encode
_BROKEN = sse(
    b'{"type":"response.output_text.delta","item_id":"msg_sim","delta":" th',
    "response.output_text.delta",
)


class _Body(msgspec.Struct):
    model: str
    input: str | list[dict[str, Any]] = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    try:
        body = _decode_body(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from error
    limit = body.max_output_tokens
    if limit is not None and limit < 1:
        raise ValueError(f"max_output_tokens is too small: {limit}")
    said = len(body.instructions or "")
    said += len(body.input) if isinstance(body.input, str) else sum(map(characters, body.input))
    return Ask(
        body.model, bool(body.stream), tokens_of(said), limit, asked.created, asked.keep_alive
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of the output: a message, reasoning, or a call of a tool."""

    index: int
    id: str
    kind: EventKind
    texts: list[str]

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def body(self, text: str, status: str) -> dict[str, Any]:
        """The item with so much of its text."""
        head = {"id": self.id, "type": _TYPES[self.kind]}
        if self.kind is EventKind.REASONING:
            return {**head, "summary": [_part(self.kind, text)] if text else []}
        head["status"] = status
        if self.kind is EventKind.TOOL:
            call = {"call_id": f"call_{self.id}", "name": "take_note", "arguments": text}
            return {**head, **call}
        return {**head, "role": "assistant", "content": [_part(self.kind, text)] if text else []}


_TYPES = {
    EventKind.TEXT: "message",
    EventKind.REASONING: "reasoning",
    EventKind.TOOL: "function_call",
}
_PIECES = {
    EventKind.TEXT: "response.output_text",
    EventKind.REASONING: "response.reasoning_summary_text",
    EventKind.TOOL: "response.function_call_arguments",
}
_PARTS = {
    EventKind.TEXT: ("response.content_part", "content_index"),
    EventKind.REASONING: ("response.reasoning_summary_part", "summary_index"),
}


def _part(kind: EventKind, text: str) -> dict[str, Any]:
    if kind is EventKind.REASONING:
        return {"type": "summary_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class ResponsesForm:
    """One answer. Events are numbered in the order in which they are written."""

    def __init__(self, config: SimConfig, plan: Plan, ask: Ask) -> None:
        self._config, self._plan, self._ask = config, plan, ask
        self._number = 0
        self._id = f"resp_sim_{plan.index:08d}"
        self._items = _items(plan)

    def opening(self) -> bytes:
        if self._config.role == "off":
            return b""
        started = self._response("in_progress", [], None)
        return b"".join(
            self._event(name, response=started)
            for name in ("response.created", "response.in_progress")
        )

    def events(self) -> list[tuple[bytes, bytes]]:
        found = []
        before = b""
        for item in self._items:
            before += self._begin(item)
            delta = self._delta(item)
            for text in item.texts:
                found.append((before, delta(_encode(text))))
                before = b""
            if item is not self._items[-1]:
                before = self._end(item)
        return found

    def closing(self, whole: bool) -> bytes:
        data = self._end(self._items[-1]) if self._items else b""
        if not whole:
            return data
        status = self._status()
        return data + self._event(f"response.{status}", response=self._done())

    def error(self) -> bytes:
        told = msgspec.json.decode(refusal(500, "", None))["error"]
        error = {"code": told["type"], "message": told["message"]}
        failed = {**self._response("failed", [], None), "error": error}
        return self._event("error", error=told) + self._event("response.failed", response=failed)

    def broken(self) -> bytes:
        return _BROKEN

    def again(self) -> bytes:
        return self._delta(_Item(0, "msg_sim", EventKind.TEXT, []))(b'" again"')

    def document(self) -> bytes:
        return _encode(self._done())

    def _done(self) -> dict[str, Any]:
        status = self._status()
        output = [item.body(item.text, status) for item in self._items]
        response = self._response(status, output, _usage(self._plan))
        if status == "incomplete":
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        return response

    def _status(self) -> str:
        return "incomplete" if self._plan.finish_reason == "length" else "completed"

    def _response(
        self, status: str, output: list[dict[str, Any]], usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._ask.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": self._ask.max_tokens,
            "metadata": {},
            "model": self._ask.model,
            "output": output,
            "parallel_tool_calls": True,
            "service_tier": "default",
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": usage,
        }

    def _begin(self, item: _Item) -> bytes:
        """What comes before the first piece of an item."""
        added = item.body("", "in_progress")
        data = self._event("response.output_item.added", output_index=item.index, item=added)
        return data + self._around(item, "added", "")

    def _end(self, item: _Item) -> bytes:
        """What repeats an item when it is whole."""
        name, text = _PIECES[item.kind], item.text
        where: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
        if item.kind is EventKind.TOOL:
            data = self._event(f"{name}.done", **where, arguments=text)
        else:
            where[_PARTS[item.kind][1]] = 0
            if item.kind is EventKind.TEXT:
                where["logprobs"] = []
            data = self._event(f"{name}.done", **where, text=text)
        data += self._around(item, "done", text)
        whole = item.body(text, "completed")
        return data + self._event("response.output_item.done", output_index=item.index, item=whole)

    def _around(self, item: _Item, what: str, text: str) -> bytes:
        """The beginning or the end of the one part that an item has; none of a call."""
        if item.kind is EventKind.TOOL:
            return b""
        name, index = _PARTS[item.kind]
        where = {"item_id": item.id, "output_index": item.index, index: 0}
        return self._event(f"{name}.{what}", **where, part=_part(item.kind, text))

    def _delta(self, item: _Item) -> Callable[[bytes], bytes]:
        """From a piece of text, as JSON, to its event: what all have in common is written once."""
        name = f"{_PIECES[item.kind]}.delta"
        where: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
        if item.kind is not EventKind.TOOL:
            where[_PARTS[item.kind][1]] = 0
        if item.kind is EventKind.TEXT:
            where["logprobs"] = []
        head = f'event: {name}\ndata: {{"type":"{name}","sequence_number":'.encode()
        middle = b"," + _encode(where)[1:-1] + b',"delta":'

        def event(quoted: bytes) -> bytes:
            self._number += 1
            return head + b"%d" % (self._number - 1) + middle + quoted + b"}\n\n"

        return event

    def _event(self, name: str, **fields: Any) -> bytes:
        data = {"type": name, "sequence_number": self._number, **fields}
        self._number += 1
        return sse(_encode(data), name)


def _items(plan: Plan) -> list[_Item]:
    """The output of a plan: an item for each run of one kind, and for each call."""
    calls = plan.calls or [-1] * len(plan)
    parts = groupby(zip(words(plan), plan.kinds, calls, strict=True), key=lambda one: one[1:])
    return [
        _Item(index, f"item_sim_{plan.index:08d}_{index}", kind, [text for text, *_ in run])
        for index, ((kind, _), run) in enumerate(parts)
    ]


def _usage(plan: Plan) -> dict[str, Any]:
    output = usage_of(plan)
    return {
        "input_tokens": plan.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": plan.reasoning_tokens},
        "total_tokens": plan.prompt_tokens + output,
    }


def _match(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/responses")


WIRE = Wire("openai-responses", _match, read, ResponsesForm, refusal, bearer)
