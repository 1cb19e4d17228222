"""The way to the server: where it is, the connections to it, and those that wait for a request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from ...clock import SECOND_NS, SystemClock
from ...errors import UsageError
from ...timeline import Failure
from ...transport import Network
from ...transport.dial import Dialer, Link, describe
from ...transport.poller import Poller
from ...transport.stamps import ANCILLARY_SIZE, StampSource, timespec
from ...transport.tls import reason
from ..sdk.call import now
from .outlet import Outlet

_IDLE_NS = 60 * SECOND_NS
"""A connection that waits longer is closed: what stands between may have forgotten it."""
_unpack = timespec.unpack_from


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server's address. Raises UsageError for one that cannot be used; keys belong into the
    headers of whoever asks, so that one with a user or a query is refused, and not repeated."""

    url: str = field(repr=False)
    parts: SplitResult = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018  (the property checks)
        except ValueError as error:
            raise UsageError(f"--upstream: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            given = self.url.partition("://")[0] if "://" in self.url else ""
            hint = "" if given or "@" in self.url else f": https://{self.url.strip('/')} perhaps?"
            raise UsageError(f"--upstream must begin with http:// or https:// and a host{hint}")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(
                "--upstream is an address without user, password and query: keys belong into the"
                " headers that the program itself sends"
            )
        if not all(" " < char < "\x7f" for char in self.url):
            raise UsageError("--upstream holds a character that no URL can have")
        object.__setattr__(self, "parts", parts)

    @property
    def host(self) -> str:
        """What the header `host` says."""
        return self.parts.netloc

    @property
    def origin(self) -> str:
        return f"{self.parts.scheme}://{self.parts.netloc}"

    @property
    def shown(self) -> str:
        return self.origin + self.prefix

    @property
    def prefix(self) -> str:
        """Comes before each path."""
        return self.parts.path.rstrip("/")


class Reader(Protocol):
    """Whose answer a connection carries."""

    def take(self, data: bytes, read_ns: int, stamp_ns: int) -> None:
        """What came; both times are of the real clock, the kernel's 0 where it gave none."""

    def lost(self, why: str, *, clean: bool) -> None:
        """Nothing more comes; `clean` where the server ended it in good order."""


class Connection:
    """One connection to the server. Between two reads nothing happens but passing on."""

    def __init__(self, link: Link, poller: Poller, pool: Pool) -> None:
        self.link = link
        self.carried = 0
        self.reader: Reader | None = None
        self.idle_since_ns = 0
        self.sock: socket.socket = link.sock
        self.out = Outlet(link.sock, asyncio.get_running_loop())
        self._poller = poller
        self._pool = pool
        self._layers = link.layers
        self._recvmsg_into = link.sock.recvmsg_into
        self._buffers = [poller.buffer]
        self._view = memoryview(poller.buffer)
        self._realtime_ns = SystemClock.realtime_ns
        self._reading = False
        self.resume()

    def send(self, data: bytes) -> None:
        for layer in reversed(self._layers):
            data = layer.encrypt(data)
        self.out.write(data)

    def pause(self) -> None:
        """Read no more: the client is slow."""
        if self._reading:
            self._reading = False
            self._poller.remove(self.sock.fileno())

    def resume(self) -> None:
        if not self._reading and self.sock.fileno() >= 0:
            self._reading = True
            self._poller.add(self.sock.fileno(), self._on_readable)

    def close(self) -> None:
        """Close at once; safe to call twice."""
        self.reader = None
        if self.sock.fileno() >= 0:
            self.pause()
            self.out.close()
            self.sock.close()
        self._pool.forget(self)

    def _on_readable(self) -> None:
        try:
            size, ancillary, _, _ = self._recvmsg_into(self._buffers, ANCILLARY_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(describe(error), clean=False)
            return
        read_ns = self._realtime_ns()
        stamp_ns = 0
        if ancillary:
            seconds, rest = _unpack(ancillary[0][2])
            stamp_ns = seconds * SECOND_NS + rest
        if not size:
            self._lost("closed by the server", clean=True)
            return
        data = bytes(self._view[:size])
        ended = False
        if self._layers:
            try:
                for layer in self._layers:
                    data = layer.decrypt(data)
                    ended = ended or layer.ended
            except ssl.SSLError as error:
                self._lost(f"TLS: {reason(error)}", clean=False)
                return
        if data:
            if self.reader is None:  # nothing was asked
                self.close()
                return
            self.reader.take(data, read_ns, stamp_ns)
        if ended:
            self._lost("closed by the server", clean=True)

    def _lost(self, why: str, *, clean: bool) -> None:
        reader = self.reader
        if reader is None:
            self.close()
        else:
            reader.lost(why, clean=clean)


class Pool:
    """Opens connections and keeps those that wait. Belongs to one event loop."""

    def __init__(self, upstream: Upstream, network: Network, poller: Poller) -> None:
        self.upstream = upstream
        self._clock = SystemClock()
        self._dialer = Dialer(network, self._clock)
        self._poller = poller
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._stamps = None if network.unix_socket else StampSource()

    def check(self) -> None:
        """Raise UsageError for a proxy or a certificate file that cannot be used."""
        self._dialer.check(self.upstream.parts)

    def take(self) -> Connection | None:
        """A connection that waits, the newest first; None where none does."""
        oldest_ns = now() - _IDLE_NS
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since_ns >= oldest_ns:
                return connection
            connection.close()
        return None

    async def open(self) -> Connection | Failure:
        """A new connection, or why there is none."""
        if self._stamps:
            await self._stamps.ready(self._clock)
        link = await self._dialer.attempt(self.upstream.parts).dial()
        if isinstance(link, Failure):
            return link
        connection = Connection(link, self._poller, self)
        self._all.add(connection)
        return connection

    def put(self, connection: Connection) -> None:
        """It can carry another request."""
        connection.reader = None
        connection.idle_since_ns = now()
        for layer in connection.link.layers:
            layer.keep_session()
        connection.resume()
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """It has been closed."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()
        if self._stamps:
            self._stamps.close()
