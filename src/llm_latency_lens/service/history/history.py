"""What the monitor has measured, in one folder: rows go in, rows and steps of time come out."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ...clock import SECOND_NS, Clock
from ...errors import StoreError
from ...metrics import schema
from ..config import RetentionConfig
from ..probe import Row
from ..writing import Appender
from . import parts, tables, tending
from .bins import Bin
from .questions import Questions, Span, Tally

_MOST_WAITING = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """How the history fares: rows that are on the disk since the start, that wait for room there,
    and that were given up; what went wrong last, and the size of all files."""

    written: int
    waiting: int
    lost: int
    error: str | None
    bytes: int


class History:
    """One data folder with one writer.

    `add` and `tend` are for the event loop; `rows`, `series` and `tallies` block, and are called in
    threads. Raises StoreError where the folder cannot be used, or another monitor uses it.
    """

    def __init__(self, folder: Path, retention: RetentionConfig, clock: Clock) -> None:
        self.retention = retention
        self._clock = clock
        self._journal = folder / "journal"
        history = folder / "history"
        engine = tables.Engine(history / "spill")
        self._files = tending.Files(self._journal, history / "probes", history / "hours", engine)
        self._lock = _prepared(folder, self._files)
        self._tending = threading.Lock()
        self._tended = replace(self._files, engine=tables.Engine(history / "packing"))
        """With a DuckDB of its own, which is closed behind what it did: open, it would keep the
        memory that packing took."""
        self._appender = Appender(_MOST_WAITING)
        self._questions = Questions(self._files, lambda: list(self._appender.waiting))
        self._stamp = ""
        self._number = self._files.next_number()
        self._damaged = tending.set_aside(self._files)
        self._trouble: str | None = None
        self._bytes = self._files.size()

    def close(self) -> None:
        """Write what waits, and let another have the folder."""
        self._appender.flush()
        self._appender.close()
        self._files.engine.close()
        self._lock.close()

    def add(self, row: Row) -> None:
        """Append a row. What the disk does not take waits in memory, as far as that is bounded."""
        self._turn()
        self._appender.append(schema.encode(row) + b"\n")

    def _turn(self) -> None:
        """Begin another file when another hour has begun, or this one is large."""
        stamp = parts.hour_of(self._clock.realtime_ns())
        if stamp != self._stamp or self._appender.size >= tending.SEGMENT:
            self._stamp = stamp
            self._appender.begin(self._journal / f"{stamp}.{self._number:08d}.jsonl")
            self._number += 1

    async def tend(self) -> None:
        """Do what is due: pack finished hours, join files, forget what is old."""
        # Also when no row comes: what is packed is never written to again.
        self._turn()
        self._appender.flush()
        await asyncio.to_thread(self._tend, self._stamp)

    def _tend(self, stamp: str) -> None:
        try:
            with self._tending:
                now_unix_ns, lock = self._clock.realtime_ns(), self._questions.lock
                try:
                    tending.tend(self._tended, self.retention, stamp, now_unix_ns, lock)
                finally:
                    self._tended.engine.close()
            self._trouble = None
        except (StoreError, OSError) as error:
            self._trouble = str(error)
            _log.warning("history: %s; it is tried again", error)
        self._bytes = self._files.size()

    def health(self) -> HistoryHealth:
        appender = self._appender
        return HistoryHealth(
            appender.written,
            len(appender.waiting),
            appender.lost,
            appender.error or self._trouble or self._damaged,
            self._bytes + appender.size,
        )

    # -- questions ----------------------------------------------------------------------------

    def rows(
        self,
        since_unix_s: float,
        until_unix_s: float,
        target: str | None = None,
        *,
        newest: int | None = None,
        failed: bool = False,
    ) -> list[Row]:
        """Rows of [since, until), oldest first: only the `newest` so many, or the failed ones.

        A row takes up some 2 KB of memory.
        """
        span = _span(since_unix_s, until_unix_s)
        return self._questions.rows(span, target, newest=newest, failed=failed)

    def each(self, since_unix_s: float, until_unix_s: float) -> Iterator[Row]:
        """Rows of all targets without their gaps, about in order and one at a time: for a start,
        because no question is answered meanwhile."""
        return self._questions.each(_span(since_unix_s, until_unix_s))

    def series(
        self, target: str, since_unix_s: float, until_unix_s: float, step_s: float
    ) -> list[Bin]:
        """What each step of time came to, of those with a probe. Steps are counted from the Unix
        epoch. Where only the summary of an hour is left, it stands at its beginning; over more than
        two days, steps of an hour and more are told by such summaries."""
        step_ns = max(1, round(step_s * SECOND_NS))
        return self._questions.series(target, _span(since_unix_s, until_unix_s), step_ns)

    def tallies(self, since_unix_s: float, until_unix_s: float, step_s: float) -> list[Tally]:
        """Counts and costs of all targets by steps of time, from single probes."""
        step_ns = max(1, round(step_s * SECOND_NS))
        return self._questions.tallies(_span(since_unix_s, until_unix_s), step_ns)


def _span(since_unix_s: float, until_unix_s: float) -> Span:
    return round(since_unix_s * SECOND_NS), round(until_unix_s * SECOND_NS)


def _prepared(folder: Path, files: tending.Files) -> IO[bytes]:
    """Make the folders, and take the lock; give the open file that holds it."""
    try:
        for one in (folder, files.journal, files.probes.parent, files.probes, files.hours):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: {error.strerror}") from None
    held = os.fdopen(fd, "r+b")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = held.read(20).decode("ascii", "replace").strip()
        held.close()
        raise StoreError(
            f"{folder}: another monitor writes here{f' (process {other})' if other else ''};"
            " give this one a data_dir of its own"
        ) from None
    except OSError as error:
        held.close()
        raise StoreError(f"{folder / 'lock'}: cannot be locked: {error.strerror}") from None
    held.truncate(0)
    held.write(str(os.getpid()).encode())
    held.flush()
    return held
