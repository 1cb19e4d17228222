"""The transport that the engine uses: a pool of connections, one for each request under way."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from ..clock import Clock, SystemClock
from ..errors import UsageError
from ..request import Request
from ..timeline import ErrorKind, Failure, Stage, Timeline
from .connection import Http1Connection
from .dial import Dialer
from .poller import poller
from .proxy import Proxy
from .settings import Network

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

    async def warm(self, url: str, count: int) -> Failure | None:
        """Open `count` connections to where `url` lies before the clock starts.

        Returns the first failure, if any; connections that did open are kept.
        """
        parts = _split(url)
        gate = asyncio.Semaphore(_OPEN_AT_ONCE)

        async def open_one() -> Http1Connection | Failure:
            async with gate:
                return await self._open(parts)

        opened = await asyncio.gather(*(open_one() for _ in range(count)))
        failure = None
        for one in opened:
            if isinstance(one, Failure):
                failure = failure or one
            else:
                self._idle.setdefault(_origin(parts), []).append(one)
        return failure

    async def send(self, request: Request, timeline: Timeline) -> None:
        """Carry out one request. Never raises for what the network or the server does."""
        parts = _split(request.url)
        connection = self._take(parts) or await self._open_for(parts, timeline)
        if connection is None:
            return
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

    def _take(self, parts: SplitResult) -> Http1Connection | None:
        idle = self._idle.get(_origin(parts), [])
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def _open(self, parts: SplitResult) -> Http1Connection | Failure:
        link = await self._dialer.dial(parts)
        if isinstance(link, Failure):
            return link
        return Http1Connection(link, poller(), self._network, self._clock)

    async def _open_for(self, parts: SplitResult, timeline: Timeline) -> Http1Connection | None:
        try:
            opened = await self._open(parts)
        except asyncio.CancelledError:
            timeline.fail(ErrorKind.CANCELLED, Stage.CONNECT, "cancelled")
            raise
        if isinstance(opened, Failure):
            timeline.fail(opened.kind, opened.stage, opened.message)
            timeline.closed_ns = self._clock.monotonic_ns()
            return None
        return opened


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
        if "\n" in value or "\r" in value or "\n" in name:
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
