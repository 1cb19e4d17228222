"""The transport that the engine uses: a pool of connections, one for each request under way."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from ..clock import Clock, SystemClock
from ..errors import UsageError
from ..request import Request
from ..timeline import ErrorKind, Failure, Timeline
from .connection import Http1Connection
from .dial import Attempt, Dialer
from .poller import Poller
from .proxy import Proxy
from .settings import Network
from .stamps import StampSource

_OPEN_AT_ONCE = 32


class HttpTransport:
    """Sends requests over HTTP/1.1 and writes what happens into their timelines.

    With `reuse` a connection goes back to the pool after its request; without, every request
    opens its own. Belongs to the event loop in which it is first used; close with `aclose()`.
    """

    def __init__(
        self, network: Network | None = None, *, reuse: bool = True, clock: Clock | None = None
    ) -> None:
        self._network = network or Network()
        self._clock = clock or SystemClock()
        self._dialer = Dialer(self._network, self._clock)
        self._reuse = reuse
        self._idle: dict[str, list[Http1Connection]] = {}
        self._poller: Poller | None = None
        self._stamps: StampSource | None = None

    def check(self, url: str) -> None:
        """Raise UsageError for an address, a proxy or a certificate file that cannot be used."""
        self._dialer.check(_split(url))

    async def warm(self, url: str, count: int) -> Failure | None:
        """Open `count` connections to where `url` lies before the clock starts.

        Returns the first failure, if any; connections that did open are kept. Without reuse there
        is nothing to keep but a TLS session, where those are to be taken up.
        """
        self.check(url)
        parts = _split(url)
        if not self._reuse:
            return await self._dialer.prime(parts) if self._network.tls.resume else None
        gate = asyncio.Semaphore(_OPEN_AT_ONCE)

        async def open_one() -> Failure | None:
            async with gate:
                opened = await self._open(self._dialer.attempt(parts))
            if isinstance(opened, Failure):
                return opened
            # The last of the list is used first: one that has served before the first that opened,
            # since a server of a single thread waits on the connections in that order.
            self._idle.setdefault(_origin(parts), []).insert(0, opened)
            return None

        opened = await asyncio.gather(*(open_one() for _ in range(count)))
        return next((failure for failure in opened if failure), None)

    async def send(self, request: Request, timeline: Timeline) -> None:
        """Carry out one request. Never raises for what the network or the server does."""
        parts = _split(request.url)
        idle = self._take(parts)
        if idle is not None:
            await self._exchange(idle, request, parts, timeline)
            if not idle.stale:
                return
            # Some servers (llama.cpp's among them) close after an answer without saying so.
            timeline.failure = timeline.sent_ns = timeline.closed_ns = None
        fresh = await self._open_for(parts, timeline)
        if fresh is not None:
            try:
                await self._exchange(fresh, request, parts, timeline)
            finally:
                timeline.connection.resent = idle is not None

    async def _exchange(
        self,
        connection: Http1Connection,
        request: Request,
        parts: SplitResult,
        timeline: Timeline,
    ) -> None:
        try:
            await connection.exchange(
                _render(request, parts, connection.proxy, timeline.id), timeline
            )
        finally:
            if connection.usable and self._reuse:
                self._idle.setdefault(_origin(parts), []).append(connection)
            else:
                connection.close()

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        if self._poller:
            self._poller.close()
            self._poller = None
        if self._stamps:
            self._stamps.close()
            self._stamps = None

    def _take(self, parts: SplitResult) -> Http1Connection | None:
        idle = self._idle.get(_origin(parts), [])
        while idle:
            connection = idle.pop()
            if connection.ready():
                return connection
        return None

    async def _open(self, attempt: Attempt) -> Http1Connection | Failure:
        stamps_come = await self._stamps_come()
        link = await attempt.dial()
        if isinstance(link, Failure):
            return link
        link.stamped = link.stamped and stamps_come
        if self._poller is None:
            self._poller = Poller(asyncio.get_running_loop())
        return Http1Connection(link, self._poller, self._network, self._clock)

    async def _stamps_come(self) -> bool:
        if self._network.unix_socket:
            return False
        if self._stamps is None:
            self._stamps = StampSource()
        return await self._stamps.ready(self._clock)

    async def _open_for(self, parts: SplitResult, timeline: Timeline) -> Http1Connection | None:
        attempt = self._dialer.attempt(parts)
        try:
            opened = await self._open(attempt)
        except asyncio.CancelledError:
            self._failed(timeline, Failure(ErrorKind.CANCELLED, attempt.stage, "cancelled"))
            raise
        if isinstance(opened, Failure):
            self._failed(timeline, opened)
            return None
        return opened

    def _failed(self, timeline: Timeline, failure: Failure) -> None:
        timeline.fail(failure.kind, failure.stage, failure.message)
        timeline.closed_ns = self._clock.monotonic_ns()


@lru_cache(maxsize=256)
def _split(url: str) -> SplitResult:
    """Raises UsageError for what cannot be reached over HTTP."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (the property checks)
    except ValueError as error:
        raise UsageError(f"base URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("base URL: it must begin with http:// or https:// and name a host")
    return parts


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"


def _render(request: Request, parts: SplitResult, proxy: Proxy | None, id: str) -> bytes:
    """The request's bytes. Header values that would break the framing raise UsageError."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"{request.method} {f'http://{host}{path}' if proxy else path} HTTP/1.1"]
    lines.append(f"host: {host}")
    if proxy and proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    for name, value in request.headers:
        if any(character in name + value for character in "\r\n\0"):
            raise UsageError(f"header {name.strip()!r}: a value cannot span lines")
        lines.append(f"{name}: {value}")
    lines.append("accept-encoding: identity")
    if id:
        lines.append(f"x-client-request-id: {id}")
    lines.append(f"content-length: {len(request.body)}")
    try:
        head = "\r\n".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError("headers: only Latin-1 characters can be sent") from None
    return head + b"\r\n\r\n" + request.body
