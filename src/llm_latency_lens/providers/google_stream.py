"""Google's ways to stream: server-sent events, or, without `alt=sse`, a JSON array in pieces.

An element of the array is complete with the read that delivered its closing brace. Elements are
found one by one: an array cut anywhere still gives all those that came whole.

An error in the middle of server-sent events is not one of them: it is a bare JSON object, over
several lines, which the rules for events pass over.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator

from .sse import BOM, Event

_BRACE = re.compile(rb'[^"{}]*+(?:"(?:[^"\\]|\\.)*+"[^"{}]*+)*+([{}])', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,]*+")
_BARE = re.compile(rb"[\r\n][ \t]*+(?:\[\s*+)?+(\{)")
_parse = json.JSONDecoder(strict=False).raw_decode


def is_array(body: bytes) -> bool:
    """Whether a body is a JSON array, and so a stream of its elements."""
    return body.removeprefix(BOM).lstrip().startswith(b"[")


def elements(body: bytes, ends: array[int]) -> Iterator[Event]:
    """The objects of an array. What is no object is given as it is, and ends it."""
    text = body.decode("latin-1")  # one character a byte: places in one are places in the other
    size, read = len(body), 0
    at = _behind(body, body.index(b"[") + 1)
    while at < size and body[at : at + 1] != b"]":
        end = _end_of(body, text, at) if body[at : at + 1] == b"{" else None
        closed = end is not None or body[at : at + 1] != b"{"
        last = size if end is None else end
        while ends[read] < last:
            read += 1
        yield body[at:last], b"", read, closed
        at = _behind(body, last)


def bare_object(body: bytes) -> bytes | None:
    """The first whole JSON object that begins on a later line; None where none does."""
    if (found := _BARE.search(body)) is None:
        return None
    begin = found.start(1)
    end = _end_of(body, body.decode("latin-1"), begin)
    return None if end is None else body[begin:end]


def _behind(body: bytes, at: int) -> int:
    """The next place that is neither white space nor a comma."""
    found = _BETWEEN.match(body, at)
    assert found is not None
    return found.end()


def _end_of(body: bytes, text: str, at: int) -> int | None:
    """The place behind the object that begins at `at`; None where the body ends before it."""
    try:
        end: int = _parse(text, at)[1]
    except (ValueError, RecursionError):
        return _balanced(body, at)
    return end


def _balanced(body: bytes, at: int) -> int | None:
    """The same for an object that is no JSON: where its braces are even."""
    depth = 0
    while found := _BRACE.match(body, at):
        at = found.end()
        depth += 1 if found[1] == b"{" else -1
        if depth <= 0:
            return at
    return None
