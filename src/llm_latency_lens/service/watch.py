"""All targets, each probed by its timetable: who is asked next, who is held back, and why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from ..clock import SECOND_NS, Clock
from ..errors import UsageError
from ..pricing import ZERO, Book
from ..record import Record
from ..timeline import ErrorKind
from .config import MonitorConfig, TargetConfig
from .pricing import came_to
from .probe import Probe, Row, Taker
from .probing import Prober, Ways, Wires
from .spending import Spending
from .timetable import Timetable, phase

_LONGEST_HOLD_S = 3600.0
"""What a server asks for is believed up to an hour."""

_LAST_S = 1.0
_LATEST_NS = 2 * SECOND_NS
"""A probe that cannot be begun within that of its time is left out."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands with the schedule. Counts are since the monitor started."""

    target: str
    probing: bool
    next_unix_s: float
    held_until_unix_s: float | None
    """A rate limit holds its probes back until then."""
    spent_usd_today: Decimal
    out_of_money: bool
    """The day's money is spent; it is asked again after midnight UTC."""
    late: int
    """Probes that were left out since the one before took too long."""
    held_back: int
    """Probes that were left out for a rate limit."""
    unpaid: int
    """Probes that were left out for want of money."""


@dataclass(slots=True)
class _Post:
    """One target on watch."""

    config: TargetConfig
    prober: Prober
    times: Timetable
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None
    probing: bool = False
    leaving: bool = False
    held_until_ns: int = 0
    out_of_money: bool = False
    late: int = 0
    held_back: int = 0
    unpaid: int = 0


