"""The monitor: every target's probes, and all who are told of them, in one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from ..clock import SECOND_NS, Clock, SystemClock
from ..errors import LensError, UsageError
from ..pricing import Book
from ..store.prices import open_book
from .alerts import Alerts
from .app import make_app
from .config import DAY_S, MonitorConfig
from .families import Told
from .guard import is_loopback
from .history import History
from .live import Live
from .metrics import Metrics
from .probe import Probe, Row, Taker
from .push import Pushes
from .reloading import Files
from .serving import Serving
from .spending import day_of
from .threads import Threads
from .watch import Standing, Watch

Reread = Callable[[], MonitorConfig]
"""Reads the configuration again; raises UsageError with what is wrong in it."""

GRACE_S = 5.0
"""How long probes under way may go on once the monitor is asked to stop."""
_LOOK_S = 2.0
_TEND_S = 60.0
_ALERT_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reload:
    """The last time that the configuration was read: when, and why it was refused, if it was."""

    at_unix_s: float
    error: str | None = None


class Monitor:
    """Runs until it is asked to stop.

    `reread` reads the configuration again, for `reload`; without it there is none. Made inside the
    event loop it runs in. Raises UsageError for an address or a certificate that cannot be used,
    StoreError for a folder that cannot be written to or that another monitor uses.
    """

    def __init__(
        self,
        config: MonitorConfig,
        *,
        clock: Clock | None = None,
        reread: Reread | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.started_unix_s = self._now_unix_s()
        self.last_reload = Reload(self.started_unix_s)
        self._taken_up_unix_s = self.started_unix_s
        self._reread = reread
        self._files = Files(config.files)
        self._reloading = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._running = False
        self.threads = Threads()
        """The event loop's, while it runs."""
        self._book = open_book(config.prices and str(config.prices))
        clock, run = self.clock, secrets.token_hex(4)
        environ = os.environ if environ is None else environ
        self.history = History(config.data_dir, config.retention, clock)
        with ExitStack() as stack:  # a monitor that cannot be made lets go of its folder
            stack.callback(self.history.close)
            self.live = Live(config.targets, clock, config.alerts.down_after)
            self.metrics = Metrics(config.targets, clock, live=self.live, sources=[self._told])
            self.pushes = Pushes(
                config.push,
                config.data_dir / "queues",
                clock,
                metrics=self.metrics,
                environ=environ,
                targets=config.targets,
            )
            self.alerts = Alerts(
                config, clock, history=self.history, pushes=self.pushes, standing=self.standing
            )
            self.metrics.sources += [self.pushes.told, self.alerts.told]
            self.takers: list[Taker] = [
                self._keep,
                self.live,
                self.metrics,
                self.alerts,
                self.pushes,
            ]
            self._watch = Watch(self._tell, clock=clock, environ=environ, run=run)
            self._serving = Serving(make_app(self), config.serve)
            stack.pop_all()

    @property
    def url(self) -> str:
        """Where its pages and its interface are."""
        return self._serving.url

    # -- its life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Probe and serve until `request_stop`."""
        asyncio.get_running_loop().set_default_executor(self.threads)
        self._serving.start()
        await asyncio.to_thread(self._recall)
        self.pushes.start()
        self._greet()
        self._watch.apply(self.config, self._book)
        self._running = True
        chores = [
            asyncio.create_task(self._look()),
            asyncio.create_task(self._every(_TEND_S, self.history.tend)),
            asyncio.create_task(self._every(_ALERT_S, self.alerts.tend)),
        ]
        try:
            await self._stopping.wait()
        finally:
            await self._end(chores)

    def request_stop(self) -> None:
        """No new probes; those under way are given a moment to end."""
        self._stopping.set()

    def _recall(self) -> None:
        """Go on where the last one ended."""
        now_ns = self.clock.realtime_ns()
        midnight_s = day_of(now_ns) * DAY_S
        try:
            self.alerts.restore(self.history)
            self.live.recall(self.history)
            spent = self.history.tallies(midnight_s, midnight_s + DAY_S, DAY_S)
        except LensError as error:
            _log.error("what was measured before cannot be read: %s", error)
        else:
            costs = ((tally.target, tally.cost_usd) for tally in spent)
            self._watch.spending.restore(costs, now_ns)

    async def _end(self, chores: Sequence[asyncio.Task[None]]) -> None:
        self._running = False
        _log.info("stopping: probes under way have %g s to end", GRACE_S)
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await self._watch.stop(GRACE_S)
        await self.alerts.close()
        await self.pushes.stop()
        await self._serving.stop()
        self.history.close()
        _log.info("stopped")

    async def _every(self, seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
        """Do what is to be done now and then; one that fails is done again."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await chore()
            except Exception:  # noqa: BLE001  (logged)
                _log.exception("a chore failed")

    def _greet(self) -> None:
        serve, many = self.config.serve, len(self.config.targets)
        _log.info("%d target%s; served at %s", many, "" if many == 1 else "s", self.url)
        if serve.token is None and not is_loopback(serve.host):
            _log.warning(
                "listening on %s without a token: whoever reaches it can read all of it (token)",
                serve.host,
            )

    # -- probes ---------------------------------------------------------------------------------

    async def probe_now(self, target: str) -> Row:
        """Probe a target at once, besides its schedule. Raises UsageError if there is none such,
        and where a rate limit or the day's money says no."""
        return await self._watch.probe_now(target)

    def standing(self, target: str) -> Standing | None:
        """How a target stands with the schedule; None where there is none of that name."""
        return self._watch.standing(target)

    def _keep(self, probe: Probe) -> None:
        self.history.add(probe.row)

    def _tell(self, probe: Probe) -> None:
        for taker in self.takers:
            try:
                taker(probe)
            except Exception:  # noqa: BLE001  (logged)
                # One that fails must not keep the others from being told.
                _log.exception("a probe of %s was not taken", probe.row.target)

    # -- the configuration ----------------------------------------------------------------------

    async def reload(self) -> str | None:
        """Take up the configuration anew; gives why it was refused, and then keeps the old one."""
        async with self._reloading:
            error = await self._take_up()
        self.last_reload = Reload(self._now_unix_s(), error)
        many = len(self.config.targets)
        if error:
            _log.error("the configuration stays what it was: %s", error)
            self.alerts.note("reload", f"the configuration was refused: {error}")
        else:
            _log.info("the configuration was read again: %d targets", many)
            self.alerts.note("reload", f"the configuration was read again: {many} targets")
        return error

    def request_reload(self) -> None:
        """Read the configuration again, soon."""
        self._wanted.set()

    async def _take_up(self) -> str | None:
        if self._reread is None:
            return "there is no file to read again"
        self._files.note()  # before: what changes while they are read is read once more
        try:
            config = await asyncio.to_thread(self._reread)
            _check_same(self.config, config)
            book = await asyncio.to_thread(self._priced, config)
            await self.pushes.apply(config.push)
        except LensError as error:
            return str(error)
        self.config, self._book = config, book
        self._taken_up_unix_s = self._now_unix_s()
        if config.files != self._files.paths:
            self._files = Files(config.files)
        self.live.retarget(config.targets, config.alerts.down_after)
        self.metrics.retarget(config.targets)
        self.pushes.retarget(config.targets)
        self.history.retention = config.retention
        self.alerts.configure(config)
        self._watch.apply(config, book)
        self._serving.renew_certificate()
        return None

    def _priced(self, config: MonitorConfig) -> Book:
        """The prices: the same ones where nothing about them has changed."""
        book = open_book(config.prices and str(config.prices))
        return self._book if book.entries == self._book.entries else book

    async def _look(self) -> None:
        """Look now and then whether a file has changed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._wanted.wait()
            if self._wanted.is_set() or (self._reread and self._files.changed()):
                self._wanted.clear()
                await self.reload()

    # -- how it stands --------------------------------------------------------------------------

    def readiness(self) -> dict[str, Any]:
        """Whether it probes, and what is wrong besides."""
        return {
            "ready": self._running,
            "targets": len(self.config.targets),
            "started_unix_s": self.started_unix_s,
            "last_reload_unix_s": self.last_reload.at_unix_s,
            "problems": list(self._problems()),
        }

    def _problems(self) -> Iterator[str]:
        """What is wrong though it probes, in words."""
        if self.last_reload.error:
            yield f"the configuration stays what it was: {self.last_reload.error}"
        if health := self.history.health().error:
            yield f"history: {health}"
        for push in self.pushes.health():
            if push.error:
                yield f"push to {push.url}: {push.error}"
        for name, _, error in self.alerts.receivers():
            if error:
                yield f"alerts to {name}: {error}"

    def _told(self) -> Iterator[Told]:
        """What is known here for the metrics."""
        health = self.history.health()
        yield "history_lost", [((), health.lost)]
        yield "history_bytes", [((), health.bytes)]
        yield "config_last_reload_successful", [((), int(self.last_reload.error is None))]
        yield "config_last_reload_success_timestamp_seconds", [((), self._taken_up_unix_s)]
        yield (
            "probes_skipped",
            [((name, reason), count) for name, reason, count in self._watch.skipped()],
        )
        yield (
            "price_usd_per_million_tokens",
            [((name, kind), dollars) for name, kind, dollars in self._watch.prices()],
        )

    def _now_unix_s(self) -> float:
        return self.clock.realtime_ns() / SECOND_NS


def _check_same(old: MonitorConfig, new: MonitorConfig) -> None:
    """Raise UsageError for what only a restart can change."""
    if (old.serve.host, old.serve.port) != (new.serve.host, new.serve.port):
        raise UsageError("listen cannot change while it runs: start it again")
    if (old.serve.cert_file, old.serve.key_file) != (new.serve.cert_file, new.serve.key_file):
        raise UsageError("tls cannot change while it runs: start it again")
    if old.data_dir != new.data_dir:
        raise UsageError("data_dir cannot change while it runs: start it again")
