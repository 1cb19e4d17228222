"""Wakes connections when their socket is readable.

On Linux all sockets of a transport share one epoll of their own, which the event loop watches as a
single descriptor: one wake-up of the loop then serves every socket that is ready, without a
handle, a context switch or a selector look-up for each. Elsewhere the loop watches each socket.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

HAS_EPOLL = hasattr(select, "epoll")

_BATCH = 4096
_READ_SIZE = 65536


class Poller:
    """One for each transport; `buffer` is shared, since reads of a loop never overlap."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, epoll: bool = HAS_EPOLL) -> None:
        self.buffer = bytearray(_READ_SIZE)
        self._loop = loop
        self._readers: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll() if epoll else None

    def add(self, fd: int, reader: Callable[[], None]) -> None:
        """Call `reader` whenever `fd` has something to read."""
        if self._epoll is None:
            self._loop.add_reader(fd, reader)
        else:
            if not self._readers:
                self._loop.add_reader(self._epoll.fileno(), self._wake)
            self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = reader

    def remove(self, fd: int) -> None:
        """Forget `fd`; must come before the socket is closed."""
        if self._readers.pop(fd, None) is None:
            return
        if self._epoll is None:
            self._loop.remove_reader(fd)
            return
        self._epoll.unregister(fd)
        if not self._readers:
            self._loop.remove_reader(self._epoll.fileno())

    def _wake(self) -> None:
        assert self._epoll is not None
        readers = self._readers
        for fd, _ in self._epoll.poll(0, _BATCH):
            # A reader earlier in the batch may have closed this connection.
            if reader := readers.get(fd):
                reader()

    def close(self) -> None:
        """Forget every socket and give the descriptor back."""
        for fd in list(self._readers):
            self.remove(fd)
        if self._epoll is not None:
            self._epoll.close()
