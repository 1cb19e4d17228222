"""Where clients come in: listens, and lets everything come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket

from ...errors import UsageError
from ...transport.poller import Poller
from .client import Client
from .exchange import Desk

_BACKLOG = 1024
_AT_ONCE = 64
_REST_S = 0.1
"""How long to take nobody where there are no descriptors left."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UsageError where it cannot."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"{where} is in use: --listen names another address") from None
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"--listen {where}: {reason}") from None
    sock.setblocking(False)
    return sock


class Gate:
    """Takes clients until it is closed. Belongs to one event loop."""

    def __init__(self, sock: socket.socket, desk: Desk, poller: Poller) -> None:
        self._sock = sock
        self._desk = desk
        self._poller = poller
        self._clients: set[Client] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closed = False
        self._open()

    def _open(self) -> None:
        if not self._closed:
            self._poller.add(self._sock.fileno(), self._on_clients)

    def _on_clients(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError:  # no descriptor left: somebody has to leave first
                self._poller.remove(self._sock.fileno())
                asyncio.get_running_loop().call_later(_REST_S, self._open)
                return
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.add(Client(sock, self._desk, self._poller, self._forget))
            self._empty.clear()

    def _forget(self, client: Client) -> None:
        """It has left."""
        self._clients.discard(client)
        if not self._clients:
            self._empty.set()

    def close(self) -> None:
        """Take nobody any more; what is under way may end."""
        if self._closed:
            return
        self._poller.remove(self._sock.fileno())
        self._closed = True
        self._sock.close()
        for client in list(self._clients):
            client.leave()

    def stop(self, why: str) -> None:
        """End everything at once."""
        self.close()
        for client in list(self._clients):
            client.stop(why)

    async def emptied(self) -> None:
        """Wait until the last client has left."""
        await self._empty.wait()
