"""The calls of a framework, tied to the HTTP exchanges that they come to.

A framework tells its callbacks when a call begins, brings a token and ends, in a thread or task of
its choice and some time after the fact. So its times are used only where there are no better ones:
an exchange that begins in the context of a call, on a stack that the SDK lens taps, belongs to that
call, and is the record, with the call's tag. A call without one (a model in this process, a client
that is not tapped) is a record of what the callbacks were told, and when.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple
from weakref import finalize, ref

from ..pricing import Prices
from ..providers.errors_map import kind_of_status
from ..record import EventKind, Events, Record, RequestError, Status, Usage
from ..request import Operation
from ..timeline import ErrorKind, Stage
from .sdk.begin import claimers
from .sdk.call import Call, Taker, harmless, now, offset_ns
from .sdk.sites import call_site, shown
from .sdk.stacks import TAPS
from .sdk.watching import OnRecord, Seen, Telling, Understanding

_MOST_OPEN = 10_000
"""Calls whose end is waited for: a framework does not tell of every stream that is left early."""
_MOST_AT_A_TIME = 32
"""The same in one context, where a call that was left stays until its context goes."""
_LONGEST_TAG = 200
_PATIENCE_NS = 10_000_000_000
"""How long a record waits for what the framework says of its cost."""
_NETWORK = ("connect", "network", "protocolerror", "readerror")


@dataclass(slots=True)
class About:
    """What is known of a call when it begins."""

    tag: str | None = None
    provider: str = ""
    model: str = ""
    max_tokens: int | None = None
    operation: Operation = Operation.CHAT


@dataclass(slots=True)
class Outcome:
    """What is told when a call has ended."""

    error: BaseException | None = None
    usage: Usage = field(default_factory=Usage)
    finish_reason: str | None = None
    response_id: str | None = None
    response_model: str | None = None
    pieces: Iterable[tuple[EventKind, str]] = ()
    """The whole answer, for a call whose tokens were not told one by one."""
    first_ns: int = 0
    """When the first token came, where no more was told of a stream."""
    cost_usd: Decimal | None = None
    cost_source: str | None = None
    cost_is_own: bool = False
    """The cost follows prices that the user gave the framework."""
    end_ns: int = 0


class FrameworkCall:
    """One call from its beginning to its end; what it takes are exchanges."""

    __slots__ = (
        "about",
        "begun_ns",
        "calls",
        "events",
        "exchanges",
        "failure",
        "is_shell",
        "offset_ns",
        "outcome",
        "served",
        "site",
        "under_way",
        "within",
    )

    def __init__(
        self, calls: FrameworkCalls, about: About, within: Iterable[FrameworkCall]
    ) -> None:
        self.calls = ref(calls)
        self.about = about
        self.within = tuple(within)
        """Calls that may be around this one."""
        self.begun_ns, self.offset_ns = now(), offset_ns()
        self.site = call_site()
        self.events = Events()
        self.exchanges = 0
        self.under_way = self.served = False
        self.is_shell = False
        """A call within this one has what would be its record."""
        self.outcome: Outcome | None = None
        self.failure: RequestError | None = None

    def wants(self) -> bool:
        """Whether an exchange that begins now is its own: its first, or one after a failure."""
        return self.outcome is None and not self.under_way and not self.served

    def take(self, call: Call) -> None:
        """An exchange of its own has ended."""
        self.under_way, self.served = False, _succeeded(call)
        if (calls := self.calls()) is not None:
            calls.tell(Exchange(call, self))

    def has_nothing(self) -> bool:
        return not self.exchanges and not len(self.events)


class Exchange(NamedTuple):
    """An HTTP exchange, and the call that came to it."""

    call: Call
    by: FrameworkCall


class Settled(NamedTuple):
    """A call whose exchanges were told has ended; None means all that are waited for."""

    call: FrameworkCall | None


_open: ContextVar[tuple[FrameworkCall, ...]] = ContextVar("llm_latency_lens_open", default=())
"""The calls that have begun in this context. Those that have ended elsewhere are still in it."""


class FrameworkCalls:
    """The calls that one callback of a framework is told of.

    `on_record` is called with each record, in another thread; without it, they are in `seen`. The
    network stacks of the process are tapped until `close`, or until nobody has the callback.
    """

    def __init__(
        self, on_record: OnRecord | None, prices: Prices | None, *, costs_later: bool = False
    ) -> None:
        understand = _Understood(prices)
        self.seen = Seen(understand)
        worker = _Worker(understand, on_record, costs_later) if on_record else None
        self._telling = Telling(worker) if worker else None
        self._by_key: dict[object, FrameworkCall] = {}
        self.untied = 0
        """How many records are made of the framework's own times."""
        TAPS.acquire()
        claimers.add(self)
        self._release = finalize(self, _release, self._telling)
        self._release.atexit = False

    @harmless
    def begin(self, key: object, about: About, parent: object = ...) -> None:
        """A call begins, in the context in which its exchanges will.

        `parent` is the key of the call that it is part of, where the framework says so.
        """
        if not self._release.alive:
            return
        self.drop(key)
        if len(self._by_key) >= _MOST_OPEN:
            self.drop(next(iter(self._by_key)))
        around = self._around() if parent is ... else [self._by_key.get(parent)]
        call = FrameworkCall(self, about, [one for one in around if one and one.has_nothing()])
        self._by_key[key] = call
        _open.set((*_still_open()[-_MOST_AT_A_TIME:], call))

    def knows(self, key: object) -> bool:
        """Whether a call has begun and not ended."""
        return key in self._by_key

    @harmless
    def token(self, key: object, pieces: Iterable[tuple[EventKind, str]]) -> None:
        """Something of an answer came."""
        at_ns = now()
        if (call := self._by_key.get(key)) is not None and not call.exchanges:
            for kind, text in pieces:
                call.events.add(at_ns, len(call.events), kind, text)

    @harmless
    def end(self, key: object, outcome: Outcome) -> None:
        """A call has ended; what ends a second time has ended."""
        end_ns = now()
        call = self._by_key.pop(key, None)
        if call is None:
            return
        outcome.end_ns = outcome.end_ns or end_ns
        call.failure = _failure(outcome.error, Stage.STREAM if len(call.events) else Stage.WAIT)
        outcome.error = None  # its traceback holds the frames, and so the connection, of the call
        call.outcome = outcome
        _open.set(_still_open())
        if call.exchanges:
            if self._telling is not None:
                self._telling.take(Settled(call))
        elif not call.is_shell:
            for one in call.within:
                one.is_shell = True
            self.untied += 1
            self.tell(call)

    @harmless
    def drop(self, key: object) -> None:
        """A call came to nothing that is measured, as where its answer was in a cache."""
        if (call := self._by_key.pop(key, None)) is not None:
            call.outcome = Outcome()

    @harmless
    def claim(self) -> Taker | None:
        """The innermost call of the context that waits for an exchange takes it."""
        call = next((one for one in reversed(self._around()) if one.wants()), None)
        if call is None:
            return None
        for one in call.within:
            one.is_shell = True
        call.under_way, call.exchanges = True, call.exchanges + 1
        return call.take

    def _around(self) -> list[FrameworkCall]:
        return [one for one in _still_open() if one.calls() is self]

    def tell(self, one: Exchange | FrameworkCall) -> None:
        if self._telling is not None:
            self._telling.take(one)
        else:
            self.seen._take(one)

    def close(self) -> None:
        """Take the taps out, once what was begun has ended; what is still to be told is told."""
        claimers.discard(self)
        self._by_key.clear()
        self._release()
        if self._telling is not None:
            self._telling.close()


