"""Alerts: what is wrong with the targets and the monitor itself, and who is told of it.

watch      one target: down, budgets, hours, changes, cost      (conditions, as seen now)
troubles   the monitor's own
book       conditions become incidents: one for the same trouble, kept on disk
due        which receiver is to hear of what, now; silences, grouping, repeating
forms      as a webhook, Slack or Alertmanager takes it
delivery   sending, again and again
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from ...clock import SECOND_NS, Clock
from ...report.figures import seconds
from ..config import MonitorConfig
from ..families import Told
from ..notes import Eye, Note, NoteKind, Notes, Prices
from ..probe import Probe, Row
from . import kept, words
from .book import Book
from .delivery import Delivery, Send, send
from .incident import Condition, Incident
from .silences import Silence, made
from .troubles import HasHistory, HasPushes, Troubles
from .watch import Watch

__all__ = ["Alerts", "Incident", "Note", "Silence"]

_log = logging.getLogger(__name__)

STANDING_S = 300.0
USUAL_S = 3600.0
STEP_S = 0.5
_STANDING, _USUAL = "standing.msgpack", "usual.msgpack"


class HasRows(Protocol):
    def each(self, since_unix_s: float, until_unix_s: float) -> Iterator[Row]:
        """What was kept of probes, the oldest first; blocking."""
        ...


class Money(Protocol):
    """How a target stands with the day's limit of cost."""

    @property
    def spent_usd_today(self) -> Decimal: ...
    @property
    def out_of_money(self) -> bool: ...


