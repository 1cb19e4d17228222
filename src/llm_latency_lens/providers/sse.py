"""Server-sent events: a captured body in, events with the read that completed each out.

The rules are those of the HTML standard, section "Server-sent events", with four additions that
measuring needs or that servers in use force:

1. An event is complete with the read that delivered the last byte of its last data line, before
   that line's end. The standard dispatches it at the blank line; but some servers write that in a
   packet of its own, and the token was there, and could have been shown, before it.
2. An event at the end of the body needs no blank line; `closed` says whether its last data line
   at least had its newline, or may have been cut.
3. Consecutive data lines that each hold a whole JSON object, or `[DONE]`, are events of their own:
   such a server left the blank lines out. No single JSON document can look like that.
4. A field `error` is data of an event named `error`: older llama.cpp servers report failures so.

A line ends at LF, CR LF or CR and nowhere else: U+2028, U+0085 and their kin are text.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import TypeAlias

Event: TypeAlias = tuple[bytes, bytes, int, bool]
"""(data, name, read, closed): `read` is the index of the read that completed the event; `name` is
what the `event` field says, mostly empty."""

DONE = b"[DONE]"
BOM = b"\xef\xbb\xbf"

_DATA = b"data: "
_PLAIN = re.compile(rb"data: ?([^\r\n]+)(?:\n\n|\r\n\r\n|\r\r)")
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
_OPENING = re.compile(rb"\s*(?:data|event|id|retry|error)?:")


def events(body: bytes, ends: array[int]) -> Iterator[Event]:
    """The events of a whole body. `ends` is the body's length after each read."""
    plain, find, starts = _PLAIN.match, body.find, body.startswith
    at = len(BOM) if starts(BOM) else 0
    size = len(body)
    read = 0
    while at < size:
        # The commonest event by far, without the expression: one line, and no CR in it.
        if (
            starts(_DATA, at)
            and (end := find(b"\n", at)) > at + len(_DATA)
            and starts(b"\n", end + 1)
            and find(b"\r", at, end) < 0
        ):
            while ends[read] < end:
                read += 1
            yield body[at + len(_DATA) : end], b"", read, True
            at = end + 2
            continue
        if found := plain(body, at):
            end = found.end(1)
            while ends[read] < end:
                read += 1
            yield found[1], b"", read, True
            at = found.end()
            continue
        pieces, name, at = _block(body, at)
        for data, end, closed in pieces:
            while ends[read] < end:
                read += 1
            yield data, name, read, closed


def looks_like_events(body: bytes) -> bool:
    """Whether a body begins like an event stream, a comment included."""
    return _OPENING.match(body.removeprefix(BOM)) is not None


_Piece: TypeAlias = tuple[bytes, int, bool]


def _block(body: bytes, at: int) -> tuple[list[_Piece], bytes, int]:
    """One event of any shape, from `at` to the blank line after it: its data, name, next place."""
    lines: list[_Piece] = []
    name = b""
    size = len(body)
    while at < size:
        found = _LINE.match(body, at)
        assert found is not None
        line, at = found[1], found.end()
        if not line:
            break
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field in (b"data", b"error"):
            lines.append((value, found.end(1), bool(found[2])))
        if field == b"error":
            name = field
        elif field == b"event":
            name = value
    return _joined(lines), name, at


def _joined(lines: list[_Piece]) -> list[_Piece]:
    if len(lines) < 2 or all(_whole(value) for value, _, _ in lines):
        return lines
    _, end, closed = lines[-1]
    return [(b"\n".join(value for value, _, _ in lines), end, closed)]


def _whole(value: bytes) -> bool:
    return value.startswith(DONE) or (value.startswith(b"{") and value.rstrip().endswith(b"}"))
