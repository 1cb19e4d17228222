"""AWS's event stream: a captured body in, frames with the read that completed each out.

A frame of `application/vnd.amazon.eventstream` is, all numbers big-endian:

    total length (4) | length of the headers (4) | checksum of these 8 bytes (4)
    headers | payload | checksum of all that came before (4)

and a header is its name (1 byte of length), one byte of type and a value. The checksums are
CRC-32 as zlib has it. A frame that is damaged is the last: nothing says where the next begins.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct("!III")
_LENGTHS = struct.Struct("!II")
_SUM = struct.Struct("!I")
_SHORT = struct.Struct("!H")
_LEAST = _PRELUDE.size + _SUM.size
_MOST_HEADERS = 128 * 1024
_MOST_PAYLOAD = 24 * 1024 * 1024
_STRING = 7


class Damage(StrEnum):
    """What is wrong with a frame, in words that end a sentence."""

    TORN = "it is not whole"
    PRELUDE = "the checksum of its lengths is wrong"
    LENGTHS = "its lengths make no sense"
    CHECKSUM = "its checksum is wrong"
    HEADERS = "its headers cannot be read"


class Frame(NamedTuple):
    """One frame. `read` completed it; where there is `damage`, headers and payload are empty.

    Header values are str, bytes (also a UUID's 16), bool or int (also a timestamp, in ms).
    """

    headers: Mapping[str, Any]
    payload: bytes
    read: int
    damage: Damage | None = None


def frames(body: bytes, ends: array[int]) -> Iterator[Frame]:
    """The frames of a whole body. `ends` is the body's length after each read."""
    size, at, read = len(body), 0, 0
    known: dict[bytes, Mapping[str, Any]] = {}
    while at < size:
        if size - at < _PRELUDE.size:
            yield _damaged(Damage.TORN, ends)
            return
        total, extra, checksum = _PRELUDE.unpack_from(body, at)
        head = at + _PRELUDE.size
        if crc32(body[at : head - 4]) != checksum:
            yield _damaged(Damage.PRELUDE, ends)
            return
        if extra > _MOST_HEADERS or not 0 <= total - extra - _LEAST <= _MOST_PAYLOAD:
            yield _damaged(Damage.LENGTHS, ends)
            return
        end = at + total
        if end > size:
            yield _damaged(Damage.TORN, ends)
            return
        if crc32(body[head - 4 : end - 4], checksum) != _SUM.unpack_from(body, end - 4)[0]:
            yield _damaged(Damage.CHECKSUM, ends)
            return
        raw = body[head : head + extra]
        headers = known.get(raw)
        if headers is None:
            found = _headers(raw)
            if found is None:
                yield _damaged(Damage.HEADERS, ends)
                return
            known[raw] = headers = found
        while ends[read] < end:
            read += 1
        yield Frame(headers, body[head + extra : end - 4], read)
        at = end


def frame(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """A frame whose header values are all strings, as those of AWS's own services are."""
    return seal(packed(headers), payload)


def packed(headers: Mapping[str, str]) -> bytes:
    """Headers as `seal` wants them."""
    parts = []
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        parts.append(struct.pack(f"!B{len(key)}sBH", len(key), key, _STRING, len(text)) + text)
    return b"".join(parts)


def seal(headers: bytes, payload: bytes) -> bytes:
    """A frame of packed headers: its lengths and checksums put around them."""
    lengths = _LENGTHS.pack(_LEAST + len(headers) + len(payload), len(headers))
    sealed = b"".join((lengths, _SUM.pack(crc32(lengths)), headers, payload))
    return sealed + _SUM.pack(crc32(sealed))


def _damaged(damage: Damage, ends: array[int]) -> Frame:
    return Frame({}, b"", len(ends) - 1, damage)


_Value = Callable[[bytes, int], tuple[Any, int]]


def _number(form: str) -> _Value:
    packed_as = struct.Struct(form)
    return lambda data, at: (packed_as.unpack_from(data, at)[0], at + packed_as.size)


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    start = at + _SHORT.size
    end = start + _SHORT.unpack_from(data, at)[0]
    return data[start:end], end


def _string(data: bytes, at: int) -> tuple[str, int]:
    found, end = _bytes(data, at)
    return found.decode(), end


_VALUES: dict[int, _Value] = {
    0: lambda _, at: (True, at),
    1: lambda _, at: (False, at),
    2: _number("!b"),
    3: _number("!h"),
    4: _number("!i"),
    5: _number("!q"),
    6: _bytes,
    _STRING: _string,
    8: _number("!q"),
    9: lambda data, at: (data[at : at + 16], at + 16),
}


def _headers(data: bytes) -> dict[str, Any] | None:
    """All headers of a frame; None where they cannot be read, or one name comes twice."""
    found: dict[str, Any] = {}
    at = 0
    try:
        while at < len(data):
            start = at + 1
            at = start + data[at]
            name = data[start:at].decode()
            value, at = _VALUES[data[at]](data, at + 1)
            if name in found:
                return None
            found[name] = value
    except (struct.error, UnicodeDecodeError, IndexError, KeyError):
        return None
    return found
