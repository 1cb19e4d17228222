"""Files that grow by one piece after the other, and what becomes of pieces that a disk does not
take: they wait in memory, as far as that is bounded, and are written when there is room again.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class Appender:
    """Appends to one file at a time, for one thread.

    What `append` has taken survives the death of the process as soon as it is written. A piece that
    only went in half is taken back, so that a file holds whole pieces unless the machine died.
    """

    def __init__(self, most_waiting_bytes: int) -> None:
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.written = 0
        """Pieces that the operating system has taken."""
        self.lost = 0
        """Pieces for which there was no room in memory either: the oldest."""
        self.error: str | None = None
        """Why the last try failed."""
        self.size = 0
        """Bytes of the file that is written now."""
        self.path: Path | None = None
        self._most = most_waiting_bytes
        self._fd: int | None = None

    def begin(self, path: Path) -> None:
        """Close the file before; the next piece goes to this one, which is made then."""
        self.close()
        self.path, self.size = path, 0

    def append(self, piece: bytes) -> None:
        """Write a piece, behind those that wait."""
        self.waiting.append(piece)
        self.waiting_bytes += len(piece)
        self.flush()
        self._trim()

    def hold(self, piece: bytes) -> None:
        """Let a piece wait without trying to write it."""
        self.waiting.append(piece)
        self.waiting_bytes += len(piece)
        self._trim()

    def forget(self, count: int) -> None:
        """Let go of the first pieces that wait."""
        for _ in range(count):
            self.waiting_bytes -= len(self.waiting.popleft())

    def _trim(self) -> None:
        while self.waiting_bytes > self._most:
            self.forget(1)
            self.lost += 1

    def flush(self) -> None:
        """Try to write what waits."""
        try:
            while self.waiting:
                self._write(self.waiting[0])
                self.forget(1)
                self.written += 1
        except OSError as error:
            self.error = error.strerror or str(error)
        else:
            self.error = None

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def _write(self, piece: bytes) -> None:
        if self._fd is None:
            assert self.path is not None
            self._fd = os.open(self.path, _FLAGS, 0o600)
            self.size = os.fstat(self._fd).st_size
        done = os.write(self._fd, piece)
        if done < len(piece):
            os.ftruncate(self._fd, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += done
