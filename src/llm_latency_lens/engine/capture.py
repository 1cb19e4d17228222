"""One capture from its plan to its run directory: connections, signals, disk, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..clock import Clock, SystemClock
from ..errors import LensError, StoreError
from ..metrics.context import Context
from ..pricing import Pricer
from ..providers.redact import redact, safe_prefix
from ..record import Record
from ..store import runs
from ..store.runs import Raw, Run, RunFile
from ..store.spool import Spool
from ..store.understand import CountTokens, counted, keep_counts, priced
from ..timeline import Timeline
from ..transport import Network
from ..transport.limits import ensure_descriptors
from .follower import Follower, Streaming
from .orchestrator import Engine
from .plan import STOPS_HERE, Outcome, Plan
from .ways import Way, Ways

OnBeat = Callable[[Engine], None]

# Without a limit on requests under way nobody knows how many connections will be needed.
_WARM_OPEN_LOOP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a capture reaches the server and where it is kept.

    `url`, `network` and `connections` are the way of a run that has only one.
    """

    url: str = ""
    network: Network = field(default_factory=Network)
    connections: Literal["warm", "cold"] = "warm"
    raw: Raw = "full"
    run_dir: Path | None = None
    keep_text: bool = False
    count_tokens: CountTokens | None = None
    """Counts answers for which the provider gives no number; what it finds is kept."""
    pricer: Pricer | None = None
    """Says what requests cost, where records alone are kept."""
    streaming: Streaming | None = None
    """Where finished requests are sent while the run goes on."""
    handle_signals: bool = False
    """Let SIGINT and SIGTERM end the run early; only where this is the program's main thread."""


@dataclass(frozen=True, slots=True)
class Captured:
    """A finished capture; `unsaved` is what a full disk did not take."""

    run: Run
    unsaved: list[Timeline]
    count_tokens: CountTokens | None = None
    """Needed again only where the disk did not take what it had counted."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One capture, ready to begin."""

    plan: Plan
    context: Context
    setup: Setup
    ways: Ways
    path: Path
    clock: Clock
    on_beat: OnBeat | None


class _Memory:
    """A sink that keeps timelines in memory, for `--raw off`."""

    error: LensError | None = None

    def __init__(self) -> None:
        self.timelines: list[Timeline] = []

    def open(self, timeline: Timeline) -> None:
        pass

    def sweep(self, timelines: Iterable[Timeline]) -> None:
        pass

    def close(self, timeline: Timeline) -> None:
        self.timelines.append(timeline)

    async def flush(self) -> None:
        pass


async def capture(
    plan: Plan,
    context: Context,
    setup: Setup,
    *,
    ways: Ways | None = None,
    clock: Clock | None = None,
    on_beat: OnBeat | None = None,
) -> Captured:
    """Carry out `plan` and keep it; `context` is completed with how it went.

    `ways` are those of a run with several arms. Raises UsageError before anything is sent when the
    run cannot be carried out as asked, and StoreError when its directory cannot be made.
    """
    clock = clock or SystemClock()
    if ways is None:
        way = Way(url=setup.url, network=setup.network, connections=setup.connections)
        ways = Ways({None: way}, clock)
    ways.check()
    ensure_descriptors((plan.concurrency or _WARM_OPEN_LOOP) * len(ways))
    path = runs.create(context.id, setup.run_dir)
    file = RunFile(raw=setup.raw, context=context)
    runs.write(path, file)
    streaming, follower = setup.streaming, None
    if streaming and streaming.urls:  # it has started before the first request is sent
        follower = await asyncio.to_thread(Follower, streaming, path, os.environ)
    keep = _in_memory if setup.raw == "off" else _spooled
    requests = None
    try:
        unsaved, requests = await keep(_Job(plan, context, setup, ways, path, clock, on_beat))
    finally:
        if follower and requests is None:
            await asyncio.to_thread(follower.abandon)
    if follower:
        context.sinks = await asyncio.to_thread(follower.finish, requests)
    run = Run(path, file)
    count = _still_to_count(context, setup, run, unsaved)
    try:
        runs.write(path, file)
    except StoreError as error:
        context.stopped_early = context.stopped_early or str(error)
    return Captured(run, unsaved, count)


async def _in_memory(job: _Job) -> tuple[list[Timeline], int]:
    """`--raw off`: what the disk did not take of the records, and how many there were."""
    memory = _Memory()
    try:
        await _run(job, memory)
    finally:
        unsaved = _write_records(job, memory.timelines)
    return unsaved, len(memory.timelines)


async def _spooled(job: _Job) -> tuple[list[Timeline], int]:
    """The same of timelines."""
    blank = job.setup.raw == "redacted"
    spool = Spool(
        job.path / runs.TIMELINES,
        redact=redact if blank else None,
        safe_prefix=safe_prefix if blank else None,
        hold_back=max((len(secret) - 1 for secret in job.plan.secrets), default=0),
    )
    try:
        await _run(job, spool)
    finally:
        spool.finish()
    if job.context.health:
        job.context.health.spool_bytes = spool.written
    if spool.error and not job.context.stopped_early:
        job.context.stopped_early = f"{spool.error}; {STOPS_HERE}"
    return spool.unsaved(), spool.closed


def _still_to_count(
    context: Context, setup: Setup, run: Run, unsaved: list[Timeline]
) -> CountTokens | None:
    """Keep what the tokenizer counts with the run; gives the tokenizer where that failed."""
    count = setup.count_tokens
    if count is None or setup.raw == "off":  # records hold their counts
        return count if unsaved else None
    try:
        keep_counts(run, unsaved, count)
    except StoreError as error:
        context.stopped_early = context.stopped_early or str(error)
        return count
    return None


def _write_records(job: _Job, timelines: list[Timeline]) -> list[Timeline]:
    """Write what was understood; gives back what the disk did not take."""
    setup, context = job.setup, job.context

    def read() -> Iterator[Record]:
        return (counted(job.plan.decode(timeline), setup.count_tokens) for timeline in timelines)

    records = priced(read, setup.pricer)
    try:
        runs.write_records(job.path / runs.RECORDS, records, keep_text=setup.keep_text)
    except StoreError as error:
        context.stopped_early = context.stopped_early or str(error)
        return timelines
    return []


async def _run(job: _Job, sink: Spool | _Memory) -> None:
    plan, ways = job.plan, job.ways
    try:
        await ways.warm(_connections(plan))
        engine = Engine(plan, ways, sink, job.clock, job.on_beat)
        with _signals(engine, job.setup.handle_signals):
            _note(job.context, await engine.run())
    finally:
        await ways.aclose()


def _connections(plan: Plan) -> int:
    """How many connections to open before the clock starts."""
    wanted = plan.concurrency
    if wanted is None:
        wanted = min(_WARM_OPEN_LOOP, int(plan.offered_rate or 1) + 1)
    return wanted if plan.requests is None else min(wanted, max(plan.requests, plan.warmup))


def _note(context: Context, outcome: Outcome) -> None:
    context.health = outcome.health
    context.interrupted = outcome.interrupted
    context.stopped_early = outcome.stopped_early
    context.unsent = outcome.unsent
    context.held_back, context.held_back_s = outcome.held_back, outcome.held_back_s
    context.holds_ns = outcome.holds_ns


@contextlib.contextmanager
def _signals(engine: Engine, wanted: bool) -> Iterator[None]:
    # Event loops on Windows take no signals: there Ctrl-C ends the program.
    able = sys.platform != "win32" and threading.current_thread() is threading.main_thread()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM) if wanted and able else ()
    for number in numbers:
        loop.add_signal_handler(number, engine.interrupt)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
