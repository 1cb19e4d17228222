"""The most that a run may spend: nothing is sent that could take it past its limit.

A request under way counts with the most that it can cost. One that has ended counts so too until
it is decoded, which happens in slices at the heartbeat, or when the next request would not fit; a
request of which nobody can say what it cost keeps counting so.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal

from ..clock import MS_NS, SECOND_NS, Clock
from ..pricing import ZERO, dollars
from ..request import Request
from ..timeline import Timeline

_SLICE_NS = 2 * MS_NS
_MOST_PENDING = 1000


class Budget:
    """`bound` is the most that a request can cost, `cost` what one did, None where unknown.

    `per_second` are dollars for a second of a server that is held from the first request to the
    last.
    """

    def __init__(
        self,
        limit: Decimal,
        bound: Callable[[Request], Decimal],
        cost: Callable[[Timeline], Decimal | None],
        per_second: Decimal | None = None,
    ) -> None:
        self._limit = limit
        self._bound = bound
        self._cost = cost
        self._per_second = per_second or ZERO
        self._spent = ZERO
        self._reserved = ZERO
        self._under_way: dict[int, Decimal] = {}
        self._pending: deque[tuple[Timeline, Decimal]] = deque()
        self._begin_ns: int | None = None
        self._longest_ns = 0
        self._dearest = ZERO
        self._refused = False
        self._assumed = False
        """The request that did not fit had no limit of tokens."""

    def allows(self, request: Request, clock: Clock) -> bool:
        """Whether this request fits. Once one did not, none does: the load stays what it was."""
        if self._refused:
            return False
        wanted = self._most(request) + self._held(clock.monotonic_ns())
        while self._spent + self._reserved + wanted > self._limit and self._pending:
            self._settle_one()
        self._refused = self._spent + self._reserved + wanted > self._limit
        self._assumed = self._refused and request.max_tokens is None
        return not self._refused

    def begin(self, request: Request, timeline: Timeline, clock: Clock) -> None:
        """The request is sent: what it can cost is spoken for."""
        if self._begin_ns is None:
            self._begin_ns = clock.monotonic_ns()
        self._under_way[id(timeline)] = bound = self._most(request)
        self._reserved += bound

    def end(self, timeline: Timeline) -> None:
        """The request has ended; its timeline is complete."""
        self._pending.append((timeline, self._under_way.pop(id(timeline))))
        if timeline.start_ns is not None and timeline.closed_ns is not None:
            self._longest_ns = max(self._longest_ns, timeline.closed_ns - timeline.start_ns)

    def settle(self) -> None:
        """Decode some of what has ended, for at most 2 ms of CPU unless it piles up."""
        begun = time.process_time_ns()
        while self._pending and (
            len(self._pending) > _MOST_PENDING or time.process_time_ns() - begun < _SLICE_NS
        ):
            self._settle_one()

    def verdict(self, clock: Clock) -> str | None:
        """Why the run ended before its plan, in one line; None when the limit stopped nothing."""
        while self._pending:
            self._settle_one()
        if not self._refused:
            return None
        now_ns = clock.monotonic_ns()
        held = ZERO if self._begin_ns is None else self._seconds(now_ns - self._begin_ns)
        advice = "; --max-tokens would bound an answer more closely" if self._assumed else ""
        return (
            f"one more request could have taken the cost past {dollars(self._limit)} (--max-cost);"
            f" {dollars(self._spent + held)} were spent{advice}"
        )

    def _most(self, request: Request) -> Decimal:
        """An answer that nobody limits can be longer than was assumed; then so can the next."""
        bound = self._bound(request)
        return max(bound, self._dearest) if request.max_tokens is None else bound

    def _held(self, now_ns: int) -> Decimal:
        """The server's time if one more request takes as long as the longest did."""
        begin_ns = now_ns if self._begin_ns is None else self._begin_ns
        return self._seconds(now_ns - begin_ns + self._longest_ns)

    def _seconds(self, span_ns: int) -> Decimal:
        return self._per_second * span_ns / SECOND_NS

    def _settle_one(self) -> None:
        timeline, bound = self._pending.popleft()
        self._reserved -= bound
        cost = self._cost(timeline)
        self._spent += bound if cost is None else cost
        self._dearest = max(self._dearest, cost or ZERO)
