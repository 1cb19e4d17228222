"""What waits to be sent: on the disk, bounded, in order, across restarts and kills.

A folder holds segments and a cursor:

    00000017.queue    frames: length and CRC-32 of a message (4 bytes each), then the message
    cursor            segment and place of the first message that was not sent

What was sent but not noted when the process died is sent again: receivers get a message at least
once. When it is too much, the oldest segment goes, and its messages are counted as lost.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from ..errors import StoreError
from .writing import Appender

_HEAD = struct.Struct("<II")
_NAME = re.compile(r"([0-9]{8})\.queue")
_CURSOR = re.compile(rb"([0-9]{8}) ([0-9]{12})\n")
_SEGMENTS = 8
_MOST_IN_MEMORY = 4 * 1024 * 1024
_READ = 4 * 1024 * 1024
"""Bytes that are read for one batch; one message may be larger."""


class Place(NamedTuple):
    """A segment and an offset in it."""

    segment: int
    offset: int


@dataclass(slots=True)
class Batch:
    """Messages to be sent, and what to note once they are: where the next one is on the disk, or
    how many of those that found no room there these were."""

    messages: list[bytes]
    behind: Place | None = None
    lost_before: int = 0


@dataclass(slots=True)
class _Segment:
    """Sizes count whole frames: `ends` are where they end, of those that were not sent."""

    size: int = 0
    ends: deque[int] = field(default_factory=deque)


class Queue(Protocol):
    """Messages in order; `append` may be called while another thread looks at the first ones."""

    @property
    def lost(self) -> int:
        """Messages for which there was no room."""
        ...

    def append(self, message: bytes) -> None: ...

    def first(self, most: int) -> Batch:
        """Up to so many messages; the same ones again until they are done with."""
        ...

    def done(self, batch: Batch) -> None: ...

    @property
    def waiting_bytes(self) -> int: ...

    @property
    def error(self) -> str | None: ...

    def close(self) -> None: ...


class Latest:
    """A queue for one message, which the next one replaces."""

    error = None
    lost = 0

    def __init__(self) -> None:
        self._message: bytes | None = None

    def append(self, message: bytes) -> None:
        self._message = message

    def first(self, most: int) -> Batch:  # noqa: ARG002
        message = self._message
        return Batch([] if message is None else [message])

    def done(self, batch: Batch) -> None:
        if batch.messages and self._message is batch.messages[0]:
            self._message = None

    @property
    def waiting_bytes(self) -> int:
        return len(self._message or b"")

    def close(self) -> None:
        """Nothing is kept."""


class DiskQueue:
    """A queue in a folder of its own; raises StoreError where that cannot be used."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._lock = threading.Lock()
        self._appender = Appender(_MOST_IN_MEMORY)
        self._dropped = 0
        self._borrowed = False
        """Whether messages that wait in memory are being sent: none is written meanwhile."""
        try:
            for one in (folder.parent, folder):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._cursor_fd = os.open(
                folder / "cursor", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            self._cursor = self._read_cursor()
            self._segments = self._found()
        except OSError as error:
            raise StoreError(f"{error.filename or folder}: {error.strerror}") from None
        self._next = max([self._cursor.segment, *self._segments]) + 1

    @property
    def lost(self) -> int:
        return self._dropped + self._appender.lost

    @property
    def error(self) -> str | None:
        """Why the disk does not take messages."""
        return self._appender.error

    @property
    def waiting_bytes(self) -> int:
        with self._lock:
            on_disk = sum(segment.size for segment in self._segments.values())
            sent = self._cursor.offset if self._cursor.segment in self._segments else 0
            return on_disk - sent + self._appender.waiting_bytes

    def append(self, message: bytes) -> None:
        frame = _HEAD.pack(len(message), zlib.crc32(message)) + message
        with self._lock:
            if self._borrowed:
                self._appender.hold(frame)
                return
            if self._appender.path is None or self._appender.size >= self._most // _SEGMENTS:
                self._begin()
            self._write(frame)
            self._trim()

    def first(self, most: int) -> Batch:
        while True:
            with self._lock:
                found = self._on_disk(most)
                if found is None:
                    return self._in_memory(most)
            # The event loop does not wait for this.
            with suppress(FileNotFoundError):  # too much meanwhile: the next segment is the first
                return self._read(*found)

    def done(self, batch: Batch) -> None:
        with self._lock:
            if batch.behind is not None:
                self._advance(batch.behind)
            elif batch.messages:
                # Some may have been given up meanwhile, the oldest first.
                gone = self._appender.lost - batch.lost_before
                self._appender.forget(max(0, len(batch.messages) - gone))
                self._borrowed = False

    def close(self) -> None:
        with self._lock:
            self._appender.flush()
            self._appender.close()
            os.close(self._cursor_fd)

    # -- writing ------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._appender.begin(self._folder / f"{self._next:08d}.queue")
        self._next += 1

    def _write(self, frame: bytes) -> None:
        """Write a frame and those that wait before it, and note where they end."""
        sizes = [*map(len, self._appender.waiting), len(frame)]
        written, begin = self._appender.written, self._appender.size
        self._appender.append(frame)
        if count := self._appender.written - written:
            segment = self._segments.setdefault(self._next - 1, _Segment(begin))
            for size in sizes[:count]:
                segment.size += size
                segment.ends.append(segment.size)

    def _trim(self) -> None:
        while len(self._segments) > 1 and self._size() > self._most:
            oldest = min(self._segments)
            self._dropped += len(self._segments[oldest].ends)
            self._remove(oldest)

    def _size(self) -> int:
        return sum(segment.size for segment in self._segments.values())

    def _remove(self, number: int) -> None:
        del self._segments[number]
        with suppress(FileNotFoundError):
            (self._folder / f"{number:08d}.queue").unlink()

    # -- reading ------------------------------------------------------------------------------

    def _on_disk(self, most: int) -> tuple[Place, list[int]] | None:
        """Where the first messages are that were not sent, and where each of them ends."""
        for number in sorted(self._segments):
            if ends := self._segments[number].ends:
                begin = self._cursor.offset if self._cursor.segment == number else 0
                first = list(islice(ends, most))
                return Place(number, begin), [
                    end for end in first if end == first[0] or end - begin <= _READ
                ]
        return None

    def _in_memory(self, most: int) -> Batch:
        frames = list(self._appender.waiting)[:most]
        self._borrowed = bool(frames)
        return Batch([frame[_HEAD.size :] for frame in frames], None, self._appender.lost)

    def _read(self, begin: Place, ends: list[int]) -> Batch:
        messages = []
        with (self._folder / f"{begin.segment:08d}.queue").open("rb") as file:
            behind = file.seek(begin.offset)
            for end in ends:
                messages.append(file.read(end - behind)[_HEAD.size :])
                behind = end
        return Batch(messages, Place(begin.segment, behind))

    def _advance(self, behind: Place) -> None:
        """Everything before this place was sent."""
        self._cursor = max(self._cursor, behind)
        with suppress(OSError):  # then it is sent once more, after the next start
            os.pwrite(self._cursor_fd, b"%08d %012d\n" % self._cursor, 0)
        for number in [one for one in self._segments if one <= behind.segment]:
            ends = self._segments[number].ends
            while ends and Place(number, ends[0]) <= behind:
                ends.popleft()
            if not ends and number < self._next - 1:
                self._remove(number)

    def _read_cursor(self) -> Place:
        found = _CURSOR.fullmatch(os.pread(self._cursor_fd, 64, 0))
        return Place(int(found[1]), int(found[2])) if found else Place(0, 0)

    def _found(self) -> dict[int, _Segment]:
        """The segments of an earlier process, with their whole frames."""
        found = {}
        for path in sorted(self._folder.glob("*.queue")):
            if name := _NAME.fullmatch(path.name):
                number = int(name[1])
                begin = self._cursor.offset if number == self._cursor.segment else 0
                segment = _Segment()
                if number >= self._cursor.segment:
                    segment = _scanned(path, begin)
                if segment.ends:
                    found[number] = segment
                else:
                    path.unlink()
        return found


def _scanned(path: Path, begin: int) -> _Segment:
    """The whole frames of a file from a place on; what is torn ends it."""
    segment = _Segment(begin)
    with path.open("rb") as file:
        file.seek(begin)
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, crc = _HEAD.unpack(head)
            message = file.read(size)
            if not size or len(message) < size or zlib.crc32(message) != crc:
                break
            segment.size += _HEAD.size + size
            segment.ends.append(segment.size)
    return segment
