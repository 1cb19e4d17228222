"""What an HTTP client makes of a script: the response, and the timeline that was captured of it."""

from __future__ import annotations

import json
from typing import Any

import httptools

from llm_latency_lens.providers import get
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Operation
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.plan import Plan, words
from llm_latency_lens.testing.script import Ending, Script
from llm_latency_lens.testing.wire import Ask, Wire, answer, planned
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline


class Response:
    """A response as llhttp reads it; `pieces` are what of the body came with each send."""

    def __init__(self, script: Script) -> None:
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.complete = False
        self._parser = httptools.HttpResponseParser(self)
        for data in script.data:
            self.pieces.append(b"")
            self._parser.feed_data(data)
        self.status = self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.pieces[-1] += body

    def on_message_complete(self) -> None:
        self.complete = True

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> list[str]:
        """The data of each server-sent event that has nothing but data."""
        events = self.body.decode().split("\n\n")
        assert events.pop() == ""
        return [event.removeprefix("data: ") for event in events]

    @property
    def events(self) -> list[Any]:
        return [json.loads(data) for data in self.data if data != "[DONE]"]


def captured(
    script: Script,
    *,
    provider: str = "openai",
    model: str = "m",
    stream: bool = True,
    operation: Operation = Operation.CHAT,
) -> Timeline:
    """The timeline of a client at no distance: each send is a read at the time it was due."""
    timeline = Timeline(provider=provider, model=model, stream=stream, operation=operation)
    timeline.start_ns = timeline.sent_ns = 0
    if script.data:
        response = Response(script)
        timeline.status, timeline.headers = response.status, tuple(response.headers.items())
        timeline.first_byte_ns = script.offsets_ns[0]
        timeline.complete = response.complete
        for at_ns, piece in zip(script.offsets_ns, response.pieces, strict=True):
            if piece:
                timeline.add(at_ns, piece)
    timeline.closed_ns = script.ending_ns
    if not timeline.complete:
        late = script.ending in (Ending.HOLD, Ending.REPEAT)
        kind = ErrorKind.TIMEOUT if late else ErrorKind.NETWORK
        timeline.fail(kind, Stage.STREAM if script.data else Stage.WAIT, "no whole answer came")
    return timeline


SHAPES: tuple[dict[str, str], ...] = (
    {},
    {"reasoning": "3"},
    {"reasoning": "3", "reasoning_hidden": "yes"},
    {"tool_calls": "2", "tokens": "7"},
    {"tokens_per_event": "3"},
    {"burst": "all"},
    {"role": "early"},
)
"""Options of answers that every format that streams can give, where it has reasoning and tools."""

BROKEN = ("reset@2", "cut@2", "malformed@2", "error-event@2", "html", "endless", "silence", "500")
"""Faults after which an answer is a failed one in every format."""


def read_back(wire: Wire, provider: str, ask: Ask, **options: str) -> tuple[Plan, Record]:
    """A plan, and what the provider's own decoder makes of it when the wire has played it."""
    config = SimConfig.from_options(**{"tokens": "6"} | options)
    due = planned(config, 0, ask)
    script = answer(wire, config, due, ask)
    operation, stream = ask.operation, ask.stream
    timeline = captured(
        script, provider=provider, model=ask.model, stream=stream, operation=operation
    )
    return due, get(provider).dialect(operation).decode(timeline)


def check_reads_back(wire: Wire, provider: str, ask: Ask, **options: str) -> Record:
    """The record is the plan: kinds, texts, stamps, counts. Returned for what only a format has."""
    due, record = read_back(wire, provider, ask, **options)
    assert record.error is None
    assert record.status is Status.OK
    if ask.stream:
        assert list(record.events.kind) == due.kinds
        assert list(record.events.text) == words(due)
        assert list(record.events.at_ns) == due.offsets_ns
    else:
        assert len(record.events) == 1
    assert record.usage.output == due.output_tokens
    assert record.usage.input == due.prompt_tokens
    assert record.end_ns == due.end_ns
    return record
