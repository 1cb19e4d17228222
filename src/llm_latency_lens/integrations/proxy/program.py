"""A proxy from its address to its run: listens, passes on, and sums up when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...clock import SECOND_NS, SystemClock
from ...engine.collection import no_collection
from ...engine.follower import Follower, Streaming
from ...engine.plan import OnProgress, Progress
from ...engine.vitals import BEAT_NS, Vitals
from ...errors import RunError
from ...experiments.party import new_context
from ...metrics.context import Context
from ...metrics.live import LiveSample
from ...metrics.proxied import EXPERIMENT, Added, Proxied
from ...pricing import Pricer, Prices
from ...providers import get
from ...record import Record
from ...store import runs
from ...store.prices import keep_prices, open_book, pricer_of
from ...store.runs import Raw, Run, RunFile
from ...store.understand import records
from ...timeline import Failure
from ...transport import Network
from ...transport.limits import allow_descriptors
from ...transport.poller import Poller
from ..kept import note
from .exchange import Desk
from .gate import Gate, listen
from .keeper import Errand, Report
from .keeping import Keeping
from .upstream import Pool, Upstream

_PROGRESS_BEATS = 5
_TIDY_AFTER = 1000
_TIDY_AT_LAST = 20_000
"""Requests after which the garbage is collected, while nothing is under way, or in any case."""
_ENDED = "the proxy was ended"


@dataclass(frozen=True, slots=True)
class Ran:
    """A proxy that has ended: what went through it, and the run of its calls.

    `interrupted` is whether requests were cut off because the user was in a hurry.
    """

    result: Proxied
    run: Run
    interrupted: bool
    _pricer: Pricer = field(repr=False)

    def records(self) -> Iterator[Record]:
        """Each call, decoded again from what was captured."""
        return records(self.run, pricer=self._pricer)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a proxy is to do."""

    upstream: Upstream
    sock: socket.socket
    network: Network
    provider: str | None
    duration_s: float | None
    grace_s: float
    streaming: Streaming
    file: RunFile
    run_dir: Path | None
    keep_text: bool
    on_ready: Callable[[str], None] | None
    on_progress: OnProgress | None


def run_proxy(
    upstream: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8800,
    network: Network | None = None,
    provider: str | None = None,
    run_dir: Path | None = None,
    raw: Raw = "full",
    name: str = "",
    prices: Prices | None = None,
    keep_text: bool = False,
    stream_to: Sequence[str] = (),
    duration_s: float | None = None,
    grace_s: float = 5.0,
    on_ready: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
    on_ended: Callable[[int], None] | None = None,
) -> Ran:
    """Pass requests on to `upstream` until Ctrl-C, SIGTERM or the end of `duration_s`, measured.

    What is under way then has `grace_s` to end. `on_ready` is told the address once clients are
    taken, `on_ended` how many calls are still to be summed up, once all of them are kept. Raises
    UsageError for what cannot be used, RunError where the upstream is not there.
    """
    where = Upstream(upstream)
    if provider is not None:
        get(provider)
    streaming = Streaming(stream_to, prices, keep_text).checked(os.environ)
    book = open_book(prices)
    config = {"experiment": EXPERIMENT, "upstream": where.shown}
    with contextlib.closing(listen(host, port)) as sock:
        job = _Job(
            upstream=where,
            sock=sock,
            network=network or Network(),
            provider=provider,
            duration_s=duration_s,
            grace_s=grace_s,
            streaming=streaming,
            file=RunFile(raw=raw, context=new_context(name, config)),
            run_dir=run_dir,
            keep_text=keep_text,
            on_ready=on_ready,
            on_progress=on_progress,
        )
        path, interrupted = asyncio.run(_Proxy(job).run())
    run, pricer = Run(path, job.file), pricer_of(job.file.context, book)
    if on_ended:
        on_ended(job.file.context.planned or 0)
    result = summed_up(records(run, pricer=pricer), job.file.context)
    keep_prices(run, pricer)
    return Ran(result, run, interrupted, pricer)


def summed_up(read: Iterator[Record], context: Context) -> Proxied:
    """What the calls of a run come to, by model."""
    # numpy loads here, after the proxy has ended.
    from ...metrics.routes import proxied_of

    return proxied_of(read, context)


