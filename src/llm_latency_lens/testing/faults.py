"""What can go wrong on purpose, and how it is written: `KIND[@EVENT][=VALUE]:WHEN`.

    429=2s:5%           one request in twenty is refused with Retry-After: 2
    reset@10:#3         request 3 is reset (RST) where its content event 10 was due
    cut:1%, 500:#0+7    one in a hundred ends half-way (FIN); requests 0 and 7 get a 500

WHEN is a share (`5%`, `0.05`), `always`, or `#` and request indices joined by `+`, counted from 0
as `index` in the send log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from ..clock import SECOND_NS
from ..errors import UsageError
from .values import format_duration, format_number, parse_count, parse_duration, parse_share


class FaultKind(StrEnum):
    """Kinds of faults by the name used in options; an HTTP status is written as its number."""

    STATUS = "status"
    """An HTTP error at once. VALUE: Retry-After, a duration."""
    RESET = "reset"
    """RST in place of EVENT (default 0: before the response began)."""
    CUT = "cut"
    """FIN in place of EVENT (default: half-way), without the end of the body."""
    MALFORMED = "malformed"
    """An event that is not JSON is sent before EVENT (default: half-way); the stream goes on."""
    ERROR_EVENT = "error-event"
    """An error object in place of EVENT (default: half-way), inside a 200; the stream ends."""
    SLOW_HEADERS = "slow-headers"
    """The response's header arrives in pieces. VALUE: over how long (default 1s)."""
    SILENCE = "silence"
    """The request is accepted and never answered."""
    WRONG_USAGE = "wrong-usage"
    """The usage counts VALUE times the true output tokens (default 2)."""
    NO_DONE = "no-done"
    """The body ends without `[DONE]`."""
    HTML = "html"
    """A page instead of a stream, with status 200, when the first event was due."""
    ENDLESS = "endless"
    """The answer goes on until the client hangs up."""


_WITH_EVENT = {FaultKind.RESET, FaultKind.CUT, FaultKind.MALFORMED, FaultKind.ERROR_EVENT}
_WITH_TIME = {FaultKind.STATUS, FaultKind.SLOW_HEADERS}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it happens: with `probability`, and on the requests listed."""

    kind: FaultKind
    probability: float = 0.0
    requests: tuple[int, ...] = ()
    event: int | None = None
    status: int = 0
    delay_ns: int | None = None
    factor: float = 2.0

    @classmethod
    def parse(cls, text: str) -> Fault:
        what, colon, when = text.strip().rpartition(":")
        if not colon:
            raise UsageError(f"fault '{text}' lacks its WHEN: write e.g. {text}:5% or {text}:#0")
        what, _, value = what.partition("=")
        name, _, event = what.partition("@")
        kind, status = _kind(name)
        if event and kind not in _WITH_EVENT:
            raise UsageError(f"fault '{text}': {name} happens at no event in particular")
        if value and kind not in _WITH_TIME and kind is not FaultKind.WRONG_USAGE:
            raise UsageError(f"fault '{text}': {name} takes no value")
        probability, requests = _when(when)
        timed = bool(value) and kind in _WITH_TIME
        return cls(
            kind,
            probability,
            requests,
            _index(event) if event else None,
            status,
            parse_duration(value) if timed else None,
            parse_count(value) if value and not timed else 2.0,
        )

    def __str__(self) -> str:
        text = str(self.status) if self.kind is FaultKind.STATUS else self.kind.value
        if self.event is not None:
            text += f"@{self.event}"
        if self.delay_ns is not None:
            text += f"={format_duration(self.delay_ns)}"
        elif self.kind is FaultKind.WRONG_USAGE:
            text += f"={format_number(self.factor)}"
        if self.requests:
            return f"{text}:#" + "+".join(map(str, self.requests))
        return f"{text}:{self.probability!r}"

    def at_event(self, events: int) -> int:
        """In place of which of an answer's events this happens."""
        if self.event is not None:
            return min(self.event, events)
        return 0 if self.kind is FaultKind.RESET else events // 2

    @property
    def header_ns(self) -> int:
        """Over how long a slow header arrives."""
        return SECOND_NS if self.delay_ns is None else self.delay_ns


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Faults joined by commas; an empty text is none."""
    return tuple(Fault.parse(part) for part in text.split(",") if part.strip())


def choose_fault(faults: Iterable[Fault], index: int, rng: Random) -> Fault | None:
    """The first fault that strikes this request."""
    for fault in faults:
        if index in fault.requests or rng.random() < fault.probability:
            return fault
    return None


def _kind(name: str) -> tuple[FaultKind, int]:
    name = name.strip()
    if name.isdecimal() and 400 <= int(name) <= 599:
        return FaultKind.STATUS, int(name)
    try:
        kind = FaultKind(name)
    except ValueError:
        kind = FaultKind.STATUS
    if kind is FaultKind.STATUS:
        known = ", ".join(kind for kind in FaultKind if kind is not FaultKind.STATUS)
        raise UsageError(f"unknown fault '{name}': known are 400 to 599, {known}")
    return kind, 0


def _when(text: str) -> tuple[float, tuple[int, ...]]:
    text = text.strip()
    if text == "always":
        return 1.0, ()
    if text.startswith("#"):
        return 0.0, tuple(_index(part) for part in text[1:].split("+"))
    return parse_share(text), ()


def _index(text: str) -> int:
    if not text.strip().isdecimal():
        raise UsageError(f"'{text}' is not a number counted from 0")
    return int(text)
