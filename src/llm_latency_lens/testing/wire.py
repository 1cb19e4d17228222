"""A wire format as the simulator speaks it, and how a plan is played in it.

A format is a `Wire`: which requests are its own, what they ask for, and a `Form` that writes the
parts of one answer as bytes. Everything else is here and the same for all formats: when each part
is sent, what the send log says of it, HTTP's chunks, and every fault. `wires.WIRES` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..clock import MS_NS
from ..record import EventKind
from ..request import Operation
from .config import SimConfig
from .faults import Fault, FaultKind
from .plan import Plan, plan, words
from .script import LAST_CHUNK, NO_CONTENT, Ending, Entry, Script, chunk, head

Fields = list[tuple[str, str]]
"""Fields of an HTTP header."""

_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Just a moment</title></head>"
    b"<body><h1>This is a page, not an answer</h1></body></html>\n"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An HTTP request as a wire sees it.

    `path` and `query` are as they were sent, percent-encoding included; names of `headers` are in
    lower case. `created` is when it arrived, in Unix seconds.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    created: int = 0
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asked for, as far as the answer depends on it.

    `flavour` is a word of the wire's own. `items` are inputs to embed or documents to rank.
    `max_tokens` is at least 1, or None without a limit.
    """

    model: str
    stream: bool = True
    prompt_tokens: int = 1
    max_tokens: int | None = None
    created: int = 0
    keep_alive: bool = True
    operation: Operation = Operation.CHAT
    include_usage: bool = True
    flavour: str = ""
    items: int = 1


class Form(Protocol):
    """One answer in one format. All parts are bytes of the body, before HTTP cuts it in chunks."""

    def opening(self) -> bytes:
        """What comes before the first token; empty where the format has nothing to say there.

        `SimConfig.role` "off" asks to leave it out, where the format allows that.
        """
        ...

    def events(self) -> list[tuple[bytes, bytes]]:
        """For each content event what goes just before it and carries no content, and the event."""
        ...

    def closing(self, whole: bool) -> bytes:
        """All after the last token; without the format's own end marker where not `whole`."""
        ...

    def error(self) -> bytes:
        """An error inside a stream that began well, and what the format sends after one."""
        ...

    def broken(self) -> bytes:
        """An event that cannot be parsed."""
        ...

    def again(self) -> bytes:
        """One more content event, for an answer that does not end."""
        ...

    def document(self) -> bytes:
        """The answer in one piece."""
        ...


class Whole:
    """The form of an answer that is never streamed: it has a document and no other part."""

    def __init__(self, document: bytes) -> None:
        self._document = document

    def opening(self) -> bytes:
        return b""

    error = broken = again = opening

    def events(self) -> list[tuple[bytes, bytes]]:
        return []

    def closing(self, whole: bool) -> bytes:  # noqa: ARG002
        return b""

    def document(self) -> bytes:
        return self._document


def _no_fields(*_of: object) -> Fields:
    return []


@dataclass(frozen=True, slots=True)
class Wire:
    """One format. Its functions are pure."""

    name: str
    match: Callable[[Asked], bool]
    """Whether a request is this format's, by method and path."""
    read: Callable[[Asked], Ask]
    """What is asked for; ValueError with a plain text for a bad request."""
    form: Callable[[SimConfig, Plan, Ask], Form]
    refusal: Callable[[int, str, str | None], bytes]
    """The body of an HTTP error: status, message (empty: the usual one), code (None: likewise)."""
    key: Callable[[Asked], str | None]
    """The API key that the client sent."""
    stream_type: str = "text/event-stream; charset=utf-8"
    refusal_headers: Callable[[int], Fields] = _no_fields
    """Header fields of an HTTP error by its status."""
    headers: Callable[[Plan, Ask], Fields] = _no_fields
    """Header fields of an answer."""


