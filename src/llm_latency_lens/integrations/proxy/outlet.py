"""Bytes out of a socket, as fast as the other side takes them.

What the kernel does not take at once waits here; whoever writes looks at `full` and stops reading
until `on_empty` is called, so that no more waits than a few reads brought.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


def nothing() -> None:
    """Nobody wants to know."""


class Outlet:
    """The writing side of one socket."""

    __slots__ = ("_loop", "_rest", "_sock", "broken", "full", "on_broken", "on_empty")

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = sock
        self._loop = loop
        self._rest = bytearray()
        self.full = False
        self.broken = False
        """The other side has gone; what is written is thrown away."""
        self.on_empty: Callable[[], None] = nothing
        self.on_broken: Callable[[], None] = nothing

    def write(self, data: bytes) -> None:
        """Hand on, now or later."""
        if self.full:
            self._rest += data
            return
        if self.broken:
            return
        try:
            taken = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError:
            self._break()
            return
        if taken < len(data):
            self._rest += data[taken:]
            self.full = True
            self._loop.add_writer(self._sock.fileno(), self._flush)

    def _flush(self) -> None:
        try:
            taken = self._sock.send(self._rest)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            return
        del self._rest[:taken]
        if not self._rest:
            self.full = False
            self._loop.remove_writer(self._sock.fileno())
            self.on_empty()

    def _break(self) -> None:
        self.close()
        self.broken = True
        # Whoever wrote is in the middle of something: it hears of it afterwards.
        self._loop.call_soon(self.on_broken)

    def close(self) -> None:
        """Forget what waits; must come before the socket is closed."""
        if self.full:
            self._loop.remove_writer(self._sock.fileno())
        self.full = False
        self._rest.clear()
