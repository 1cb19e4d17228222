"""The file of timelines: append-only frames, each with its length and checksum.

    file  := magic frame*
    frame := type:u8 length:u32 crc32:u32 payload        (little-endian)

    O  open    MessagePack: who asks what (index, attempt, provider, model, planned_ns, ...)
    R  reads   key:u64 count:u32 at[count]:i64 lag[count]:i64 ends[count]:u64 body bytes
    C  close   MessagePack: marks, connection, status, headers, failure

A request's frames share a key and stand in order; those of different requests interleave. A file
cut anywhere reads up to its last whole frame; a frame whose checksum is wrong is left out. Readers
accept every version up to their own; a newer one is refused by name.
"""

from __future__ import annotations

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
_READS = struct.Struct("<QI")
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

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


MAX_ATTEMPT = 255


def key(request: Timeline | Record) -> int:
    """What a request's frames share: unique for each of its attempts up to MAX_ATTEMPT."""
    return request.index << 8 | request.attempt


def _frame(kind: bytes, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload), zlib.crc32(payload, kind[0])) + payload


def open_frame(timeline: Timeline) -> bytes:
    return _frame(b"O", _encoder.encode({name: getattr(timeline, name) for name in _IDENTITY}))


def reads_frame(timeline: Timeline, reads: slice, body: bytes) -> bytes:
    """The reads in `reads`, and the body bytes that go with them."""
    at, lag, ends = timeline.at[reads], timeline.lag[reads], timeline.ends[reads]
    if sys.byteorder == "big":
        for column in (at, lag, ends):
            column.byteswap()
    return _frame(
        b"R",
        _READS.pack(key(timeline), len(at)) + at.tobytes() + lag.tobytes() + ends.tobytes() + body,
    )


def close_frame(timeline: Timeline) -> bytes:
    failure = timeline.failure
    return _frame(
        b"C",
        _encoder.encode(
            {
                "key": key(timeline),
                **{name: getattr(timeline, name) for name in _MARKS},
                "headers": timeline.headers,
                "connection": asdict(timeline.connection),
                "failure": failure and (failure.kind, failure.stage, failure.message),
            }
        ),
    )


def read_frames(file: IO[bytes], warn: Callable[[str], None]) -> Iterator[Timeline]:
    """Each request's timeline, in the order in which they closed.

    Requests that were under way when the file ends come last, failed as cancelled; `warn` gets
    one line for a torn tail or for damaged frames.
    """
    header = file.read(len(HEADER))
    if header[: len(_MAGIC)] != _MAGIC:
        raise StoreError("this is not a file of timelines")
    if header[len(_MAGIC) :] != bytes([VERSION]):
        raise StoreError(
            f"the file of timelines has format {header[len(_MAGIC) :].hex()}, this version of "
            f"latency-lens reads up to {VERSION}: a newer one is needed"
        )
    under_way: dict[int, Timeline] = {}
    for kind, payload in _payloads(file, warn):
        if kind == b"O":
            timeline = Timeline(**_decoder.decode(payload))
            under_way[key(timeline)] = timeline
        elif kind == b"R":
            _add_reads(under_way, payload)
        elif kind == b"C":
            closing = _decoder.decode(payload)
            if closed := under_way.pop(closing["key"], None):
                _close(closed, closing)
                yield closed
    for timeline in under_way.values():
        timeline.fail(
            ErrorKind.CANCELLED,
            Stage.STREAM if timeline.at else Stage.WAIT,
            "the run ended while this request was under way",
        )
        yield timeline


def _payloads(file: IO[bytes], warn: Callable[[str], None]) -> Iterator[tuple[bytes, bytes]]:
    damaged = 0
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            warn("the file of timelines ends in the middle of a frame; its torn tail is left out")
            break
        kind, length, checksum = _HEAD.unpack(head)
        payload = file.read(length)
        if len(payload) < length:
            warn("the file of timelines ends in the middle of a frame; its torn tail is left out")
            break
        if zlib.crc32(payload, kind[0]) != checksum:
            damaged += 1
            continue
        yield kind, payload
    if damaged:
        warn(f"{damaged} damaged frames in the file of timelines are left out")


def _add_reads(under_way: dict[int, Timeline], payload: bytes) -> None:
    number, count = _READS.unpack_from(payload)
    timeline = under_way.get(number)
    if timeline is None:
        return
    begin = _READS.size
    for column in (timeline.at, timeline.lag, timeline.ends):
        part = array(column.typecode, payload[begin : begin + 8 * count])
        if sys.byteorder == "big":
            part.byteswap()
        column.extend(part)
        begin += 8 * count
    timeline.body += payload[begin:]


def _close(timeline: Timeline, closing: dict[str, Any]) -> None:
    for name in _MARKS:
        setattr(timeline, name, closing[name])
    timeline.headers = tuple((name, value) for name, value in closing["headers"])
    timeline.connection = Connection(**closing["connection"])
    if closing["failure"]:
        kind, stage, message = closing["failure"]
        timeline.failure = Failure(ErrorKind(kind), Stage(stage), message)
