"""From a URL to a socket that is ready: names, addresses, proxies, TLS; every phase timed.

Addresses are tried as RFC 8305 (happy eyeballs) says. What goes wrong comes back as a `Failure`
with the phase in which it happened.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult

from aiohappyeyeballs import AddrInfoType, start_connection

from ..clock import Clock
from ..timeline import Connection, ErrorKind, Failure, Stage
from .proxy import Proxy, find_proxy
from .settings import Network
from .stamps import enable_stamps, round_trip_us
from .tls import Peer, TlsLayer, build_context, explain, handshake

_HAPPY_EYEBALLS_DELAY_S = 0.25
_MAX_HEAD = 16384
_TICKET_S = 1.0
"""How long to wait for the ticket of a TLS session: servers send it right behind the handshake."""


@dataclass(slots=True)
class Link:
    """An open socket with the TLS sessions on it, outermost first."""

    sock: socket.socket
    layers: tuple[TlsLayer, ...]
    info: Connection
    stamped: bool
    proxy: Proxy | None = None
    """The proxy that wants whole URLs; None when there is none or it only carries a tunnel."""


class _ProxyRefusedError(Exception):
    """The proxy answered, and did not open the tunnel."""


@dataclass(slots=True)
class Dialer:
    """Opens links to where `network` leads; contexts and settings are made once."""

    network: Network
    clock: Clock
    _context: ssl.SSLContext | None = None
    _sessions: dict[Peer, ssl.SSLSession] = field(default_factory=dict)
    _proxies: dict[tuple[str, str], Proxy | None] = field(default_factory=dict)

    def check(self, url: SplitResult) -> None:
        """Raise UsageError for a proxy or a certificate file that cannot be used."""
        proxy = None if self.network.unix_socket else self.proxy(url)
        if url.scheme == "https" or (proxy and proxy.tls):
            self.context()

    def proxy(self, url: SplitResult) -> Proxy | None:
        """The proxy on the way to a host, looked for once: that reads the whole environment."""
        place = url.scheme, url.netloc
        if place not in self._proxies:
            self._proxies[place] = find_proxy(url, self.network.proxy)
        return self._proxies[place]

    def attempt(self, url: SplitResult) -> Attempt:
        """One connection for `url`, still to be opened."""
        return Attempt(self, url)

    def context(self) -> ssl.SSLContext:
        """The TLS context, made at its first use: loading the trusted CAs takes milliseconds."""
        if self._context is None:
            self._context = build_context(self.network.tls)
        return self._context

    def layer(self, host: str, port: int) -> TlsLayer:
        """A TLS session with this peer, still to be agreed on."""
        sessions = self._sessions if self.network.tls.resume else None
        return TlsLayer(self.context(), (host, port), sessions)

    async def prime(self, url: SplitResult) -> Failure | None:
        """Open a connection for its TLS sessions alone, so that the next one can take them up."""
        link = await self.attempt(url).dial()
        if isinstance(link, Failure):
            return link
        try:
            async with asyncio.timeout(_TICKET_S):
                await _take_tickets(link)
        except OSError:
            pass  # a server that gives none is asked for a full handshake every time
        finally:
            link.sock.close()
        return None


class Attempt:
    """One connection on its way: `stage` is where it has come to."""

    def __init__(self, dialer: Dialer, url: SplitResult) -> None:
        assert url.hostname
        self.stage = Stage.RESOLVE
        self._dialer = dialer
        self._url = url
        self._now = dialer.clock.monotonic_ns
        self._sock: socket.socket | None = None
        self._info = Connection()
        self._host = url.hostname
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._where = _authority(self._host, self._port)

    async def dial(self) -> Link | Failure:
        """Open it; never raises for what the network does."""
        limit = self._dialer.network.timeouts.connect_s
        try:
            async with asyncio.timeout(limit):
                link = await self._open()
        except TimeoutError:
            return self._failed(f"no connection to {self._where} within {limit:g} s", timeout=True)
        except ssl.SSLError as error:
            return self._failed(explain(error, self._where))
        except socket.gaierror as error:
            return self._failed(f"the name of {self._where} is not known: {error.strerror}")
        except UnicodeError:
            return self._failed(f"{self._where} is not the name of a host")
        except _ProxyRefusedError as error:
            return self._failed(str(error))
        except OSError as error:
            return self._failed(f"no connection to {self._where}: {describe(error)}")
        finally:
            if self._sock is not None:
                self._sock.close()
        return link

    def _failed(self, message: str, *, timeout: bool = False) -> Failure:
        return Failure(ErrorKind.TIMEOUT if timeout else ErrorKind.NETWORK, self.stage, message)

    async def _open(self) -> Link:
        network = self._dialer.network
        secure = self._url.scheme == "https"
        proxy = None
        if network.unix_socket:
            self._where = network.unix_socket
            sock = await self._connect_unix(network.unix_socket)
        else:
            proxy = self._dialer.proxy(self._url)
            if proxy:
                self._where = f"{proxy.host}:{proxy.port} (the proxy)"
            sock = await self._connect_tcp(
                proxy.host if proxy else self._host, proxy.port if proxy else self._port
            )
        # Before TLS: a ticket may lie unread behind the handshake, and must have its stamp too.
        stamped = enable_stamps(sock)
        layers: list[TlsLayer] = []
        if proxy and proxy.tls:
            await self._secure(sock, layers, proxy.host, proxy.port)
        if proxy and secure:
            await self._tunnel(sock, layers, proxy)
        if secure:
            self._where = _authority(self._host, self._port)
            await self._secure(sock, layers, self._host, self._port)
            self._info.tls_version = layers[-1].version
        if layers:
            self._info.tls_resumed = all(layer.resumed for layer in layers)
        self._info.rtt_us = round_trip_us(sock)
        self._sock = None  # the link's from here on
        return Link(sock, tuple(layers), self._info, stamped, None if secure else proxy)

    async def _connect_tcp(self, host: str, port: int) -> socket.socket:
        addresses = await self._resolve(host, port)
        self.stage = Stage.CONNECT
        begun = self._now()
        sock = await start_connection(
            addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY_S, interleave=1
        )
        self._sock = sock
        self._info.connect_ns = self._now() - begun
        self._info.address = _authority(*sock.getpeername()[:2])
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return sock

    async def _connect_unix(self, path: str) -> socket.socket:
        self.stage = Stage.CONNECT
        begun = self._now()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock = sock
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, path)
        self._info.connect_ns = self._now() - begun
        self._info.address = f"unix:{path}"
        return sock

    async def _resolve(self, host: str, port: int) -> Sequence[AddrInfoType]:
        if literal := _literal(host, port):
            return [literal]

        def look_up() -> tuple[Sequence[AddrInfoType], int]:
            # Timed in the thread itself: waiting for a free thread is not the resolver's time.
            begun = self._now()
            found: Sequence[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return found, self._now() - begun

        loop = asyncio.get_running_loop()
        found, self._info.dns_ns = await loop.run_in_executor(None, look_up)
        return found

    async def _secure(
        self, sock: socket.socket, layers: list[TlsLayer], host: str, port: int
    ) -> None:
        self.stage = Stage.TLS
        layer = self._dialer.layer(host, port)
        begun = self._now()
        await handshake(sock, layer, layers[-1] if layers else None)
        self._info.tls_ns = (self._info.tls_ns or 0) + self._now() - begun
        layers.append(layer)

    async def _tunnel(self, sock: socket.socket, layers: list[TlsLayer], proxy: Proxy) -> None:
        self.stage = Stage.CONNECT
        loop = asyncio.get_running_loop()
        begun = self._now()
        ask = proxy.connect_request(self._host, self._port)
        await loop.sock_sendall(sock, layers[0].encrypt(ask) if layers else ask)
        head = b""
        while b"\r\n\r\n" not in head:
            data = await loop.sock_recv(sock, _MAX_HEAD)
            if not data:
                raise _ProxyRefusedError(
                    f"{self._where} closed the connection before the tunnel was up"
                )
            if len(head) > _MAX_HEAD:
                raise _ProxyRefusedError(f"{self._where} opens no tunnel: its answer has no end")
            head += layers[0].decrypt(data) if layers else data
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        if not status.startswith(("HTTP/1.1 2", "HTTP/1.0 2")):
            raise _ProxyRefusedError(f"{self._where} opens no tunnel: {status}")
        self._info.connect_ns = (self._info.connect_ns or 0) + self._now() - begun


async def _take_tickets(link: Link) -> None:
    """Read until each TLS session on the link can be taken up again, or the server hangs up."""
    loop = asyncio.get_running_loop()
    data = b"?"
    while data:
        kept = [layer.keep_session() for layer in link.layers]
        if all(kept):
            return
        data = received = await loop.sock_recv(link.sock, _MAX_HEAD)
        for layer in link.layers:
            received = layer.decrypt(received)


def _literal(host: str, port: int) -> AddrInfoType | None:
    """The address that `host` already is; None when it is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def describe(error: OSError) -> str:
    """An operating system's error in plain words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (is the server running there?)"
    if isinstance(error, ConnectionResetError) and not error.strerror:
        return str(error)
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
