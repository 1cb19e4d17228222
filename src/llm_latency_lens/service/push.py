"""What the monitor sends to others, by itself: as it comes where they are up, later and in order
where they were down.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..clock import SECOND_NS, Clock
from ..errors import SinkError, UsageError
from ..record import Record
from ..sinks.address import Address, parse
from .config import PushConfig, TargetConfig
from .families import Told
from .metrics import Metrics
from .outlets import Outlet, Page, Records, Scrapes, message_of
from .probe import Probe
from .queues import Batch, DiskQueue, Latest, Queue

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 60.0
_LAST_S = 6.0
"""How long a stop waits for what is being sent: a receiver is given five seconds to answer."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PushHealth:
    """One receiver: its URL without secrets, messages that it took since the start, bytes that wait
    on the disk, messages that were given up, and what went wrong last."""

    url: str
    sent: int
    waiting_bytes: int
    lost: int
    error: str | None


class Push:
    """Serves one receiver. `turn` is called again and again by one thread, `offer` by another."""

    def __init__(
        self, url: str, outlet: Outlet, queue: Queue, clock: Clock, interval_s: float
    ) -> None:
        self.url = url
        self.outlet = outlet
        self.interval_s = interval_s
        self.sent = 0
        self._queue = queue
        self._clock = clock
        self._refused = 0
        self._error: str | None = None
        self._held: Batch | None = None
        self._unread = 0
        """Messages of that batch which could not be made ready."""
        self._wait_s = _FIRST_RETRY_S
        self._due_ns = clock.monotonic_ns()
        self._stopping = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, message: bytes) -> None:
        self._queue.append(message)

    def hurry(self) -> None:
        """Send without waiting for the interval, unless the receiver is down."""
        if self._error is None:
            self._due_ns = self._clock.monotonic_ns()
            self._wake.set()

    def health(self) -> PushHealth:
        queue = self._queue
        lost = self._refused + queue.lost
        error = self._error or queue.error
        return PushHealth(self.url, self.sent, queue.waiting_bytes, lost, error)

    def turn(self) -> float:
        """Send what waits, when it is time to; gives how many seconds there are to the next turn.

        A receiver that is down is tried again after a second, two, four, up to a minute.
        """
        left_s = (self._due_ns - self._clock.monotonic_ns()) / SECOND_NS
        if left_s > 0:
            return left_s
        wait_s = self.interval_s
        try:
            self._send_all()
        except SinkError as error:
            self._error = str(error)
            wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, _LONGEST_RETRY_S)
        self._due_ns = self._clock.monotonic_ns() + round(wait_s * SECOND_NS)
        return wait_s

    def _send_all(self) -> None:
        while self._held or self._take():
            assert self._held is not None
            try:
                self.outlet.push()
            except SinkError as error:
                if error.later:
                    raise
                self._give_up(error)
            else:
                self.sent += len(self._held.messages) - self._unread
                self._error = None
            self._wait_s = _FIRST_RETRY_S
            self._queue.done(self._held)
            self._held = None
            if self.outlet.rest_s:
                self._wake.wait(self.outlet.rest_s)

    def _take(self) -> bool:
        batch = self._queue.first(self.outlet.batch)
        if not batch.messages:
            return False
        self._unread = self.outlet.take(batch.messages)
        self._refused += self._unread
        self._held = batch
        return True

    def _give_up(self, error: SinkError) -> None:
        assert self._held is not None
        self._error = str(error)
        self._refused += len(self._held.messages) - self._unread
        self.outlet.drop()
        _log.warning("%s refuses %d messages: %s", self.url, len(self._held.messages), error)

    # -- the thread ---------------------------------------------------------------------------

    def start(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="push", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send once more, and end."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join(_LAST_S)
        else:
            self._close()

    def _serve(self) -> None:
        while not self._stopping:
            self._wake.wait(self._guarded())
            self._wake.clear()
        self._due_ns = self._clock.monotonic_ns()
        self._guarded()
        self._close()

    def _close(self) -> None:
        self.outlet.close()
        self._queue.close()

    def _guarded(self) -> float:
        try:
            return self.turn()
        except Exception as error:  # noqa: BLE001  (logged)
            # A bug in one way out must neither end the others nor go unsaid.
            self._error = f"{type(error).__name__}: {error}"
            _log.exception("%s", self.url)
            return _LONGEST_RETRY_S


class Pushes:
    """Takes probes, sends them to every receiver; what it is down for waits in `folder`.

    Raises UsageError for a URL that is none, StoreError where the folder cannot be used.
    """

    def __init__(
        self,
        configs: Sequence[PushConfig],
        folder: Path,
        clock: Clock,
        *,
        metrics: Metrics,
        environ: Mapping[str, str],
        targets: Sequence[TargetConfig] = (),
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._environ = environ
        self._metrics = metrics
        self._arms: dict[str, Any] = {}
        self._pushes: dict[PushConfig, Push] = {}
        self._tasks: dict[PushConfig, asyncio.Task[None]] = {}
        self._started = False
        self.retarget(targets)
        self._pushes = self._all_of(configs)

    def retarget(self, targets: Sequence[TargetConfig]) -> None:
        """Take over a new list of targets."""
        self._arms.update({one.name: {"base_url": one.base_url} for one in targets})

    def __call__(self, probe: Probe) -> None:
        message = b""
        for push in self._pushes.values():
            if isinstance(push.outlet, Records):
                message = message or message_of(_stamped(probe))
                push.offer(message)

    def start(self) -> None:
        """Begin to send, what waits from earlier first. For the event loop."""
        self._started = True
        for config in self._pushes:
            self._begin(config)

    async def apply(self, configs: Sequence[PushConfig]) -> None:
        """Take over a new list of receivers: those that stay are not disturbed."""
        made = self._all_of(configs)
        gone = [one for one in self._pushes if one not in made]
        await asyncio.gather(*(self._end(one) for one in gone))
        fresh = [one for one in made if one not in self._pushes]
        self._pushes = made
        if self._started:
            for one in fresh:
                self._begin(one)

    async def stop(self) -> None:
        """Send what can be sent at once; the rest waits on the disk for the next start."""
        self._started = False
        await asyncio.gather(*(self._end(one) for one in self._pushes))

    def health(self) -> list[PushHealth]:
        """How each receiver fares, in the order of the configuration."""
        return [push.health() for push in self._pushes.values()]

    def told(self) -> Iterator[Told]:
        """For the metrics."""
        found = self.health()
        yield "push_queue_bytes", [((one.url,), one.waiting_bytes) for one in found]
        yield "push_sent", [((one.url,), one.sent) for one in found]
        yield "push_lost", [((one.url,), one.lost) for one in found]

    async def snapshot(self, push: Push) -> None:
        """Make ready what a scrape would see now."""
        outlet = push.outlet
        if isinstance(outlet, Scrapes | Page):
            unix_ns = self._clock.realtime_ns()
            body, _ = await self._metrics.text()
            message = await asyncio.to_thread(outlet.message, body.decode(), unix_ns)
            push.offer(message)
            push.hurry()

    async def _every(self, push: Push) -> None:
        while True:
            await self._clock.sleep(round(push.interval_s * SECOND_NS))
            await self.snapshot(push)

    def _all_of(self, configs: Sequence[PushConfig]) -> dict[PushConfig, Push]:
        """A push for each receiver, those that there are already kept."""
        addresses = [parse(one.url, self._environ) for one in configs]
        for place, address in enumerate(addresses):
            if any(_name(one) == _name(address) for one in addresses[:place]):
                raise UsageError(f"push: {address.shown} is given twice")
        pairs = zip(configs, addresses, strict=True)
        return {one: self._pushes.get(one) or self._made(one, address) for one, address in pairs}

    def _made(self, config: PushConfig, address: Address) -> Push:
        outlet: Outlet
        queue: Queue
        if address.way == "pushgateway":
            outlet, queue = Page(address), Latest()
        else:
            if address.way == "remote-write":
                outlet = Scrapes(address)
            else:
                outlet = Records(address, self._environ, self._arms, self._clock.realtime_ns())
            queue = DiskQueue(self._folder / _name(address), config.max_queue_bytes)
        return Push(address.shown, outlet, queue, self._clock, config.interval_s)

    def _begin(self, config: PushConfig) -> None:
        push = self._pushes[config]
        push.start()
        if not isinstance(push.outlet, Records):
            self._tasks[config] = asyncio.get_running_loop().create_task(self._every(push))

    async def _end(self, config: PushConfig) -> None:
        push = self._pushes[config]
        if task := self._tasks.pop(config, None):
            task.cancel()
            await self.snapshot(push)
        await asyncio.to_thread(push.stop)


def _name(address: Address) -> str:
    """A folder's name: of the URL without its secrets, which may change."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{address.way}-{address.host or 'file'}")
    return f"{plain}-{sha256(address.shown.encode()).hexdigest()[:8]}"


def _stamped(probe: Probe) -> Record:
    """The record, with the time at which a request was to start that never did."""
    record = probe.record
    if record.start_unix_ns is None:
        return replace(record, start_unix_ns=probe.row.at_unix_ns)
    return record
