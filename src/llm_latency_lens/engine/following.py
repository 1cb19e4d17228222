"""Follows a run from another process, and hands its finished requests to sinks.

Whoever measures must not decode, so that this reads the run's own file of timelines while it grows.
It runs only where a processor has nothing else to do. Its standard input is one line of JSON, then
nothing until the run has ended; its standard output is one line when it is ready, and one with what
became of each sink.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import LensError
from ..metrics.context import SinkOutcome
from ..pricing import Pricer, Prices
from ..providers import decode
from ..record import Record
from ..sinks.address import parse
from ..sinks.opening import Opening
from ..sinks.sink import open_sink
from ..store import runs
from ..store.prices import open_book, pricer_of
from ..store.tail import Tail
from .delivery import Delivery

LOOK_S = 0.25
"""How often to look for what has ended."""


class Errand(msgspec.Struct):
    """What to follow and where to send it. The URLs hold their secrets, so that no command line
    does."""

    run: str
    urls: list[str]
    prices: str | list[dict[str, Any]] | None = None
    keep_text: bool = False
    patience_s: float = 10.0
    """How long sinks may take for what is left when the run has ended."""
    catch_up_s: float = 60.0
    """How long it may take then to read what is left."""
    look_s: float = LOOK_S


class Ready(msgspec.Struct):
    """Whether it can be done; `error` says why it cannot."""

    error: str | None = None


class Told(msgspec.Struct):
    """What became of it."""

    sinks: list[SinkOutcome]
    complete: bool = True
    """Whether the run could be read to its end."""


def main() -> int:
    stand_back()
    errand = msgspec.json.decode(sys.stdin.buffer.readline(), type=Errand)
    try:
        following = Following(errand, os.environ)
    except LensError as error:
        _say(Ready(str(error)))
        return error.exit_code
    _say(Ready())
    ended = threading.Event()
    threading.Thread(target=_await_end, args=(ended,), daemon=True).start()
    while not ended.wait(errand.look_s):
        following.look(ended.is_set)
    _say(following.finish())
    sys.stdout.buffer.flush()
    return 0


class Following:
    """One run and its sinks. Raises `UsageError` or `RunError` where a sink cannot be opened."""

    def __init__(self, errand: Errand, environ: Mapping[str, str]) -> None:
        self._run = runs.load(Path(errand.run))
        self._errand = errand
        self._tail = Tail(self._run.path / runs.TIMELINES)
        self._pricer = _pricer(self._run, errand.prices)
        context = self._run.file.context
        addresses = [parse(url, environ) for url in errand.urls]
        opened = [
            open_sink(Opening(address, context, environ, errand.keep_text)) for address in addresses
        ]
        self._deliveries = [
            Delivery(sink, address.shown) for sink, address in zip(opened, addresses, strict=True)
        ]

    def look(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Hand over what has ended since the last time; False when it was stopped before."""
        return self._hand_over((decode(timeline) for timeline in self._tail.closed()), stop)

    def finish(self) -> Told:
        """The run has ended: hand over the rest, and wait for the sinks, but neither for ever."""
        deadline = time.monotonic() + self._errand.catch_up_s

        def late() -> bool:
            return time.monotonic() > deadline

        if self._run.file.raw == "off":  # there was nothing to follow
            complete = self._hand_over(self._run.records(), late)
        else:
            complete = self.look(late)
        self._tail.close()
        for delivery in self._deliveries:
            delivery.end(self._errand.patience_s)
        return Told([delivery.outcome() for delivery in self._deliveries], complete)

    def _hand_over(self, records: Iterable[Record], stop: Callable[[], bool]) -> bool:
        for record in self._priced(records):
            if not self._errand.keep_text:  # what waits need not hold what nobody is told
                record.events.text.clear()
            for delivery in self._deliveries:
                delivery.offer(record)
            if stop():
                return False
        return True

    def _priced(self, records: Iterable[Record]) -> Iterator[Record]:
        return map(self._pricer.price, records) if self._pricer else iter(records)


def _pricer(run: runs.Run, prices: Prices | None) -> Pricer | None:
    """What says the cost of a request; nobody where a server's time is shared out at the end."""
    pricer = pricer_of(run.file.context, open_book(prices))
    return None if pricer.by_the_second or run.file.raw == "off" else pricer


def stand_back() -> None:
    """Use the processor only when nobody else wants it, and leave Ctrl-C to the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(19)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _await_end(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


def _say(what: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