class Alerts:
    """A taker of probes; all work is in `tend`, which is called every ten seconds or so."""

    def __init__(
        self,
        config: MonitorConfig,
        clock: Clock,
        *,
        folder: Path | None = None,
        history: HasHistory | None = None,
        pushes: HasPushes | None = None,
        standing: Callable[[str], Money | None] = lambda _: None,
        send: Send = send,
    ) -> None:
        self._clock = clock
        self._folder = folder or config.data_dir / "alerts"
        self._send = send
        self._standing = standing
        self._book = Book(self._folder)
        self._notes = Notes(self._folder)
        self._troubles = Troubles(history, pushes)
        self._watches: dict[str, Watch] = {}
        self._eyes: dict[str, Eye] = {}
        self._prices: dict[str, Prices] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._silences: tuple[Silence, ...] = ()
        self._steady_ns = clock.realtime_ns() - clock.monotonic_ns()
        """Between the monotonic clock and the budgets' own, which no step of the real one moves."""
        self._offset_ns = self._steady_ns
        self._standing_at = self._usual_at = float("-inf")
        self._kept_error: str | None = None
        self._writing = Lock()
        self.configure(config)

    # -- what comes in ------------------------------------------------------------------------

    def __call__(self, probe: Probe) -> None:
        """Take a probe that has ended."""
        row = probe.row
        watch = self._watches.get(row.target)
        if watch is None:
            return
        watch.take(row, probe.record, self._steady_s())
        self._see(row)
        if row.ok:
            for kind, text in self._prices.setdefault(row.target, Prices()).see(probe.record):
                self._notes.add(kind, text, row.at_unix_ns / 1e9, row.target)

    def configure(self, config: MonitorConfig) -> None:
        """Take up a new configuration; what goes on as it was keeps its past."""
        window_s = float(max(config.windows.values()))
        self._windows = {float(length): name for name, length in config.windows.items()}
        old = self._watches
        self._watches = {}
        for target in config.targets:
            watch = Watch(target, config.alerts, window_s)
            if target.name in old:
                watch.succeed(old[target.name])
            self._watches[target.name] = watch
        self._deliveries = {
            receiver.name: self._deliver_to(receiver.name, config)
            for receiver in config.alerts.receivers
        }
        self._silences = tuple(
            Silence(
                id=f"config-{number}",
                matchers=dict(silence.matchers),
                until_unix_s=silence.until_unix_s,
                comment=silence.comment,
            )
            for number, silence in enumerate(config.alerts.silences, 1)
        )

    def _deliver_to(self, name: str, config: MonitorConfig) -> Delivery:
        receiver = next(one for one in config.alerts.receivers if one.name == name)
        known = self._deliveries.get(name)
        self._book.meet(name, self._now())
        if known is not None and known.receiver == receiver:
            return known
        return Delivery(receiver, self._book, self._send)

    # -- what is done -------------------------------------------------------------------------

    async def tend(self) -> None:
        """See what is wrong, open and resolve, and let receivers know. Returns before they do."""
        now, steady_s = self._now(), self._steady_s()
        self._mind_the_clock(now)
        conditions: list[Condition] = []
        for name, watch in list(self._watches.items()):
            conditions += watch.look(now, steady_s)
            money = self._standing(name)
            if money is not None and money.out_of_money:
                conditions.append(watch.spent_out(money.spent_usd_today, now))
            await asyncio.sleep(0)  # a probe may be due
        error = self._book.error or self._notes.error or self._kept_error
        conditions += self._troubles.look(error, self._deliveries.values(), now)
        changed = self._book.reconcile(conditions, self._ending, now)
        for incident in changed:
            level = logging.WARNING if incident.open else logging.INFO
            _log.log(level, "%s", words.told(incident))
        self._book.tidy(now)
        if self._notes.error:
            self._notes.mend()
        of_usual = any(one.kind in ("change", "anomaly") for one in changed)
        await self._keep(now, steady_s, standing=bool(changed or self._kept_error), usual=of_usual)
        for delivery in self._deliveries.values():
            delivery.tend(self.silences(), now, steady_s)

    async def settle(self) -> None:
        """Wait until what is being sent has been taken or refused."""
        await asyncio.gather(*(delivery.settle() for delivery in self._deliveries.values()))

    async def close(self) -> None:
        """Note the stop, keep everything, and let what is being sent end."""
        now = self._now()
        self._notes.add("stop", "monitor stopped", now)
        for watch in self._watches.values():
            for _ in watch.look(now, self._steady_s()):
                pass
        await self._keep(now, self._steady_s(), standing=True, usual=True)
        await self.settle()

    # -- what is asked ------------------------------------------------------------------------

    def incidents(self, open_only: bool = False) -> list[Incident]:
        """The newest first."""
        found = self._book.open() if open_only else self._book.incidents.values()
        return sorted(found, key=lambda one: one.opened_unix_s, reverse=True)

    def silences(self) -> list[Silence]:
        """Those in force: the configuration's, and the others."""
        now = self._now()
        every = (*self._silences, *self._book.silences.values())
        return [one for one in every if one.until_unix_s is None or one.until_unix_s > now]

    def silence(
        self, matchers: Mapping[str, str], until_unix_s: float, comment: str = ""
    ) -> Silence:
        """Tell nobody of what matches. Raises UsageError with what is wrong."""
        silence = made(matchers, until_unix_s, self._now(), comment)
        self._book.silence(silence)
        return silence

    def unsilence(self, silence_id: str) -> bool:
        """Whether there was such a silence; the configuration's stay."""
        return self._book.lift(silence_id)

    def notes(
        self, target: str | None = None, since_unix_s: float = 0.0, until_unix_s: float = 1e12
    ) -> list[Note]:
        """Those of a target and of the monitor, or all; the oldest first."""
        return self._notes.between(since_unix_s, until_unix_s, target)

    def note(self, kind: NoteKind, text: str, target: str = "") -> None:
        """Something happened just now."""
        self._notes.add(kind, text, self._now(), target)

    def receivers(self) -> list[tuple[str, str, str | None]]:
        """Name, kind, and why the last attempt failed."""
        return [
            (one.receiver.name, one.receiver.kind, one.error) for one in self._deliveries.values()
        ]

    def burn_rates(self, target: str) -> list[tuple[str, str, float]]:
        """(objective, window, burn rate) of a target, each objective's whole window last; what is
        left of its budget is 1 less that rate."""
        watch, steady_s = self._watches.get(target), self._steady_s()
        rates = watch.burn_rates(steady_s) if watch else ()
        return [(objective, self._window(length_s), rate) for objective, length_s, rate in rates]

    def told(self) -> Iterator[Told]:
        """For the metrics: what is left of the error budgets, and how fast they burn."""
        longest = self._window(max(self._windows))
        rates, left = [], []
        for name in self._watches:
            for objective, window, rate in self.burn_rates(name):
                rates.append(((name, objective, window), rate))
                if window == longest:
                    left.append(((name, objective, window), 1.0 - rate))
        yield "burn_rate", rates
        yield "error_budget_left_ratio", left

    def _window(self, length_s: float) -> str:
        return self._windows.get(length_s) or words.length(length_s).replace(" ", "")

    # -- over a restart -----------------------------------------------------------------------

    def restore(self, history: HasRows | None = None) -> None:
        """Take up where the last process ended; blocking. Call it before the first probe."""
        now = self._now()
        standings = kept.read(self._folder / _STANDING)
        usuals = kept.read(self._folder / _USUAL)
        since, learnt = now, now
        if standings is not None:
            since = standings[0].at_unix_s
            self._resume(*standings, now)
        if usuals is not None:
            learnt = usuals[0].at_unix_s
            for name in self._watches.keys() & usuals[1].keys():
                self._watches[name].load_usual(kept.usual(usuals[1][name]))
        if history is not None and standings is not None:
            for row in history.each(min(since, learnt), now + 1.0):
                self._replay(row, since, learnt)
        last = self._notes.last("stop") or self._notes.last("start")
        away = (
            f", {seconds(now - since)} after it was last heard of"
            if standings is not None and last
            else ""
        )
        self._notes.add("start", f"monitor started{away}", now)

    def _resume(self, head: kept.Head, targets: Mapping[str, memoryview], now: float) -> None:
        """The budgets' clock goes on from where it stood: it never goes back, whatever the real
        one was set to."""
        elapsed = max(0.0, now - head.at_unix_s)
        ahead_s = head.steady_s + elapsed - self._steady_s()
        if ahead_s > 0.0:
            self._steady_ns += int(ahead_s * SECOND_NS)
        for name in self._watches.keys() & targets.keys():
            self._watches[name].load(kept.standing(targets[name]))
        self._eyes = {name: eye for name, eye in head.eyes.items() if name in self._watches}

    def _replay(self, row: Row, since: float, learnt: float) -> None:
        watch = self._watches.get(row.target)
        if watch is None:
            return
        at = row.at_unix_ns / 1e9 + (row.e2e_ms or 0.0) / 1e3  # when it was told of
        if at >= since:
            watch.take(row, None, self._steady_s() - max(0.0, self._now() - at))
            self._see(row)
        elif at >= learnt:
            watch.learn(row)

    async def _keep(self, now: float, steady_s: float, *, standing: bool, usual: bool) -> None:
        if standing or steady_s - self._standing_at >= STANDING_S:
            self._standing_at = steady_s
            head = kept.Head(now, steady_s, self._eyes)
            await self._write(_STANDING, head, Watch.dump)
        if usual or steady_s - self._usual_at >= USUAL_S:
            self._usual_at = steady_s
            await self._write(_USUAL, kept.Head(now, steady_s), Watch.dump_usual)

    async def _write(self, name: str, head: kept.Head, dump: Callable[[Watch], Any]) -> None:
        targets: dict[str, bytes] = {}
        for target, watch in list(self._watches.items()):
            targets[target] = kept.encode(dump(watch))
            await asyncio.sleep(0)  # a probe may be due
        try:
            await asyncio.to_thread(self._write_alone, self._folder / name, head, targets)
            self._kept_error = None
        except OSError as error:
            self._kept_error = error.strerror or type(error).__name__

    def _write_alone(self, path: Path, head: kept.Head, targets: Mapping[str, bytes]) -> None:
        """A `tend` that was cancelled may still be writing."""
        with self._writing:
            kept.write(path, head, targets)

    # -- the rest -----------------------------------------------------------------------------

    def _see(self, row: Row) -> None:
        for kind, text in self._eyes.setdefault(row.target, Eye()).see(row):
            self._notes.add(kind, text, row.at_unix_ns / 1e9, row.target)

    def _mind_the_clock(self, now: float) -> None:
        offset_ns = self._clock.realtime_ns() - self._clock.monotonic_ns()
        step_s = (offset_ns - self._offset_ns) / SECOND_NS
        self._offset_ns = offset_ns
        if abs(step_s) >= STEP_S:
            way = "forward" if step_s > 0 else "back"
            self._notes.add("clock_step", f"the clock was set {way} by {seconds(abs(step_s))}", now)

    def _ending(self, incident: Incident) -> str:
        watch = self._watches.get(incident.target)
        if watch is None:
            return "it is watched no more" if incident.target else ""
        return watch.ending(incident.key)

    def _now(self) -> float:
        return self._clock.realtime_ns() / SECOND_NS

    def _steady_s(self) -> float:
        return (self._clock.monotonic_ns() + self._steady_ns) / SECOND_NS