def _still_open() -> tuple[FrameworkCall, ...]:
    return tuple(one for one in _open.get() if one.outcome is None)


def _release(telling: Telling | None) -> None:
    TAPS.release()
    if telling is not None:
        telling.take(Settled(None))
        telling.close(wait=False)


class _Worker:
    """Tells a function of records. One whose cost the framework may know better waits for it."""

    def __init__(self, understand: _Understood, tell: OnRecord, costs_later: bool) -> None:
        self._understand = understand
        self._tell = harmless(tell)
        self._costs_later = costs_later
        self._numbers = count()
        self._parked: dict[FrameworkCall, tuple[int, Record]] = {}

    def __call__(self, one: Exchange | FrameworkCall | Settled) -> None:
        if not isinstance(one, Settled):
            self._take(one, self._understand(one, next(self._numbers)))
        elif one.call is None:
            self._settle(list(self._parked))
        else:
            self._settle([one.call])
        late = now() - _PATIENCE_NS
        self._settle([call for call, (at_ns, _) in self._parked.items() if at_ns < late])

    def _take(self, one: Exchange | FrameworkCall, record: Record) -> None:
        if (
            self._costs_later
            and isinstance(one, Exchange)
            and one.by.outcome is None
            and record.status is Status.OK
        ):
            self._parked[one.by] = (now(), record)
        else:
            self._tell(record)

    def _settle(self, calls: Iterable[FrameworkCall]) -> None:
        for call in calls:
            if (found := self._parked.pop(call, None)) is not None:
                self._tell(_costed(found[1], call.outcome))


