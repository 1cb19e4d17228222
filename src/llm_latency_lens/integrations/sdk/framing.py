"""HTTP/1.1's framing off a captured answer: head, chunks, and which read brought which bytes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import httptools


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer without its framing. `reads` are (number of the read, begin, end in `body`)."""

    status: int
    headers: Sequence[tuple[str, str]]
    http_version: str
    reads: Sequence[tuple[int, int, int]]
    body: bytes
    whole: bool
    """All of the body came."""
    last: int | None = None
    """The read that ended it, where that brought no more of the body."""


@dataclass(slots=True)
class _Reading:
    """What httptools tells of one connection's answer."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    status: int = 0
    version: str = ""
    last: int | None = None
    number: int = 0
    parser: httptools.HttpResponseParser | None = None

    def on_message_begin(self) -> None:
        if self.last is None:
            self.headers.clear()  # those of an interim answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.last is None:
            self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self.last is None and self.parser is not None:
            self.status = self.parser.get_status_code()
            self.version = self.parser.get_http_version()

    def on_body(self, data: bytes) -> None:
        if self.last is not None:
            return
        begin = len(self.body)
        self.body += data
        if self.reads and self.reads[-1][0] == self.number:
            begin = self.reads.pop()[1]
        self.reads.append((self.number, begin, len(self.body)))

    def on_message_complete(self) -> None:
        if self.last is None and self.status >= 200:
            self.last = self.number


def unframed(raw: bytes, ends: array[int], *, eof: bool) -> Answer:
    """What the reads of a connection held of one answer; what is no HTTP ends it there."""
    reading = _Reading()
    reading.parser = parser = httptools.HttpResponseParser(reading)
    begin = 0
    try:
        for number, end in enumerate(ends):
            reading.number = number
            parser.feed_data(raw[begin:end])
            begin = end
    except httptools.HttpParserError:
        eof = False
    whole = reading.last is not None or (eof and _till_eof(reading))
    return Answer(
        reading.status,
        tuple(reading.headers),
        reading.version,
        reading.reads,
        bytes(reading.body),
        whole,
        reading.last,
    )


def _till_eof(reading: _Reading) -> bool:
    """Whether the end of the connection is the end of the answer: nothing else marks it."""
    marks = ("content-length", "transfer-encoding")
    return reading.status >= 200 and not any(name.lower() in marks for name, _ in reading.headers)