class _Proxy:
    """One proxy while it runs."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._clock = SystemClock()
        self._vitals: Vitals
        self._desk: Desk
        self._began_ns = 0
        self._stopping = False
        self._interrupts = 0

    async def run(self) -> tuple[Path, bool]:
        """Until it is ended; gives the run's directory, and whether it ended in a hurry."""
        job = self._job
        allow_descriptors()
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        poller = Poller(asyncio.get_running_loop())
        pool = Pool(job.upstream, job.network, poller)
        try:
            await _first(pool)
            path = runs.create(job.file.context.id, job.run_dir)
            runs.write(path, job.file)
            await self._carry_out(pool, poller, path)
        finally:
            pool.close()
            poller.close()
        return path, self._hurry.is_set()

    async def _carry_out(self, pool: Pool, poller: Poller, path: Path) -> None:
        job, context = self._job, self._job.file.context
        errand = Errand(os.fspath(path), job.file.raw, job.keep_text)
        follower = None
        if job.streaming.urls:
            follower = await asyncio.to_thread(Follower, job.streaming, path, os.environ)
        report: Report | None = None
        try:
            keeping = Keeping(errand, os.environ)
            try:
                await self._pass_on(Desk(pool, keeping.take, job.provider), poller, keeping.flush)
            finally:
                keeping.detach()
                report = await asyncio.to_thread(keeping.finish)
                self._note(report, keeping.unkept)
                runs.write(path, job.file)
        finally:
            if follower and report is None:
                await asyncio.to_thread(follower.abandon)
        if follower:
            context.sinks = await asyncio.to_thread(follower.finish, report.kept.calls)
            runs.write(path, job.file)

    async def _pass_on(self, desk: Desk, poller: Poller, flush: Callable[[], None]) -> None:
        """Take clients until it is time to end."""
        job, self._desk = self._job, desk
        self._vitals = Vitals(self._clock)
        self._began_ns = self._clock.monotonic_ns()
        gate = Gate(job.sock, desk, poller)
        heart = asyncio.create_task(self._beat(flush))
        with no_collection(), self._signals():
            if job.on_ready:
                job.on_ready(_address(*job.sock.getsockname()[:2]))
            try:
                await _first_of(self._stop.wait(), limit_s=job.duration_s)
                self._stopping = True
                gate.close()
                await _first_of(gate.emptied(), self._hurry.wait(), limit_s=job.grace_s)
            finally:
                gate.stop(_ENDED)
                heart.cancel()
                await asyncio.wait([heart])

    async def _beat(self, flush: Callable[[], None]) -> None:
        """Watches the instrument, tells how it stands, and tidies up; nothing of it is in the way
        of a byte."""
        tidied = 0
        for beat in itertools.count(1):
            await self._clock.sleep(BEAT_NS)
            self._vitals.beat()
            flush()
            counts = self._desk.counts
            done = counts.ok + counts.failed + counts.cancelled + counts.others
            if done - tidied >= (_TIDY_AT_LAST if counts.under_way else _TIDY_AFTER):
                tidied = done
                gc.collect()
            if self._job.on_progress and beat % _PROGRESS_BEATS == 0:
                self._job.on_progress(self._progress())

    def _progress(self) -> Progress:
        counts, duration_s = self._desk.counts, self._job.duration_s
        elapsed_s = (self._clock.monotonic_ns() - self._began_ns) / SECOND_NS
        done = counts.ok + counts.failed + counts.cancelled
        return Progress(
            elapsed_s=elapsed_s,
            remaining_s=None if duration_s is None else max(0.0, duration_s - elapsed_s),
            planned=None,
            sent=done + counts.under_way,
            ok=counts.ok,
            failed=counts.failed,
            cancelled=counts.cancelled,
            in_flight=counts.under_way,
            rate=done / elapsed_s if elapsed_s else 0.0,
            offered_rate=None,
            errors=dict(counts.errors),
            live=LiveSample(),
            warming=False,
            draining=self._stopping,
        )

    def _note(self, report: Report, unkept: int) -> None:
        """What the run came to."""
        context, desk = self._job.file.context, self._desk
        context.health = self._vitals.finish()
        context.health.gc_disabled = True
        requests, answers = desk.requests.told(), desk.answers.told()
        added = Added(
            request_ms=requests or msgspec.UNSET,
            answer_ms=answers or msgspec.UNSET,
            waited=desk.counts.waited,
        )
        ended_ns = self._began_ns + int(context.health.capture_s * SECOND_NS)
        report.kept.error = report.kept.error or report.error
        more: dict[str, Any] = {
            "added": msgspec.to_builtins(added),
            "others": desk.counts.others + report.others,
            "unkept": desk.counts.unkept + unkept + report.kept.lost,
        }
        note(context, report.kept, (self._began_ns, ended_ns), **more)

    def _interrupt(self) -> None:
        """The first time nobody is taken any more, the second time all is cut off."""
        self._interrupts += 1
        self._stop.set()
        if self._interrupts > 1:
            self._hurry.set()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        able = sys.platform != "win32" and threading.current_thread() is threading.main_thread()
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM) if able else ()
        for number in numbers:
            loop.add_signal_handler(number, self._interrupt)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


async def _first(pool: Pool) -> None:
    """Open a connection, to see whether the upstream is there. The first request has it."""
    pool.check()
    opened = await pool.open()
    if isinstance(opened, Failure):
        raise RunError(f"--upstream {pool.upstream.shown}: {opened.message}")
    pool.put(opened)


async def _first_of(*waits: Coroutine[Any, Any, Any], limit_s: float | None) -> None:
    """Until the first of these is done, but not longer than the limit."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
