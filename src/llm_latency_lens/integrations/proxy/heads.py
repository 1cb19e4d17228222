"""What the head of a request or an answer says, and as what it is passed on.

Heads are read by llhttp, in its strict form, and passed on line by line as they came, without the
fields that are meant for one connection alone (RFC 9110, section 7.6.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    """What llhttp tells. Names are in lower case."""

    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    url: bytes = b""
    done: bool = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.done = True


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a head, with their lines as they came. Of a name that is there several times,
    `named` has all values."""

    pairs: Sequence[tuple[bytes, bytes]] = field(repr=False)
    lines: Sequence[bytes] = field(repr=False)
    named: Mapping[bytes, bytes] = field(repr=False)

    @classmethod
    def of(cls, seen: _Seen, raw: bytes) -> Fields:
        named: dict[bytes, bytes] = {}
        for name, value in seen.fields:
            named[name] = b"%b,%b" % (named[name], value) if name in named else value
        return cls(seen.fields, raw[: -len(END)].split(b"\r\n")[1:], named)

    def tokens(self, name: bytes) -> list[bytes]:
        """The words in a field, in lower case."""
        value = self.named.get(name)
        if value is None:
            return []
        return [word.strip().lower() for word in value.split(b",") if word.strip()]

    def body(self) -> Body | None:
        """The body whose end they tell; None where they tell of none.

        llhttp has refused those that contradict one another.
        """
        if codings := self.tokens(b"transfer-encoding"):
            return Chunked() if codings[-1] == b"chunked" else None
        length = self.named.get(b"content-length")
        return None if length is None else Sized(int(length))

    def kept(self) -> Iterator[tuple[bytes, bytes]]:
        """Names and lines of those that go on to the next connection."""
        dropped = _ONE_HOP
        if b"connection" in self.named:
            dropped = (dropped | set(self.tokens(b"connection"))) - _FRAMING
        for (name, _), line in zip(self.pairs, self.lines, strict=True):
            if name not in dropped:
                yield name, line


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a request."""

    method: str
    target: str
    """The path with its query, or `*`."""
    version: bytes
    fields: Fields
    keeps: bool
    """The client's connection may carry another request."""
    tunnels: bool
    """A WebSocket is asked for."""

    def body(self) -> Body:
        """The body that follows (RFC 9112, section 6.3)."""
        return self.fields.body() or Sized(0)

    def passed_on(self, target: str, host: str, more: Sequence[str] = ()) -> bytes:
        """The bytes for the server: its own `host`, `more` lines, all else as it came."""
        lines = [f"{self.method} {target} ".encode("latin-1") + self.version]
        if b"host" not in self.fields.named:
            lines.append(b"Host: " + host.encode("latin-1"))
        mine = b": " + host.encode("latin-1")
        lines += (line[:4] + mine if name == b"host" else line for name, line in self.fields.kept())
        lines += [line.encode("latin-1") for line in more]
        if self.tunnels:
            lines += [b"Connection: Upgrade", b"Upgrade: websocket"]
        return b"\r\n".join(lines) + END


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The head of an answer."""

    status: int
    first: bytes = field(repr=False)
    fields: Fields
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
        return self.fields.body() or TillClosed()

    def passed_on(self, *, last: bool) -> bytes:
        """The bytes for the client; `last` says that its connection will be closed."""
        lines = [self.first, *(line for _, line in self.fields.kept())]
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
    fields = Fields.of(seen, raw)
    method = parser.get_method().decode("latin-1")
    version = b"HTTP/" + parser.get_http_version().encode()
    tokens = fields.tokens(b"connection")
    if len(fields.tokens(b"host")) > 1:
        raise HeadError("not HTTP/1.1: it names more than one host")
    return RequestHead(
        method=method,
        target=_target(seen.url, method),
        version=version,
        fields=fields,
        keeps=version == b"HTTP/1.1" and b"close" not in tokens,
        tunnels=b"upgrade" in tokens and b"websocket" in fields.tokens(b"upgrade"),
    )


def read_answer(raw: bytes) -> AnswerHead:
    """The head of an answer. Raises HeadError."""
    seen = _Seen()
    parser = httptools.HttpResponseParser(seen)
    _feed(parser, raw, seen)
    fields = Fields.of(seen, raw)
    keeps = parser.get_http_version() == "1.1" and b"close" not in fields.tokens(b"connection")
    return AnswerHead(parser.get_status_code(), raw.partition(b"\r\n")[0], fields, keeps)


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
