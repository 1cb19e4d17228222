"""One client's connection: HTTP/1.1 requests in, scripts out, one after the other."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from typing import Any, Protocol, cast

import httptools

from .metronome import Metronome, Stream
from .script import Ending, Script

_LINGER_NONE = struct.pack("ii", 1, 0)


class Incoming:
    """One request as it is being read.

    `path` holds the query too; names of `headers` are in lower case, a field that is repeated has
    its values joined by commas.
    """

    __slots__ = (
        "at_ns",
        "body",
        "headers",
        "keep_alive",
        "method",
        "path",
        "real_ns",
    )

    def __init__(self) -> None:
        self.path = ""
        self.method = ""
        self.headers: dict[str, str] = {}
        self.body = b""
        self.keep_alive = True
        self.at_ns = 0
        self.real_ns = 0


class Handler(Protocol):
    """Whoever answers the requests of a connection."""

    def opened(self, connection: Connection) -> None: ...

    def handle(self, connection: Connection, request: Incoming) -> None:
        """Answer, now or later, by `Connection.respond`."""

    def ended(self, connection: Connection, outcome: str) -> None:
        """The response is over; at the end of a connection also where there was none."""

    def closed(self, connection: Connection) -> None: ...

    def malformed(self) -> Script:
        """The response to what is not HTTP."""
        ...


class Connection(asyncio.Protocol):
    """Requests of one client are answered in their order."""

    def __init__(self, handler: Handler, metronome: Metronome) -> None:
        self._handler = handler
        self._metronome = metronome
        self._parser: Any = httptools.HttpRequestParser(self)
        self._incoming = Incoming()
        self._waiting: deque[Incoming] = deque()
        self._transport: asyncio.Transport | None = None
        self._stream: Stream | None = None
        self._busy = False
        self._outcome = "disconnected"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and not a test: the transports of other event loops are no asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)
        self._handler.opened(self)
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._stream is not None:
            self._stream.closed = True
        self._handler.ended(self, self._outcome)
        self._handler.closed(self)
        # The collector rests while serving: no cycle may stay.
        self._parser = self._transport = self._stream = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # An offer of HTTP/2 in clear: the answer in HTTP/1.1 declines it.
        except httptools.HttpParserError:
            self._refuse()

    def on_url(self, url: bytes) -> None:
        self._incoming.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        headers, key = self._incoming.headers, name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_body(self, body: bytes) -> None:
        self._incoming.body += body

    def on_message_complete(self) -> None:
        request, self._incoming = self._incoming, Incoming()
        request.real_ns, request.at_ns = time.time_ns(), time.monotonic_ns()
        request.method = self._parser.get_method().decode()
        request.keep_alive = self._parser.should_keep_alive()
        if self._busy:
            self._waiting.append(request)
        else:
            self._busy = True
            self._handler.handle(self, request)

    def respond(self, script: Script, at_ns: int) -> Stream:
        """Send a script whose times count from `at_ns`."""
        transport = self._transport
        assert transport is not None
        fd = transport.get_extra_info("socket").fileno()
        self._stream = stream = Stream(transport, fd, self._finished)
        self._metronome.play(stream, script, at_ns)
        return stream

    def stop(self) -> None:
        """The simulator ends: so does this, whatever was under way."""
        self._outcome = "stopped"
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def _refuse(self) -> None:
        assert self._transport is not None
        if self._busy:
            self._transport.abort()
        else:
            self._busy = True
            self.respond(self._handler.malformed(), time.monotonic_ns())

    def _finished(self) -> None:
        transport, stream = self._transport, self._stream
        assert transport is not None
        assert stream is not None
        self._handler.ended(self, stream.script.outcome)
        self._stream = None
        self._busy = False
        match stream.script.ending:
            case Ending.CLOSE:
                transport.close()
            case Ending.RESET:
                sock = transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
                transport.abort()
            case _ if self._waiting:
                self._busy = True
                self._handler.handle(self, self._waiting.popleft())
