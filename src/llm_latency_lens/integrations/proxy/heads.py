"""What the head of a request or an answer says, and as what it is passed on.

Heads are read by llhttp, in its strict form, and passed on line by line as they came, without the
fields that are meant for one connection alone (RFC 9110, section 7.6.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools

from .bodies import Body, Chunked, Sized, TillClosed

END = b"\r\n\r\n"
MOST = 65536
"""Bytes of a head."""

_ONE_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te"
    b" upgrade".split()
)
_FRAMING = frozenset(b"content-length transfer-encoding host".split())
"""Also where `connection` names them, which nobody sound does."""
_BODILESS = (204, 304)


class HeadError(Exception):
    """Not a head of HTTP/1.1; the text is one plain line."""


@dataclass(slots=True)
class _Seen:
    """What llhttp tells."""

    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    url: bytes = b""
    done: bool = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.done = True


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a request. `lines` are as they came, without the first."""

    method: str
    target: str
    """The path with its query, or `*`."""
    version: bytes
    lines: Sequence[bytes] = field(repr=False)
    fields: Sequence[tuple[bytes, bytes]] = field(repr=False)
    keeps: bool
    """The client's connection may carry another request."""
    tunnels: bool
    """A WebSocket is asked for."""

    def body(self) -> Body:
        """The body that follows (RFC 9112, section 6.3)."""
        return _framed(self.fields) or Sized(0)

    def passed_on(self, target: str, host: str, more: Sequence[str] = ()) -> bytes:
        """The bytes for the server: its own `host`, `more` lines, all else as it came."""
        first = f"{self.method} {target} ".encode("latin-1") + self.version
        lines = [first]
        named = False
        for line in _kept(self.lines, self.fields):
            name, _, _ = line.partition(b":")
            if name.lower() == b"host":
                if not named:
                    lines.append(name + b": " + host.encode("latin-1"))
                named = True
            else:
                lines.append(line)
        if not named:
            lines.insert(1, b"Host: " + host.encode("latin-1"))
        lines += [line.encode("latin-1") for line in more]
        if self.tunnels:
            lines += [b"Connection: Upgrade", b"Upgrade: websocket"]
        return b"\r\n".join(lines) + END


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The head of an answer."""

    status: int
    first: bytes = field(repr=False)
    lines: Sequence[bytes] = field(repr=False)
    fields: Sequence[tuple[bytes, bytes]] = field(repr=False)
    keeps: bool
    """The server's connection may carry another request."""

    @property
    def interim(self) -> bool:
        """The answer is still to come."""
        return 100 <= self.status < 200 and self.status != 101

    def body(self, method: str) -> Body:
        """The body that follows a request by this method."""
        if method == "HEAD" or self.status < 200 or self.status in _BODILESS:
            return Sized(0)
        return _framed(self.fields) or TillClosed()

    def passed_on(self, *, last: bool) -> bytes:
        """The bytes for the client; `last` says that its connection will be closed."""
        lines = [self.first, *_kept(self.lines, self.fields)]
        if self.status == 101:
            lines += [b"Connection: Upgrade", b"Upgrade: websocket"]
        elif last and not self.interim:
            lines.append(b"Connection: close")
        return b"\r\n".join(lines) + END


def read_request(raw: bytes) -> RequestHead:
    """The head that these bytes are, the empty line included. Raises HeadError."""
    seen = _Seen()
    parser = httptools.HttpRequestParser(seen)
    _feed(parser, raw, seen)
    method = parser.get_method().decode("latin-1")
    lines = raw[: -len(END)].split(b"\r\n")[1:]
    version = b"HTTP/" + parser.get_http_version().encode()
    tokens = _tokens(seen.fields, b"connection")
    upgrades = _tokens(seen.fields, b"upgrade")
    return RequestHead(
        method=method,
        target=_target(seen.url, method),
        version=version,
        lines=lines,
        fields=seen.fields,
        keeps=version == b"HTTP/1.1" and b"close" not in tokens,
        tunnels=b"upgrade" in tokens and b"websocket" in upgrades,
    )


def read_answer(raw: bytes) -> AnswerHead:
    """The head of an answer. Raises HeadError."""
    seen = _Seen()
    parser = httptools.HttpResponseParser(seen)
    _feed(parser, raw, seen)
    first, *lines = raw[: -len(END)].split(b"\r\n")
    close = b"close" in _tokens(seen.fields, b"connection")
    keeps = not close and parser.get_http_version() == "1.1"
    return AnswerHead(parser.get_status_code(), first, lines, seen.fields, keeps)


def _feed(parser: Any, raw: bytes, seen: _Seen) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        # It stops behind a head that leads to another protocol, and calls this an error.
        if not seen.done or "Upgrade" not in str(error):
            raise HeadError(f"not HTTP/1.1: {error}") from None
    if not seen.done:
        raise HeadError("not HTTP/1.1: the head has no end")


def _target(url: bytes, method: str) -> str:
    """What is asked for, without the host that some clients put before it."""
    target = url.decode("latin-1")
    if method == "CONNECT":
        raise HeadError("this is no proxy for CONNECT: set it as the base URL of the API")
    if target.startswith("/") or target == "*":
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise HeadError("the address asked for cannot be read") from None
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _framed(fields: Sequence[tuple[bytes, bytes]]) -> Body | None:
    """The body whose end the fields tell; None where they tell of none.

    llhttp has refused those that contradict one another.
    """
    codings = _tokens(fields, b"transfer-encoding")
    if codings:
        return Chunked() if codings[-1] == b"chunked" else None
    for name, value in fields:
        if name.lower() == b"content-length":
            return Sized(int(value))
    return None


def _tokens(fields: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    """The words in the fields of a name, in lower case."""
    values = (value for name, value in fields if name.lower() == wanted)
    return [word.strip().lower() for value in values for word in value.split(b",") if word.strip()]


def _kept(lines: Sequence[bytes], fields: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The lines that go on to the next connection."""
    dropped = (_ONE_HOP | set(_tokens(fields, b"connection"))) - _FRAMING
    return (line for line in lines if line.partition(b":")[0].lower() not in dropped)
