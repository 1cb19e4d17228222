"""Records on their way to a sink: in a thread of their own, bounded, counted.

A sink that answers is waited for. One that is down is tried again and again, ever more rarely;
meanwhile a queue of records fills, and what does not fit is lost.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import SinkError
from ..metrics.context import SinkOutcome
from ..record import Record
from ..sinks import Exported
from ..sinks.address import parse
from ..sinks.opening import Opening
from ..sinks.sink import Sink, open_sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patiently a sink is served. `linger_s` is how long records gather before they go,
    `last_s` how long a sink that is down is tried when nothing more comes."""

    capacity: int = 10_000
    linger_s: float = 0.5
    first_retry_s: float = 0.5
    longest_retry_s: float = 15.0
    last_s: float = 1.0


class Delivery:
    """Serves one sink: `offer`, then `end`, then `outcome`, all of one thread."""

    def __init__(self, sink: Sink, shown: str, pace: Pace | None = None) -> None:
        self._sink = sink
        self._shown = shown
        self._pace = pace or Pace()
        self._queue: queue.Queue[Record] = queue.Queue(self._pace.capacity)
        self._offered = self._taken = self._sent = 0
        self._error: str | None = None
        self._down = threading.Event()
        self._ending = threading.Event()
        self._deadline = float("inf")
        self._last_tries = False
        self._thread = threading.Thread(target=self._serve, name="sink", daemon=True)
        self._thread.start()

    def offer(self, record: Record) -> None:
        """Hand a record over. Waits while the queue is full of what a working sink is sent."""
        self._offered += 1
        while self._thread.is_alive():
            down = self._down.is_set()
            try:
                self._queue.put(record, block=not down, timeout=self._pace.linger_s)
            except queue.Full:
                if down:
                    return
            else:
                return

    def end(self, patience_s: float) -> None:
        """Nothing more comes: what is left may take so long."""
        self._deadline = time.monotonic() + patience_s
        self._ending.set()

    def outcome(self) -> SinkOutcome:
        """Wait for that; says what was sent and what was lost."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()) + self._pace.linger_s)
        lost = self._offered - self._sent
        if lost and self._error is None:
            self._error = "it took too long"
        return SinkOutcome(
            url=self._shown, sent=self._sent, lost=lost, error=self._error if lost else None
        )

    # -- the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while batch := self._gather():
                for record in batch:
                    self._sink.take(record)
                self._taken += len(batch)
                self._deliver(len(batch))
        except Exception as error:  # noqa: BLE001  (a run never fails for a sink)
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._sink.close()

    def _gather(self) -> list[Record]:
        """The next records, at least one; none when all is done."""
        while True:
            ending = self._ending.is_set()
            if ending and time.monotonic() > self._deadline:
                return []
            batch = self._held()
            if batch or ending:
                return batch
            self._ending.wait(self._pace.linger_s)

    def _held(self) -> list[Record]:
        batch: list[Record] = []
        while len(batch) < self._sink.batch:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _deliver(self, count: int) -> None:
        """Push until it is done, hopeless or too late."""
        wait_s = self._pace.first_retry_s
        while True:
            try:
                self._sink.push()
            except SinkError as error:
                self._error = str(error)
                if not error.later or self._gives_up(wait_s):
                    self._sink.drop()
                    return
                wait_s = min(2 * wait_s, self._pace.longest_retry_s)
            else:
                self._sent = self._taken if self._sink.whole else self._sent + count
                self._down.clear()
                if self._sink.rest_s:
                    time.sleep(self._sink.rest_s)
                return

    def _gives_up(self, wait_s: float) -> bool:
        """Wait before the next try; True when the time for it is over."""
        self._down.set()
        if not self._ending.is_set():
            self._ending.wait(wait_s)
            return False
        now = time.monotonic()
        if not self._last_tries:  # whoever waits for the run's end should not wait long for this
            self._last_tries = True
            self._deadline = min(self._deadline, now + self._pace.last_s)
        left_s = self._deadline - now
        if left_s <= 0:
            return True
        time.sleep(min(left_s, self._pace.first_retry_s))
        return False


def send(exported: Exported, url: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Send a kept run to a URL, in this thread; gives the number of requests, and where they went
    without its secrets. Raises UsageError for a URL that is none, SinkError when it is not taken.
    """
    address = parse(url, environ)
    sink = open_sink(Opening(address, exported.context, environ, exported.keep_text))
    try:
        return send_all(sink, exported.read()), address.shown
    except SinkError as error:
        raise SinkError(f"{address.shown}: {error}", later=error.later) from None


def send_all(sink: Sink, records: Iterable[Record]) -> int:
    """Send records to a sink, in this thread; gives their number. Raises SinkError at once."""
    sent = held = 0
    try:
        for record in records:
            sink.take(record)
            held += 1
            if held == sink.batch:
                sink.push()
                sent, held = sent + held, 0
                time.sleep(sink.rest_s)
        if held or (sink.whole and not sent):
            sink.push()
    except SinkError as error:
        taken = f"; {sent:,} requests before were taken" if sent else ""
        raise SinkError(f"{error}{taken}", later=error.later) from None
    finally:
        sink.close()
    return sent + held
