"""Blanks what was said in AWS's event stream: within the payloads of its frames.

Lengths and headers stay, and the checksum of each frame is written anew. One that was wrong stays
wrong, by the same difference: what was damaged is damaged still. From the first frame whose lengths
cannot be trusted the rest is blanked as text, whatever it is.
"""

from __future__ import annotations

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from zlib import crc32

from .redact_json import nested, plain, walk

_PRELUDE = struct.Struct("!III")
_SUM = struct.Struct("!I")
_LEAST = _PRELUDE.size + _SUM.size
_LONGEST = 1 << 25

# Bedrock's InvokeModelWithResponseStream: an event of the vendor's own in base64.
_INNER = re.compile(rb'"bytes"\s*+:\s*+"([A-Za-z0-9+/]*+=*+)(?:"|\Z)')


def are_frames(body: bytes | bytearray) -> bool:
    """Whether a body begins like a frame, which is shorter than 16 MB; no text does."""
    return body[:1] == b"\0"


def blank(body: bytes) -> bytes:
    """The same frames without what was said; the last one may be cut off."""
    pieces, at = [], 0
    for start, end in _frames(body):
        pieces.append(_frame(body[start:end]))
        at = end
    rest = body[at:]
    pieces.append(_frame(rest) if _length(rest) else _text(rest))
    return b"".join(pieces)


def border(body: bytes | bytearray, start: int) -> int:
    """The end of the last whole frame; `start` is where one begins."""
    return max((end for _, end in _frames(body, start)), default=start)


def _frames(body: bytes | bytearray, at: int = 0) -> Iterator[tuple[int, int]]:
    """Begin and end of each whole frame, as far as their lengths can be trusted."""
    while (length := _length(body[at : at + _PRELUDE.size])) and at + length <= len(body):
        yield at, at + length
        at += length


def _length(head: bytes | bytearray) -> int:
    """The length of a frame that begins so; 0 where that cannot be told."""
    if len(head) < _PRELUDE.size:
        return 0
    total, extra, checksum = _PRELUDE.unpack_from(head)
    sound = crc32(head[: _PRELUDE.size - _SUM.size]) == checksum
    return total if sound and extra + _LEAST <= total < _LONGEST else 0


def _frame(frame: bytes) -> bytes:
    total, extra, _ = _PRELUDE.unpack_from(frame)
    begin = _PRELUDE.size + extra
    end = total - _SUM.size
    headers, payload = frame[:begin], frame[begin:end]
    left = headers + _payload(payload, failed=b":exception-type" in headers)
    if len(frame) < total:
        return left + frame[end:]
    (stored,) = _SUM.unpack_from(frame, end)
    return left + _SUM.pack(stored ^ crc32(frame[:end]) ^ crc32(left))


def _payload(payload: bytes, *, failed: bool) -> bytes:
    blanked = _text(payload, failed=failed)
    if found := _INNER.search(payload):
        return blanked[: found.start(1)] + _inner(found[1]) + blanked[found.end(1) :]
    return blanked


def _inner(encoded: bytes) -> bytes:
    """The base64 of an event, the last of which may be cut off."""
    whole = len(encoded) // 4 * 4
    try:
        inner = b64encode(_text(b64decode(encoded[:whole], validate=True)))
    except ValueError:
        return b"x" * len(encoded)
    return inner + b"A" * (len(encoded) - whole)


def _text(text: bytes, *, failed: bool = False) -> bytes:
    return walk(text, failed=failed) if failed or nested(text) else plain(text)
