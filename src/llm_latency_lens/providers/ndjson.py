"""JSON lines: a captured body in, one event for each line that holds anything.

An event is complete with the read that delivered the last byte of its line before the line's end,
which is its closing brace: no client needs the newline to understand it. Lines end at LF or CR LF.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from ..timeline import Timeline
from .sse import BOM, Event

_WHITE = b" \t\r\n"


def lines(body: bytes, ends: array[int]) -> Iterator[Event]:
    """The events of a whole body, in the form of those of `sse`; they have no names.

    `ends` is the body's length after each read. The last line needs no newline, but may have been
    cut without one: then it is not `closed`.
    """
    at = len(BOM) if body.startswith(BOM) else 0
    size = len(body)
    read = 0
    while at < size:
        newline = body.find(b"\n", at)
        stop = size if newline < 0 else newline
        data = body[at:stop].rstrip(_WHITE)
        if data:
            end = at + len(data)
            while ends[read] < end:
                read += 1
            yield data, b"", read, newline >= 0
        at = stop + 1


def lines_of(timeline: Timeline, body: bytes) -> Iterator[Event]:
    """The events of a captured body of JSON lines."""
    return lines(body, timeline.ends)


def is_lines(body: bytes, timeline: Timeline) -> bool:
    """Whether the body is a stream of JSON lines: by its header, else by its first line.

    A whole document on one line is the same either way; one on several lines is none.
    """
    text = body[:4096].removeprefix(BOM).lstrip(_WHITE)
    if not text.startswith(b"{"):
        return False
    kind = dict(timeline.headers).get("content-type", "")
    if "ndjson" in kind:
        return True
    first, newline, rest = body.removeprefix(BOM).lstrip(_WHITE).partition(b"\n")
    if not newline or not first.rstrip(_WHITE).endswith(b"}"):
        return False
    return "json" not in kind or rest.lstrip(_WHITE).startswith(b"{")
