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
_LETTER = re.compile(rb"[A-Za-z0-9+/]")
_BASE64 = re.compile(
    rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{0,3}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)"
)
_INNER = re.compile(rb'"bytes"\s*+:\s*+"([^"]*+)')


def are_frames(body: bytes | bytearray) -> bool:
    """Whether a body begins like a frame: one shorter than 16 MB with a zero, as no text does."""
    return body[:1] == b"\0" or (len(body) >= _PRELUDE.size and _sound(body))


def blank(body: bytes) -> bytes:
    """The same frames without what was said; the last one may be cut off."""
    pieces, at = [], 0
    for start, end in _frames(body):
        pieces.append(_frame(body[start:end]))
        at = end
    rest = body[at:]
    if _length(rest):
        return b"".join((*pieces, _frame(rest)))
    # Lengths that were sent so are absurd; others are no lengths at all.
    head = _PRELUDE.size if len(rest) <= _PRELUDE.size or _sound(rest) else 0
    return b"".join((*pieces, rest[:head], _text(rest[head:])))


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
    if len(head) < _PRELUDE.size or not _sound(head):
        return 0
    total, extra, _ = _PRELUDE.unpack_from(head)
    return total if extra + _LEAST <= total < _LONGEST else 0


def _sound(head: bytes | bytearray) -> bool:
    """Whether the checksum of the lengths is theirs."""
    lengths = _PRELUDE.size - _SUM.size
    return bool(crc32(head[:lengths]) == _SUM.unpack_from(head, lengths)[0])


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
    """The base64 of an event, the last of which may be cut off; what is none stays none."""
    if not _BASE64.fullmatch(encoded):
        return b"!" * len(encoded)
    whole = len(encoded) // 4 * 4
    event = b64decode(encoded[:whole])
    sealed = b64encode(_text(event)) if event.startswith(b"{") else b""
    return sealed + _LETTER.sub(b"A", encoded[len(sealed) :])


def _text(text: bytes, *, failed: bool = False) -> bytes:
    return walk(text, failed=failed) if failed or nested(text) else plain(text)