def telling(wire: Wire, fields: Fields) -> Wire:
    """The same format with these fields in the header of each answer, refusals included."""
    return replace(
        wire,
        headers=lambda plan, ask: [*wire.headers(plan, ask), *fields],
        refusal_headers=lambda status: [*wire.refusal_headers(status), *fields],
    )


def planned(config: SimConfig, index: int, ask: Ask) -> Plan:
    """The schedule of an answer. What has no tokens is ready when a first token would be."""
    limit = ask.max_tokens if ask.operation is Operation.CHAT else 1
    return plan(config, index, prompt_tokens=ask.prompt_tokens, max_tokens=limit)


def answer(wire: Wire, config: SimConfig, plan: Plan, ask: Ask) -> Script:
    """The response to a request that asks the model, its fault included."""
    fault = plan.fault
    kind = fault.kind if fault else None
    if fault and kind is FaultKind.STATUS:
        return refuse(wire, fault.status, delay_ns=fault.delay_ns, keep_alive=ask.keep_alive)
    if kind is FaultKind.SILENCE:
        return Script(ending=Ending.HOLD)
    if kind is FaultKind.HTML:
        return one_send(
            _PAGE, at_ns=plan.first_ns, content_type="text/html", keep_alive=ask.keep_alive
        )
    script = (_stream if ask.stream else _document)(wire, config, plan, ask)
    if fault and kind is FaultKind.SLOW_HEADERS:
        script.trickle(fault.header_ns)
    return script


