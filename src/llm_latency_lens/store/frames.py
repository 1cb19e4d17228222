"""The file of timelines: append-only frames, each with its length and checksum.

    file  := magic frame*
    frame := type:u8 length:u32 crc32:u32 payload        (little-endian)

    O  open    MessagePack: who asks what (index, attempt, provider, model, planned_ns, ...)
    R  reads   key:u64 first:u32 count:u32 begin:u64 at[count]:i64 lag[count]:i64 ends[count]:u64
               body bytes; `first` is the number of the first read here, `begin` where in the body
               the bytes belong
    C  close   MessagePack: marks, connection, status, headers, failure

A request's frames share a key and stand in order; those of different requests interleave. A file
cut anywhere reads up to its last whole frame. A damaged frame is left out, and the next whole one
is looked for byte by byte; a request that lost reads is left out with it, since the hole would
look like a stall. Readers accept every version up to their own; a newer one is refused by name.
"""

from __future__ import annotations

import re
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import IO, Any

import msgspec

from ..errors import StoreError
from ..record import Record
from ..timeline import Connection, ErrorKind, Failure, Stage, Timeline

VERSION = 1
_MAGIC = b"LATLENS"
HEADER = _MAGIC + bytes([VERSION])

_HEAD = struct.Struct("<cII")
_READS = struct.Struct("<QIIQ")
_KINDS = re.compile(b"[ORC]")
_SEARCH_SIZE = 1 << 20
_IDENTITY = (
    "index",
    "id",
    "attempt",
    "provider",
    "model",
    "stream",
    "max_tokens",
    "tag",
    "warmup",
    "planned_ns",
    "operation",
    "arm",
)
_MARKS = (
    "start_ns",
    "sent_ns",
    "first_byte_ns",
    "closed_ns",
    "offset_ns",
    "offset_end_ns",
    "clock_source",
    "status",
    "complete",
)

MAX_ATTEMPT = 255

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def key(request: Timeline | Record) -> int:
    """What a request's frames share: unique for each of its attempts up to MAX_ATTEMPT."""
    return request.index << 8 | request.attempt


def _frame(kind: bytes, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload), zlib.crc32(payload, kind[0])) + payload


def frame_size(payload: bytes) -> int:
    """Of the whole frame around a payload."""
    return _HEAD.size + len(payload)


def open_frame(timeline: Timeline) -> bytes:
    return _frame(b"O", _encoder.encode({name: getattr(timeline, name) for name in _IDENTITY}))


def reads_frame(timeline: Timeline, first: int, begin: int, body: bytes) -> bytes:
    """The reads from number `first` on, and the bytes that follow the first `begin` of the body."""
    at, lag, ends = timeline.at[first:], timeline.lag[first:], timeline.ends[first:]
    if sys.byteorder == "big":
        for column in (at, lag, ends):
            column.byteswap()
    return _frame(
        b"R",
        _READS.pack(key(timeline), first, len(at), begin)
        + at.tobytes()
        + lag.tobytes()
        + ends.tobytes()
        + body,
    )


def close_frame(timeline: Timeline) -> bytes:
    failure = timeline.failure
    return _frame(
        b"C",
        _encoder.encode(
            {
                "key": key(timeline),
                "reads": len(timeline.at),
                "size": len(timeline.body),
                **{name: getattr(timeline, name) for name in _MARKS},
                "headers": timeline.headers,
                "connection": asdict(timeline.connection),
                "failure": failure and (failure.kind, failure.stage, failure.message),
            }
        ),
    )


def read_frames(file: IO[bytes], warn: Callable[[str], None]) -> Iterator[Timeline]:
    """Each request's timeline, in the order in which they closed; `file` must allow to seek.

    Requests that were under way when the file ends come last, failed as cancelled. `warn` gets at
    most one line, for a torn tail and damaged frames. Raises StoreError for what is not such a
    file, or one of a newer version.
    """
    header = file.read(len(HEADER))
    if header[: len(_MAGIC)] != _MAGIC[: len(header)]:
        raise StoreError("this is not a file of timelines")
    if header[len(_MAGIC) :] > bytes([VERSION]):
        raise StoreError(
            f"the file of timelines has format {header[-1]}, this version of latency-lens reads "
            f"up to {VERSION}: a newer one is needed"
        )
    reader = _Reader(file)
    yield from reader.timelines()
    if told := reader.told():
        warn(told)


