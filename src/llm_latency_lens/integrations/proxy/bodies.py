"""Where a body ends: it is passed on as it comes, chunks and all, and only its end is looked for.

`take` says how many of the next bytes belong to the body; `done` that nothing more does.
"""

from __future__ import annotations

from typing import Any, Protocol

import httptools

_HEAD = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
"""Chunks are the same in requests and answers, whatever stands in the head."""
_BREAK = b"\r\n\r\n"


class BodyError(Exception):
    """The chunks are none."""


class Body(Protocol):
    """A body on its way."""

    done: bool

    def take(self, data: bytes) -> int:
        """How many of these bytes belong to it. Raises BodyError."""
        ...

    def closed(self) -> bool:
        """The connection has ended: whether the body is whole."""
        ...


class Sized:
    """A body whose length is known."""

    __slots__ = ("_left", "done")

    def __init__(self, size: int) -> None:
        self._left = size
        self.done = not size

    def take(self, data: bytes) -> int:
        size = min(len(data), self._left)
        self._left -= size
        self.done = not self._left
        return size

    def closed(self) -> bool:
        return self.done


class TillClosed:
    """A body that ends with its connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def take(self, data: bytes) -> int:
        return len(data)

    def closed(self) -> bool:
        self.done = True
        return True


class Chunked:
    """A body in chunks, with the trailer behind them.

    llhttp finds the end and does not say where it was. It is always behind an empty line, so that
    the bytes are fed to it up to one of those at a time.
    """

    __slots__ = ("_before", "_parser", "done")

    def __init__(self) -> None:
        self.done = False
        self._before = b""
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)

    def on_message_complete(self) -> None:
        self.done = True

    def take(self, data: bytes) -> int:
        joined = self._before + data
        old = len(self._before)
        begin = old
        cut = 0
        try:
            while not self.done and (found := joined.find(_BREAK, cut)) >= 0:
                cut = found + len(_BREAK)
                if cut > begin:
                    self._parser.feed_data(joined[begin:cut])
                    begin = cut
            if not self.done and begin < len(joined):
                self._parser.feed_data(joined[begin:] if begin else joined)
                begin = len(joined)
        except httptools.HttpParserError as error:
            raise BodyError(f"not chunks of HTTP/1.1: {error}") from None
        if self.done:
            self._parser = None  # which knows this object: the two would keep each other alive
        self._before = joined[max(0, begin - 3) : begin]
        return begin - old

    def closed(self) -> bool:
        return self.done