class Watch:
    """Probes every target of the configuration and tells `tell` of each probe.

    `apply` takes up a configuration, also a new one: a target that did not change keeps its
    schedule. `stop` lets what is under way end.
    """

    def __init__(
        self,
        tell: Taker,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        run: str,
        ways: Ways | None = None,
    ) -> None:
        self.spending = Spending()
        self._tell = tell
        self._clock = clock
        self._environ = environ
        self._run = run
        self._ways = ways or Wires(clock)
        self._posts: dict[str, _Post] = {}
        self._tasks: dict[asyncio.Task[None], _Post] = {}
        """Those of targets that have left the configuration are here until they have ended."""
        self._places = count()
        self._book: Book | None = None
        self._most: Decimal | None = None

    # -- who is asked ---------------------------------------------------------------------------

    def apply(self, config: MonitorConfig, book: Book) -> None:
        """Watch these targets, from now on; `book` has the prices."""
        priced_anew, self._book = book is not self._book, book
        self._most = config.max_cost_usd_per_day
        before, self._posts = self._posts, {}
        for target in config.targets:
            post = before.get(target.name)
            if post and post.config == target and not priced_anew:
                self._posts[target.name] = before.pop(target.name)
            else:
                self._posts[target.name] = self._new_post(target, book, config.seed, post)
        for post in before.values():
            self._dismiss(post)

    def _new_post(self, target: TargetConfig, book: Book, seed: int, before: _Post | None) -> _Post:
        times = self._timetable(target, seed)
        if before and _pace(before.config) == _pace(target):
            times = before.times
        prober = Prober(
            target,
            ways=self._ways,
            book=book,
            clock=self._clock,
            environ=self._environ,
            run=f"{self._run}-{next(self._places)}",
        )
        post = _Post(target, prober, times)
        task = asyncio.create_task(self._keep(post))
        post.task = task
        self._tasks[task] = post
        task.add_done_callback(self._left)
        return post

    def _timetable(self, target: TargetConfig, seed: int) -> Timetable:
        span_ns = target.interval_s * SECOND_NS
        origin_ns = self._clock.monotonic_ns() + round(phase(len(self._posts)) * span_ns)
        return Timetable(origin_ns, target.interval_s, target.jitter, f"{seed}/{target.name}")

    def _dismiss(self, post: _Post) -> None:
        """No new probe of it; one that is under way ends as it would."""
        post.leaving = True
        if post.task and not post.probing:
            post.task.cancel()

    def _left(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).prober.close()
        if not task.cancelled() and (bug := task.exception()):
            _log.error("the watch on a target has ended", exc_info=bug)

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more; what is still under way after the grace is cut off, and recorded."""
        posts, self._posts = self._posts, {}
        for post in posts.values():
            self._dismiss(post)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for post in [*posts.values(), *self._tasks.values()]:
            post.prober.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_S)
        for task in list(self._tasks):
            task.cancel()  # a cloud that is asked who one is takes its time
        await self._ways.aclose()

    # -- how they stand -------------------------------------------------------------------------

    def standing(self, name: str) -> Standing | None:
        """How a target stands; None where there is none of that name."""
        post = self._posts.get(name)
        if post is None:
            return None
        now_ns, now_unix_ns = self._clock.monotonic_ns(), self._clock.realtime_ns()
        offset_ns = now_unix_ns - now_ns
        held = post.held_until_ns > now_ns
        return Standing(
            target=name,
            probing=post.probing,
            next_unix_s=(post.times.due_ns() + offset_ns) / SECOND_NS,
            held_until_unix_s=(post.held_until_ns + offset_ns) / SECOND_NS if held else None,
            spent_usd_today=self.spending.today(name, now_unix_ns),
            out_of_money=post.out_of_money,
            late=post.late,
            held_back=post.held_back,
            unpaid=post.unpaid,
        )

    def skipped(self) -> Iterator[tuple[str, str, int]]:
        """(target, reason, how many probes were left out for it since the start)."""
        for name, post in self._posts.items():
            yield name, "late", post.late
            yield name, "rate_limit", post.held_back
            yield name, "money", post.unpaid

    def prices(self) -> Iterator[tuple[str, str, float]]:
        """(target, kind of token, dollars for a million) of all that is known."""
        for name, post in self._posts.items():
            for kind, dollars in post.prober.per_million.items():
                yield name, kind, dollars

    # -- probes ---------------------------------------------------------------------------------

    async def probe_now(self, name: str) -> Row:
        """Probe a target at once, besides its schedule. Raises UsageError where there is none of
        that name, and where a rate limit or the day's money says no."""
        post = self._posts.get(name)
        if post is None:
            raise UsageError(f"no target is named '{name}'")
        async with post.lock:
            if (left_ns := post.held_until_ns - self._clock.monotonic_ns()) > 0:
                raise UsageError(f"a rate limit holds {name} back for {left_ns / SECOND_NS:.0f} s")
            probe = await self._probe(post, None)
        if probe is None:
            raise UsageError(f"the money that {name} may cost today is spent")
        return probe.row

    async def _keep(self, post: _Post) -> None:
        """Probe one target by its timetable, one probe at a time."""
        now_ns = self._clock.monotonic_ns
        while not post.leaving:
            due_ns = post.times.due_ns()
            await self._clock.sleep(due_ns - now_ns())
            post.times.next += 1
            if now_ns() - due_ns > _LATEST_NS:
                # Everything stood still. To send it now would send all targets' at once.
                post.late += 1 + post.times.pass_over(now_ns())
                continue
            if post.held_until_ns > now_ns():
                post.held_back += 1
                continue
            try:
                async with post.lock:
                    await self._probe(post, due_ns)
            except Exception:  # noqa: BLE001  (logged)
                # A mistake in this program must not end the watch on a target for ever.
                _log.exception("a probe of %s could not be made", post.config.name)
            post.late += post.times.pass_over(now_ns())

    async def _probe(self, post: _Post, planned_ns: int | None) -> Probe | None:
        """One probe; None where there is no money for it."""
        post.probing = True
        try:
            await post.prober.prepare()
            bound = self._afford(post)
            if bound is None:
                return None
            name = post.config.name
            self.spending.begin(name, bound)
            cost = bound
            try:
                probe = await post.prober.probe(planned_ns)
                cost = came_to(probe.record, bound)
            finally:
                self.spending.end(name, bound, cost, self._clock.realtime_ns())
            self._hold(post, probe.record)
            self._tell(probe)
        finally:
            post.probing = False
        return probe

    def _afford(self, post: _Post) -> Decimal | None:
        """The most that the probe can cost; None where that is too much today."""
        config = post.config
        if config.max_cost_usd_per_day is None and self._most is None:
            return ZERO
        bound = post.prober.at_most()
        limits = (config.max_cost_usd_per_day, self._most)
        now_unix_ns = self._clock.realtime_ns()
        if bound is not None and self.spending.allows(config.name, bound, now_unix_ns, *limits):
            post.out_of_money = False
            return bound
        if not post.out_of_money:
            _log.warning("%s is asked no more today: its money is spent", config.name)
        post.out_of_money = True
        post.unpaid += 1
        return None

    def _hold(self, post: _Post, record: Record) -> None:
        """Keep to what the answer says of rate limits."""
        wait_s = min(_asks_to_wait(record), _LONGEST_HOLD_S)
        if wait_s > 0:
            until_ns = self._clock.monotonic_ns() + round(wait_s * SECOND_NS)
            post.held_until_ns = max(post.held_until_ns, until_ns)
            if wait_s > post.config.interval_s:
                _log.warning("a rate limit holds %s back for %.0f s", post.config.name, wait_s)


def _pace(config: TargetConfig) -> tuple[float, float]:
    return config.interval_s, config.jitter


def _asks_to_wait(record: Record) -> float:
    """Seconds until the next probe can be answered."""
    error = record.error
    asked_s = 0.0
    if error and error.kind in (ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED):
        asked_s = error.retry_after_s or 0.0
    used_up = (limit.reset_s or 0.0 for limit in record.rate_limits if limit.remaining == 0)
    return max([asked_s, *used_up])