class _Understood:
    """From an exchange or a call to its record."""

    def __init__(self, prices: Prices | None) -> None:
        self._of = Understanding(prices)
        self._folder = os.getcwd()

    def __call__(self, one: Exchange | FrameworkCall, number: int) -> Record:
        if isinstance(one, Exchange):
            record, by = self._of(one.call, number), one.by
            record.tag = by.about.tag or record.tag
        else:
            by = one
            tag = by.about.tag or shown(by.site, self._folder)
            record = self._of.price(_own(by, number, tag))
        return _costed(record, by.outcome)


def _costed(record: Record, outcome: Outcome | None) -> Record:
    """With the framework's own cost, where its user gave it the prices or nobody else knows one."""
    if outcome is None or outcome.cost_usd is None or record.billed_usd is not None:
        return record
    if outcome.cost_is_own or record.cost_usd is None:
        record.cost_usd, record.cost_source = outcome.cost_usd, outcome.cost_source
    return record


def _own(call: FrameworkCall, number: int, tag: str | None) -> Record:
    """The record of what the callbacks were told."""
    about, outcome, events = call.about, call.outcome or Outcome(), call.events
    streamed = bool(outcome.first_ns or len(events))
    if not len(events):
        events.partial = streamed
        if streamed:
            events.add(outcome.first_ns, 0, EventKind.TEXT, "")
        for kind, text in outcome.pieces:
            events.add(outcome.end_ns, len(events), kind, text)
    error = call.failure
    cancelled = error is not None and error.kind is ErrorKind.CANCELLED
    return Record(
        id=f"call-{number}",
        index=number,
        status=Status.OK if error is None else Status.CANCELLED if cancelled else Status.FAILED,
        provider=about.provider,
        model=about.model,
        tag=tag,
        stream=streamed,
        max_tokens=about.max_tokens,
        operation=about.operation,
        error=error,
        start_ns=call.begun_ns,
        end_ns=outcome.end_ns,
        start_unix_ns=call.begun_ns + call.offset_ns,
        events=events,
        usage=outcome.usage,
        tokens_source="events" if outcome.usage.output is None else "usage",
        finish_reason=outcome.finish_reason,
        response_id=outcome.response_id,
        response_model=outcome.response_model,
    )


def _failure(error: BaseException | None, stage: Stage) -> RequestError | None:
    """By its type and status: its words could quote a prompt."""
    if error is None:
        return None
    name = type(error).__name__
    words = name.lower()
    status = getattr(error, "status_code", None)
    if isinstance(error, GeneratorExit | KeyboardInterrupt) or "cancelled" in words:
        return RequestError(ErrorKind.CANCELLED, stage, "the program cancelled the call")
    if isinstance(error, TimeoutError) or "timeout" in words:
        kind = ErrorKind.TIMEOUT
    elif isinstance(error, ConnectionError) or any(word in words for word in _NETWORK):
        kind = ErrorKind.NETWORK
    elif isinstance(status, int):
        return RequestError(kind_of_status(status), stage, name, status)
    else:
        kind = ErrorKind.PROTOCOL
    return RequestError(kind, stage, name)


def _succeeded(call: Call) -> bool:
    status = bytes(call.body[9:12]) if call.framed else str(call.status).encode()
    return call.failure is None and status[:1] == b"2"


# -- what the adapters have in common -------------------------------------------------------------


def tag_of(
    name: object, tags: Iterable[object] = (), about: Mapping[str, Any] | None = None
) -> str | None:
    """`name [tag,tag] key=value`, in one line; None where nothing was said."""
    listed = ",".join(str(tag) for tag in tags)
    parts = [str(name or ""), f"[{listed}]" if listed else ""]
    parts += [f"{key}={value}" for key, value in (about or {}).items() if value is not None]
    return " ".join(" ".join(parts).split())[:_LONGEST_TAG] or None


def chosen(metadata: object, names: Iterable[str]) -> dict[str, Any]:
    """What is wanted of a call's metadata, of which much is nobody's affair."""
    found = metadata if isinstance(metadata, Mapping) else {}
    return {name: found[name] for name in names if name in found}