class Growing:
    """A file of timelines that is still written to: each call reads what came since the last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._reader = _Reader(file)
        self._place = len(HEADER)

    def timelines(self) -> Iterator[Timeline]:
        """What has closed. A frame that is not whole yet is left for the next call."""
        self._reader.grow()
        while frame := self._reader.frame(self._place):
            self._place += frame_size(frame[1])
            if closed := self._reader.take(*frame):
                yield closed

    def close(self) -> None:
        self._file.close()


class _Reader:
    """Goes through the frames of one file, and past what is damaged."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._under_way: dict[int, Timeline] = {}
        self._broken: set[int] = set()
        self._damaged = 0
        self._torn = 0 < self._size < len(HEADER)

    def grow(self) -> None:
        """Look again how long the file is."""
        self._size = self._file.seek(0, 2)

    def told(self) -> str:
        """What had to be left out, in one line; empty when nothing had."""
        parts = []
        if self._damaged:
            requests = f", and {len(self._broken)} requests with them" if self._broken else ""
            parts.append(f"{self._damaged} damaged frames are left out{requests}")
        if self._torn:
            parts.append("it ends in the middle of a frame, and this torn tail is left out")
        return f"the file of timelines: {'; '.join(parts)}" if parts else ""

    def timelines(self) -> Iterator[Timeline]:
        for kind, payload in self._frames():
            if closed := self.take(kind, payload):
                yield closed
        for timeline in self._under_way.values():
            timeline.fail(
                ErrorKind.CANCELLED,
                Stage.STREAM if timeline.at else Stage.WAIT,
                "the run ended while this request was under way",
            )
            yield timeline

    def take(self, kind: bytes, payload: bytes) -> Timeline | None:
        """One whole frame; gives the timeline that it closes."""
        if kind == b"O":
            timeline = Timeline(**_decoder.decode(payload))
            self._under_way[key(timeline)] = timeline
        elif kind == b"R":
            self._add_reads(payload)
        else:
            return self._closed(_decoder.decode(payload))
        return None

    def _add_reads(self, payload: bytes) -> None:
        number, first, count, begin = _READS.unpack_from(payload)
        timeline = self._under_way.get(number)
        if timeline is None or (len(timeline.at), len(timeline.body)) != (first, begin):
            self._under_way.pop(number, None)
            self._broken.add(number)
            return
        offset = _READS.size
        for column in (timeline.at, timeline.lag, timeline.ends):
            part = array(column.typecode, payload[offset : offset + 8 * count])
            if sys.byteorder == "big":
                part.byteswap()
            column.extend(part)
            offset += 8 * count
        timeline.body += payload[offset:]

    def _closed(self, closing: dict[str, Any]) -> Timeline | None:
        timeline = self._under_way.pop(closing["key"], None)
        whole = closing["reads"], closing["size"]
        if timeline is None or (len(timeline.at), len(timeline.body)) != whole:
            self._broken.add(closing["key"])
            return None
        for name in _MARKS:
            setattr(timeline, name, closing[name])
        timeline.headers = tuple((name, value) for name, value in closing["headers"])
        timeline.connection = Connection(**closing["connection"])
        if closing["failure"]:
            kind, stage, message = closing["failure"]
            timeline.failure = Failure(ErrorKind(kind), Stage(stage), message)
        return timeline

    # -- frames -------------------------------------------------------------------------------

    def _frames(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole frames: kind and payload."""
        place = len(HEADER)
        while place < self._size:
            frame = self.frame(place)
            if frame is None:
                place = self._pass(place)
            else:
                yield frame
                place += frame_size(frame[1])

    def frame(self, place: int) -> tuple[bytes, bytes] | None:
        """The frame at `place`; None where there is no whole one."""
        self._file.seek(place)
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        kind, length, checksum = _HEAD.unpack(head)
        # A damaged length can be gigabytes: it must not be asked for.
        if not _KINDS.match(kind) or length > self._size - place - _HEAD.size:
            return None
        payload = self._file.read(length)
        return (kind, payload) if zlib.crc32(payload, kind[0]) == checksum else None

    def _pass(self, place: int) -> int:
        """Where to go on behind the damage at `place`.

        The frame's length is not trusted where a whole frame begins earlier: it may be what is
        damaged.
        """
        following = self._search(place + 1)
        if following is None:
            self._file.seek(place)
            head = self._file.read(_HEAD.size)
            whole = len(head) == _HEAD.size
            if not whole or place + _HEAD.size + _HEAD.unpack(head)[1] != self._size:
                self._torn = True
                return self._size
            following = self._size
        self._damaged += 1
        return following

    def _search(self, place: int) -> int | None:
        """The next place where a whole frame begins; None when there is none."""
        while place < self._size:
            self._file.seek(place)
            block = self._file.read(_SEARCH_SIZE)
            for found in _KINDS.finditer(block):
                if self.frame(place + found.start()):
                    return place + found.start()
            place += len(block)
        return None
