"""Holds the arrivals of an open loop back while a rate limit says so.

What is known of the limits comes with answers that have ended: a refusal that asks to wait, or
headers that count what remains. A count is as old as the request that it came with, so that what
was sent since is taken off. Once a limit is whole again, as much as it allows goes out at once,
and no more. Every arrival keeps its planned time, so that the corrected figures show the wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..clock import MS_NS, SECOND_NS, Clock
from ..providers.limits import read_limits
from ..record import Decoder, RateLimit
from ..timeline import ErrorKind, Timeline

_WAITED_FOR = (ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED)
_WINDOWS_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
"""By when a limit is whole again whose headers do not say so, by the end of its name."""
_LOOK_AGAIN_NS = 50 * MS_NS
_REMEMBERED = 10_000


@dataclass(slots=True)
class _Allowance:
    """What one limit still allows until it is whole again; then, what it allows in all."""

    left: int
    limit: int | None
    whole_ns: int | None
    """None once it is whole, until an answer tells anew."""
    asked_ns: int
    """When the request was sent that this came with."""


class Holds:
    """What holds arrivals back, and how much was held back."""

    def __init__(self, decode: Decoder, clock: Clock) -> None:
        self.arrivals = 0
        """Arrivals that were held back."""
        self.waited_ns = 0
        """How long they were, all together."""
        self.windows_ns: list[tuple[int, int]] = []
        """From when until when nothing was let go."""
        self.waiting_ns: int | None = None
        """Until when the next arrival waits; None while none does."""
        self._decode = decode
        self._clock = clock
        self._gate = asyncio.Lock()
        self._asked_ns = 0
        """A refusal asked for nothing before that."""
        self._allowances: dict[str, _Allowance] = {}
        self._starts: deque[int] = deque(maxlen=_REMEMBERED)
        self._under_way = 0

    async def let_go(self, sleep_until: Callable[[int], Awaitable[bool]]) -> bool:
        """Wait until one more may be sent; False when `sleep_until` says to stop meanwhile."""
        came_ns = self._clock.monotonic_ns()
        async with self._gate:  # one looks at the limits, the others queue behind it in their order
            if not await self._wait(sleep_until):
                return False
        if self.windows_ns and self.windows_ns[-1][1] > came_ns:
            self.arrivals += 1
            self.waited_ns += self._clock.monotonic_ns() - came_ns
        return True

    def begin(self) -> None:
        """A request is sent."""
        self._under_way += 1
        self._starts.append(self._clock.monotonic_ns())
        for allowance in self._allowances.values():
            allowance.left -= 1

    def end(self, timeline: Timeline) -> None:
        """A request has ended: its headers are looked at, and its body where it was refused."""
        self._under_way -= 1
        answered_ns = timeline.first_byte_ns
        if answered_ns is None or timeline.start_ns is None:
            return
        if timeline.status is not None and timeline.status >= 400:
            error = self._decode(timeline).error
            if error and error.kind in _WAITED_FOR and error.retry_after_s is not None:
                wait_ns = int(error.retry_after_s * SECOND_NS)
                self._asked_ns = max(self._asked_ns, answered_ns + wait_ns)
        at_unix_s = (answered_ns + timeline.offset_ns) / SECOND_NS
        for limit in read_limits(timeline.headers, at_unix_s):
            self._note(limit, timeline.start_ns, answered_ns)

    async def _wait(self, sleep_until: Callable[[int], Awaitable[bool]]) -> bool:
        begin_ns, going = self._clock.monotonic_ns(), True
        while going and (until_ns := self._until_ns()) is not None:
            self.waiting_ns = until_ns
            # In slices: an answer on its way may say that all is well again.
            soon_ns = self._clock.monotonic_ns() + _LOOK_AGAIN_NS
            going = await sleep_until(min(until_ns, soon_ns))
        if self.waiting_ns is not None:
            self.waiting_ns = None
            self.windows_ns.append((begin_ns, self._clock.monotonic_ns()))
        return going

    def _until_ns(self) -> int | None:
        """When to send, or to look again; None for now."""
        now_ns = self._clock.monotonic_ns()
        ends = [self._end_of(name, now_ns) for name in list(self._allowances)]
        until_ns = max([self._asked_ns, *ends])
        return until_ns if until_ns > now_ns else None

    def _end_of(self, name: str, now_ns: int) -> int:
        """When one limit lets the next request go."""
        allowance = self._allowances[name]
        whole_ns = allowance.whole_ns
        if whole_ns is not None and whole_ns <= now_ns:
            if allowance.limit is None:
                del self._allowances[name]
                return 0
            allowance.left, allowance.whole_ns = allowance.limit, None
        if allowance.left > 0:
            return 0
        if allowance.whole_ns is not None:
            return allowance.whole_ns
        if self._under_way:  # what is on its way will tell how it stands
            return now_ns + _LOOK_AGAIN_NS
        del self._allowances[name]
        return 0

    def _note(self, limit: RateLimit, asked_ns: int, answered_ns: int) -> None:
        known = self._allowances.get(limit.name)
        if limit.remaining is None or (known and known.asked_ns > asked_ns):
            return
        counts_requests = limit.name.startswith("requests")
        if not counts_requests and limit.remaining:
            self._allowances.pop(limit.name, None)
            return
        reset_s = limit.reset_s
        if reset_s is None:
            reset_s = _WINDOWS_S.get(limit.name.rpartition("_")[2])
        whole_ns = answered_ns + int((reset_s or 0) * SECOND_NS)
        if whole_ns > self._clock.monotonic_ns():
            left = limit.remaining - (self._since(asked_ns) if counts_requests else 0)
            most = limit.limit if counts_requests else None
            self._allowances[limit.name] = _Allowance(left, most, whole_ns, asked_ns)

    def _since(self, moment_ns: int) -> int:
        """How many requests were sent after that moment."""
        count = 0
        for start_ns in reversed(self._starts):
            if start_ns <= moment_ns:
                break
            count += 1
        return count
