"""Blanks what was said in a captured body, so that the rest of it can be kept.

The bytes keep their number and their places; so does every character, escape and brace. A decoder
therefore finds the same events, stamps, lengths, counts and errors in what is left.

Blanked are all JSON strings but those under a structural key, lists of numbers (vectors, token
ids, the `bytes` of log probabilities), every number within log probabilities, keys and numbers of
objects that a model wrote (the arguments of a tool), and any text outside JSON: comments of a
stream, plain bodies, HTML but for its title. Kept is what a provider says of an error, unless it
repeats the input. A letter becomes `x`; longer characters and escapes become one fixed character
or escape of their own width.

A body is server-sent events, JSON lines, a JSON array in pieces, AWS's event stream, or one
document; what it is, its first bytes tell.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

from . import redact_frames
from .redact_json import nested, plain, walk
from .redact_text import words
from .sse import BOM, looks_like_events

_BETWEEN = re.compile(rb"((?:\r\n|\n|\r(?!\n)){2,})")
_GAPS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_TITLE = re.compile(rb"(?is)\A\s*<|<title[^>]*>[^<]*<?")
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{\[]|[}\]]', re.DOTALL)


def redact(body: bytes) -> bytes:
    """The same bytes without what was said. Idempotent; the length never changes.

    `body` is a whole body, or a part of a stream that begins and ends between two events.
    """
    if redact_frames.are_frames(body):
        return redact_frames.blank(body)
    if body.lstrip().startswith(b"<"):
        return _page(body)
    if not nested(body):
        return plain(body)
    return b"".join(walk(part) if nested(part) else plain(part) for part in _parts(body))


def safe_prefix(body: bytes | bytearray, start: int) -> int:
    """How far `body` can be redacted now: the end of its last complete event, at least `start`.

    A body that is no stream can be redacted only once it is whole.
    """
    if redact_frames.are_frames(body):
        return redact_frames.border(body, start)
    head = bytes(body[:64])
    if looks_like_events(head):
        ends = (body.rfind(gap, start) + len(gap) for gap in _GAPS if body.find(gap, start) >= 0)
        return max(ends, default=start)
    text = head.removeprefix(BOM).lstrip()
    if text.startswith(b"["):
        return max(_elements(bytes(body[start:]), 1 if start else 0), default=0) + start
    if text.startswith(b"{") and _is_lines(body):
        return max(start, body.rfind(b"\n") + 1)
    return start


def _parts(body: bytes) -> list[bytes]:
    """The events of a body, and what is between them."""
    if looks_like_events(body):
        return _BETWEEN.split(body)
    text = body.removeprefix(BOM).lstrip()
    if text.startswith((b"[", b",")):
        places = [0, *_elements(body, 0 if text.startswith(b"[") else 1), len(body)]
        return [body[begin:end] for begin, end in pairwise(places)]
    return body.splitlines(keepends=True) if _is_lines(body) else [body]


def _is_lines(body: bytes | bytearray) -> bool:
    """Whether the first line is an object by itself."""
    end = body.find(b"\n", len(body) - len(body.lstrip()))
    try:
        return end >= 0 and isinstance(json.loads(body[:end].decode("utf-8-sig", "replace")), dict)
    except (ValueError, RecursionError):
        return False


def _elements(body: bytes, depth: int) -> list[int]:
    """Where the elements of an array end; `depth` is 0 where it begins, 1 between two elements."""
    places = []
    for found in _BRACKET.finditer(body):
        mark = found[0]
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
            if depth <= 1:
                places.append(found.end())
    return places


def _page(body: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for found in _TITLE.finditer(body):
        pieces += [words(body[at : found.start()]), found[0]]
        at = found.end()
    return b"".join((*pieces, words(body[at:])))
