"""The Request Orchestrator: the only place where a schedule meets a transport.

Slots (closed loop) or arrivals (open loop) are tasks; each sends one request at a time through the
transport. A heartbeat, outside the hot path, watches the instrument, moves finished reads to the
sink a slice at a time, and lets the caller look. Nothing is decoded while a run is busy, but for a
bounded sample that feeds the progress display.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from ..clock import SECOND_NS, Clock
from ..metrics.context import ClockSource
from ..request import Request
from ..timeline import ErrorKind, Stage, Timeline
from .collection import no_collection
from .holds import Holds
from .ledger import Ledger
from .plan import STOPS_HERE, Outcome, Plan, Progress, Sink, Transport
from .retries import backoff_ns
from .scrub import scrub, scrub_body
from .vitals import BEAT_NS, Vitals
from .watch import FirstTokenWatch

_SWEEP_BEATS = 10
_FLUSH_BEATS = 5
_SAMPLE_BEATS = 5

_Slots = asyncio.Semaphore | contextlib.nullcontext[None]


class Engine:
    """Carries out one plan; `run()` once, `interrupt()` from a signal handler or another task.

    Made inside a running event loop. `on_beat` is called some twenty times a second.
    """

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        sink: Sink,
        clock: Clock,
        on_beat: Callable[[Engine], None] | None = None,
    ) -> None:
        self._plan = plan
        self._transport = transport
        self._sink = sink
        self._clock = clock
        self._on_beat = on_beat
        self._indices = itertools.count(plan.first_index)
        self._ledger = Ledger(plan.decode)
        self._holds = Holds(plan.decode, clock) if plan.respect_rate_limits else None
        self._vitals: Vitals
        self._sources: set[ClockSource] = set()
        self._in_flight: dict[int, Timeline] = {}
        self._began_ns = clock.monotonic_ns()
        self._warming = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()
        """Nothing new is sent."""
        self._cut = asyncio.Event()
        """What runs has only the grace left."""
        self._interrupts = 0
        self._stopped_early: str | None = None
        self._bug: BaseException | None = None

    # -- what the caller may do and see while it runs -----------------------------------------

    def interrupt(self) -> None:
        """The first call stops sending and gives running requests a grace; the second cancels."""
        self._interrupts += 1
        self._stop()
        if self._interrupts > 1:
            self._cancel_all()

    @property
    def in_flight(self) -> list[Timeline]:
        """The timelines that are being written now."""
        return list(self._in_flight.values())

    def progress(self) -> Progress:
        held_ns = self._holds.waiting_ns if self._holds else None
        return self._ledger.progress(
            self._plan,
            self._clock.monotonic_ns() - self._began_ns,
            len(self._in_flight),
            held_until_ns=None if held_ns is None else held_ns - self._began_ns,
            warming=self._warming,
            draining=self._stopping.is_set(),
        )

    # -- the run ------------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Carry out the plan; what was measured is in the sink, however it ends."""
        with no_collection():
            self._vitals = Vitals(self._clock)
            heart = asyncio.create_task(self._beat())
            heart.add_done_callback(self._ended)
            try:
                await self._warm_up()
                self._began_ns = self._clock.monotonic_ns()
                await (self._closed_loop() if self._plan.schedule is None else self._open_loop())
            finally:
                self._cancel_all()
                await self._idle.wait()
                await _cancelled(heart)
        return self._outcome()

    def _outcome(self) -> Outcome:
        health = self._vitals.finish()
        health.gc_disabled = True
        health.progress_decode_ms = self._ledger.decode_ms
        if self._sources:
            health.clock_source = "mixed" if len(self._sources) > 1 else self._sources.pop()
        if self._plan.budget and not self._stopped_early:
            self._stopped_early = self._plan.budget.verdict(self._clock)
        interrupted = self._interrupts > 0
        outcome = Outcome(health, interrupted, self._stopped_early, self._ledger.unsent)
        if holds := self._holds:
            outcome.held_back, outcome.held_back_s = holds.arrivals, holds.waited_ns / SECOND_NS
            outcome.holds_ns = holds.windows_ns
        return outcome

    async def _warm_up(self) -> None:
        warmup = self._plan.warmup
        if not warmup:
            return
        self._warming = True
        left = iter(range(warmup))
        for _ in range(min(self._plan.concurrency or warmup, warmup)):
            self._spawn(self._slot(left, warmup=True))
        await self._drain()
        self._warming = False

    async def _closed_loop(self) -> None:
        width, requests = self._plan.concurrency or 1, self._plan.requests
        left = itertools.count() if requests is None else iter(range(requests))
        for _ in range(width if requests is None else min(width, requests)):
            self._spawn(self._slot(left, warmup=False))
        await self._drain()

    async def _slot(self, left: Iterator[int], *, warmup: bool) -> None:
        """One of the requests under way: sends the next as soon as the last has ended."""
        while not (self._stopping.is_set() or (self._past_deadline() and not warmup)):
            if next(left, None) is None or not await self._paused():
                return
            request = self._plan.workload(None)
            if request is None or not self._affords(request):
                return
            await self._one(request, planned_ns=None, warmup=warmup)

    async def _paused(self) -> bool:
        """Wait as the plan wants it before the next request; False when told to stop meanwhile.

        The request is taken behind the pause: a signature does not keep for ever.
        """
        pause_ns = self._plan.pause_ns
        if pause_ns is None:
            return True
        return await self._sleep_until(self._clock.monotonic_ns() + pause_ns())

    async def _open_loop(self) -> None:
        """Every arrival keeps its planned time; a late one is sent late, none is left out."""
        schedule, width = self._plan.schedule, self._plan.concurrency
        assert schedule is not None
        slots: _Slots = asyncio.Semaphore(width) if width else contextlib.nullcontext()
        for arrival in itertools.count():
            offset = schedule(arrival)
            request = None if offset is None else self._plan.workload(None)
            if offset is None or request is None:
                break
            planned_ns = self._began_ns + offset
            if not await self._sleep_until(planned_ns):
                break
            self._ledger.unsent += 1
            self._spawn(self._arrival(request, planned_ns, slots))
        await self._drain()

    async def _arrival(self, request: Request, planned_ns: int, slots: _Slots) -> None:
        async with slots:
            if self._holds and not await self._holds.let_go(self._sleep_until):
                return
            if self._stopping.is_set() or not self._affords(request):
                return
            self._ledger.unsent -= 1
            await self._one(request, planned_ns=planned_ns, warmup=False)

    # -- one request --------------------------------------------------------------------------

    async def _one(self, request: Request, *, planned_ns: int | None, warmup: bool) -> None:
        """A request with its retries, which share its index and are kept out of its latency."""
        index = next(self._indices)
        self._ledger.sent += not warmup
        for attempt in range(self._plan.retries + 1):
            if attempt and not self._affords(request):
                return
            timeline = Timeline(
                index=index,
                id=f"{self._plan.run_id}-{index}" + (f"-{attempt}" if attempt else ""),
                attempt=attempt,
                provider=request.provider,
                model=request.model,
                stream=request.stream,
                max_tokens=request.max_tokens,
                tag=request.tag,
                warmup=warmup,
                planned_ns=planned_ns if attempt == 0 else None,
                operation=request.operation,
                arm=request.arm,
            )
            await self._send(request, timeline)
            if not warmup and attempt == 0:
                self._ledger.add(timeline)
                if self._plan.first_must_answer and not self._ledger.ok:
                    self._give_up(timeline)
            if attempt == self._plan.retries:
                return
            wait_ns = self._backoff_ns(timeline)
            if wait_ns is None or not await self._sleep_until(self._clock.monotonic_ns() + wait_ns):
                return

    def _affords(self, request: Request) -> bool:
        """False, and nothing more is sent, when the request could cost too much."""
        budget = self._plan.budget
        if budget is None or budget.allows(request, self._clock):
            return True
        self._stopping.set()  # what runs is paid for, and may end
        return False

    async def _send(self, request: Request, timeline: Timeline) -> None:
        self._in_flight[id(timeline)] = timeline
        self._sink.open(timeline)
        task, watch, budget = _current_task(), None, self._plan.budget
        if budget:
            budget.begin(request, timeline, self._clock)
        if self._holds:
            self._holds.begin()
        if limit_s := self._plan.first_token_s:
            watch = FirstTokenWatch(task, timeline, limit_s, self._plan.decode, self._clock)
        try:
            await self._transport.send(request, timeline)
        except asyncio.CancelledError:
            timeline.fail(ErrorKind.CANCELLED, Stage.WAIT, "cancelled")
            # The watch on the first token cancels too; that is a failure like any other.
            if not (watch and watch.fired and task.uncancel() == 0):
                self._ledger.cancelled += not timeline.warmup and timeline.attempt == 0
                raise
        finally:
            if watch:
                watch.stop()
            del self._in_flight[id(timeline)]
            if timeline.first_byte_ns is not None:
                self._sources.add(timeline.clock_source)
            self._vitals.health.reads += len(timeline.at)
            scrub(timeline, self._plan.secrets)
            self._sink.close(timeline)
            if budget:
                budget.end(timeline)
            if self._holds:
                self._holds.end(timeline)

    def _give_up(self, timeline: Timeline) -> None:
        """Send nothing more, for the first request failed."""
        if error := self._plan.decode(timeline).error:
            self._stopped_early = f"the first request failed: {error.message}"
            self._stop()

    def _backoff_ns(self, timeline: Timeline) -> int | None:
        """How long to wait before the next attempt; None when there is nothing to retry."""
        if timeline.failure is None and timeline.status == 200:
            return None  # not decoded: others are being measured
        return backoff_ns(self._plan.decode(timeline).error, timeline.attempt)

    # -- the heartbeat ------------------------------------------------------------------------

    async def _beat(self) -> None:
        for beat in itertools.count(1):
            await self._clock.sleep(BEAT_NS)
            self._vitals.beat()
            # A slice at a time: each request is visited every half second, no beat is long.
            self._sweep(beat % _SWEEP_BEATS)
            if beat % _SAMPLE_BEATS == 0:
                self._ledger.decode_sample()
            if self._plan.budget:
                self._plan.budget.settle()
            if beat % _FLUSH_BEATS == 0:
                await self._sink.flush()
            if self._sink.error and not self._stopped_early:
                self._stopped_early = f"{self._sink.error}; {STOPS_HERE}"
                self._stop()
            if self._on_beat:
                self._on_beat(self)

    def _sweep(self, share: int) -> None:
        timelines = [
            timeline
            for timeline in self._in_flight.values()
            if timeline.index % _SWEEP_BEATS == share
        ]
        for timeline in timelines:
            scrub_body(timeline.body, self._plan.secrets)
        self._sink.sweep(timelines)

    # -- stopping -----------------------------------------------------------------------------

    def _past_deadline(self) -> bool:
        limit = self._plan.duration_ns
        return limit is not None and self._clock.monotonic_ns() >= self._began_ns + limit

    async def _sleep_until(self, due_ns: int) -> bool:
        """False when the run was told to stop meanwhile."""
        # In slices: cheaper than a race with the event, and an arrival's own path stays short.
        while not self._stopping.is_set():
            delay = due_ns - self._clock.monotonic_ns()
            # Also when it is late: otherwise a rate that is too high would never let one start.
            await self._clock.sleep(min(delay, BEAT_NS))
            if delay <= BEAT_NS:
                return not self._stopping.is_set()
        return False

    def _stop(self) -> None:
        self._stopping.set()
        self._cut.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self._idle.clear()
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            self._bug = self._bug or bug
            self._stop()
            self._cancel_all()
        if not self._tasks:
            self._idle.set()

    async def _drain(self) -> None:
        """Until nothing is under way; once the run is cut short, at most for the grace."""
        await _either(self._idle.wait(), self._cut.wait())
        if not self._idle.is_set():
            grace_ns = int(self._plan.grace_s * SECOND_NS)
            await _either(self._idle.wait(), self._clock.sleep(grace_ns))
            self._cancel_all()
            await self._idle.wait()
        if self._bug:
            raise self._bug

    def _cancel_all(self) -> None:
        for task in list(self._tasks):
            task.cancel()


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Until the first of these is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled(*tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel and wait. Awaiting a task itself would take its cancellation for one of ours."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
