"""Puts timelines on the disk while a run goes on, a little at a time.

The engine calls `open`, `sweep` and `close`; frames gather in memory and `flush` hands them to the
operating system from a thread, so that a slow disk does not hold up the reads. What a flush took
survives the death of the process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import StoreError
from ..timeline import Timeline
from .frames import HEADER, close_frame, key, open_frame, reads_frame

Redact = Callable[[bytes], bytes]
SafePrefix = Callable[[bytes | bytearray, int], int]


class Spool:
    """Appends to one file of timelines.

    With `redact` and `safe_prefix` only whole events are written, blanked. The last `hold_back`
    bytes of a body wait until it is closed: a secret may have begun in them. When the disk is full,
    `error` is set, the file is left at its last whole flush, and everything since stays in memory:
    `unsaved()` gives it back.
    """

    def __init__(
        self,
        path: Path,
        *,
        redact: Redact | None = None,
        safe_prefix: SafePrefix | None = None,
        hold_back: int = 0,
    ) -> None:
        self.path = path
        self.error: StoreError | None = None
        self.written = 0
        self.closed = 0
        self._redact = redact
        self._safe_prefix = safe_prefix
        self._hold_back = hold_back
        self._pending = bytearray(HEADER)
        self._done: dict[int, tuple[int, int]] = {}
        self._unflushed: list[Timeline] = []
        self._lost: list[Timeline] = []
        # A thread of its own: what is to be written stands in line there, also when nobody waits.
        self._writer = ThreadPoolExecutor(1, "spool")
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None

    def open(self, timeline: Timeline) -> None:
        self._pending += open_frame(timeline)
        self._done[key(timeline)] = (0, 0)

    def sweep(self, timelines: Iterable[Timeline]) -> None:
        """Take the reads that came since the last visit."""
        for timeline in timelines:
            self._take(timeline, last=False)

    def close(self, timeline: Timeline) -> None:
        """Take the rest, and hold the timeline until it is flushed."""
        self._take(timeline, last=True)
        self._done.pop(key(timeline), None)
        self._pending += close_frame(timeline)
        self._unflushed.append(timeline)
        self.closed += 1

    def _take(self, timeline: Timeline, *, last: bool) -> None:
        reads, size = self._done[key(timeline)]
        count, end = len(timeline.at), len(timeline.body)
        if not last:
            end = self._ready(timeline, size)
        if (count, end) == (reads, size):
            return
        body = bytes(timeline.body[size:end])
        if self._redact:
            body = self._redact(body)
        self._pending += reads_frame(timeline, reads, size, body)
        self._done[key(timeline)] = (count, end)

    def _ready(self, timeline: Timeline, size: int) -> int:
        """How much of a body that is still growing can be written."""
        if self._redact and self._safe_prefix:
            return self._safe_prefix(timeline.body, size) if timeline.stream else size
        return max(size, len(timeline.body) - self._hold_back)

    async def flush(self) -> None:
        """Write what has gathered, in a thread; when this is cancelled, the thread goes on."""
        batch = self._writer.submit(self._write, *self._gather())
        await asyncio.shield(asyncio.wrap_future(batch))

    def write_out(self) -> None:
        """The same, and wait for it: for whoever has no event loop."""
        self._writer.submit(self._write, *self._gather()).result()

    def finish(self) -> None:
        """Flush and close the file."""
        last = self._writer.submit(self._write, *self._gather())
        self._writer.shutdown()
        os.close(self._fd)
        last.result()

    def _gather(self) -> tuple[bytearray, list[Timeline]]:
        batch = self._pending, self._unflushed
        self._pending, self._unflushed = bytearray(), []
        return batch

    def _write(self, pending: bytearray, closed: list[Timeline]) -> None:
        if self.error:
            self._lost += closed
            return
        offset = 0
        try:
            while offset < len(pending):
                offset += os.write(self._fd, memoryview(pending)[offset:])
        except OSError as error:
            self._lost += closed
            self.error = StoreError(f"{self.path}: {error.strerror}")
            os.ftruncate(self._fd, self.written)
            return
        self.written += len(pending)

    def unsaved(self) -> list[Timeline]:
        """Finished timelines that the disk did not take."""
        return self._lost
