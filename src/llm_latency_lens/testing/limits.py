"""Rate limits of the simulated provider: so many requests or tokens in a window, told in headers.

A window begins with the first request in it. Header fields are OpenAI's, whatever the format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ..clock import MS_NS
from ..errors import UsageError
from .values import format_duration, parse_duration

KINDS = ("requests", "tokens")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `number` of a kind in each window. Written `requests:60/60s`."""

    kind: str
    number: int
    window_ns: int

    @classmethod
    def parse(cls, text: str) -> Limit:
        kind, colon, rest = text.strip().partition(":")
        number, slash, window = rest.partition("/")
        if kind not in KINDS or not colon or not slash or not number.strip().isdecimal():
            raise UsageError(f"'{text}' is not a limit: write e.g. requests:60/60s or tokens:9/1s")
        window_ns = parse_duration(window)
        if window_ns < MS_NS:
            raise UsageError(f"'{text}': a window is at least 1ms long")
        return cls(kind, int(number), window_ns)

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}/{format_duration(self.window_ns)}"


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Limits joined by commas, one of a kind."""
    limits = tuple(map(Limit.parse, text.split(",")))
    if len({limit.kind for limit in limits}) < len(limits):
        raise UsageError(f"'{text}' limits a kind twice")
    return limits


class Limiter:
    """Counts what is asked for, and says what is left."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._windows = [_Window(limit) for limit in limits]

    def take(self, at_ns: int, tokens: int) -> tuple[list[tuple[str, str]], int | None]:
        """Header fields, and how long to wait where it is too much: then nothing is counted."""
        wanted = [(window, 1 if window.counts_requests else tokens) for window in self._windows]
        waits = [wait for window, amount in wanted if (wait := window.wait_ns(at_ns, amount))]
        if not waits:
            for window, amount in wanted:
                window.used += amount
        fields = [field for window in self._windows for field in window.fields(at_ns)]
        return fields, max(waits, default=None)


class _Window:
    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._end_ns: int | None = None
        self.used = 0
        self.counts_requests = limit.kind == "requests"

    def wait_ns(self, at_ns: int, amount: int) -> int:
        """How long until so much may be taken; 0 for now."""
        if self._end_ns is None or at_ns >= self._end_ns:
            self._end_ns, self.used = at_ns + self._limit.window_ns, 0
        return 0 if self.used + amount <= self._limit.number else self._end_ns - at_ns

    def fields(self, at_ns: int) -> list[tuple[str, str]]:
        assert self._end_ns is not None
        kind, number = self._limit.kind, self._limit.number
        reset_ms = ceil((self._end_ns - at_ns) / MS_NS)
        return [
            (f"x-ratelimit-limit-{kind}", str(number)),
            (f"x-ratelimit-remaining-{kind}", str(number - self.used)),
            (f"x-ratelimit-reset-{kind}", f"{reset_ms / 1000}s"),
        ]