def refuse(
    wire: Wire,
    status: int,
    message: str = "",
    *,
    code: str | None = None,
    delay_ns: int | None = None,
    keep_alive: bool = True,
) -> Script:
    """An HTTP error; `delay_ns` becomes Retry-After."""
    fields = wire.refusal_headers(status)
    if delay_ns is not None:
        fields = [
            *fields,
            ("retry-after", str(-(-delay_ns // (1000 * MS_NS)))),
            ("retry-after-ms", str(-(-delay_ns // MS_NS))),
        ]
    body = wire.refusal(status, message, code)
    script = one_send(body, status=status, fields=fields, keep_alive=keep_alive)
    script.outcome = "error"
    return script


def one_send(
    body: bytes,
    *,
    status: int = 200,
    at_ns: int = 0,
    content_type: str = "application/json",
    fields: Fields | None = None,
    keep_alive: bool = True,
    entries: tuple[Entry, ...] = NO_CONTENT,
) -> Script:
    """A response with all its body in one send."""
    fields = [("content-length", str(len(body))), *(fields or [])]
    script = Script(status=status)
    script.add(at_ns, head(status, content_type, fields, keep_alive) + body, entries)
    script.ending = Ending.KEEP if keep_alive else Ending.CLOSE
    return script


def sse(data: bytes, event: str | None = None) -> bytes:
    """One server-sent event; `data` is one line."""
    return (
        b"data: %b\n\n" % data
        if event is None
        else b"event: %b\ndata: %b\n\n"
        % (
            event.encode(),
            data,
        )
    )


def bearer(asked: Asked) -> str | None:
    """The key of `Authorization: Bearer`."""
    scheme, _, key = asked.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" and key else None


def tokens_of(characters: int) -> int:
    """How many tokens a prompt of so many characters has: a quarter, and at least 1."""
    return max(1, characters // 4)


def usage_of(plan: Plan) -> int:
    """The output tokens that an answer claims: the true ones but for the fault `wrong-usage`."""
    fault, output = plan.fault, plan.output_tokens
    if fault and fault.kind is FaultKind.WRONG_USAGE:
        return round(output * fault.factor)
    return output


def text_of(plan: Plan, kind: EventKind) -> str:
    """The whole text of one kind."""
    return "".join(t for t, k in zip(words(plan), plan.kinds, strict=True) if k is kind)


def arguments_of(plan: Plan) -> list[str]:
    """The whole arguments of each tool call, as JSON."""
    if not plan.calls:
        return []
    texts = words(plan)
    return [
        "".join(t for t, c in zip(texts, plan.calls, strict=True) if c == call)
        for call in range(plan.calls[-1] + 1)
    ]


def _stream(wire: Wire, config: SimConfig, plan: Plan, ask: Ask) -> Script:
    form, script, fault = wire.form(config, plan, ask), Script(), plan.fault
    if opening := form.opening():
        script.add(0 if config.role == "early" else plan.first_ns, chunk(opening))
    _add_content(script, plan, form.events())
    whole = fault is None or fault.kind is not FaultKind.NO_DONE
    # Servers have all that follows the last token ready at once: it is one send.
    closing = form.closing(whole)
    script.add(plan.end_ns, (chunk(closing) if closing else b"") + LAST_CHUNK)
    if fault is not None:
        _strike(script, fault, plan, config, form)
    if config.burst != 1:
        script.gather()
    if script.data:
        fields = [
            ("cache-control", "no-cache"),
            ("transfer-encoding", "chunked"),
            *wire.headers(plan, ask),
        ]
        script.data[0] = head(200, wire.stream_type, fields, ask.keep_alive) + script.data[0]
    if script.ending is Ending.KEEP and not ask.keep_alive:
        script.ending = Ending.CLOSE
    return script


def _add_content(script: Script, plan: Plan, events: list[tuple[bytes, bytes]]) -> None:
    first = len(script.data)
    script.offsets_ns += plan.offsets_ns
    script.data += [b"%x\r\n%b\r\n" % (len(event), event) for _, event in events]
    script.entries += [((True, tokens),) for tokens in plan.tokens]
    leading = [i for i, (before, _) in enumerate(events) if before]
    for i in reversed(leading):
        script.insert(first + i, chunk(events[i][0]))


def _strike(script: Script, fault: Fault, plan: Plan, config: SimConfig, form: Form) -> None:
    """Let a fault happen in the middle of a stream that was sound so far."""
    place = script.place(fault.at_event(len(plan)))
    at_ns = script.offsets_ns[place]
    match fault.kind:
        case FaultKind.RESET:
            script.stop(place, Ending.RESET, "reset")
        case FaultKind.CUT:
            script.stop(place, Ending.CLOSE, "cut")
        case FaultKind.ERROR_EVENT:
            script.stop(place, Ending.KEEP, "error")
            script.add(at_ns, chunk(form.error()) + LAST_CHUNK)
        case FaultKind.MALFORMED:
            script.insert(place, chunk(form.broken()))
        case FaultKind.ENDLESS:
            script.stop(len(script.data) - 1, Ending.REPEAT if len(plan) else Ending.HOLD, "ok")
            script.repeat = chunk(form.again())
            script.repeat_ns = max(MS_NS, round(config.gap.mean))


def _document(wire: Wire, config: SimConfig, plan: Plan, ask: Ask) -> Script:
    """The response without streaming: one document when the answer is complete."""
    kind = plan.fault.kind if plan.fault else None
    if kind is FaultKind.ERROR_EVENT:
        body = wire.refusal(500, "", None)
    else:
        body = wire.form(config, plan, ask).document()
    if kind is FaultKind.MALFORMED:
        body = body[: len(body) // 2]
    chat = ask.operation is Operation.CHAT
    script = one_send(
        body,
        at_ns=plan.end_ns,
        fields=wire.headers(plan, ask),
        keep_alive=ask.keep_alive,
        entries=((True, sum(plan.tokens)),) if chat else NO_CONTENT,
    )
    match kind:
        case FaultKind.RESET:
            script.stop(0, Ending.RESET, "reset")
        case FaultKind.CUT:
            script.data[0] = script.data[0][: -len(body) // 2]
            script.ending, script.outcome = Ending.CLOSE, "cut"
        case FaultKind.ENDLESS:
            script.stop(0, Ending.HOLD, "ok")
        case FaultKind.ERROR_EVENT:
            script.outcome = "error"
    return script
