"""What happens, told to browsers as it happens: server-sent events.

An event is encoded once, whoever listens, and not at all where nobody does. Each client has a
short queue; who does not keep up is dropped, and its browser connects again and reads anew what is
the latest. Comments keep the connection open where nothing happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from ...clock import SECOND_NS, Clock
from ...metrics.schema import encode
from ..probe import Probe
from .faults import BusyError
from .shapes import Happened, brief_of

MOST_CLIENTS = 64
QUEUE = 512
HEARTBEAT_S = 15.0
LOOK_NS = SECOND_NS
"""How often it is looked whether an incident or a reload has come."""
RETRY_MS = 3000
_END = b""


class Stream:
    """A taker of probes, and the source of every client's events.

    `happened` gives what else clients are told, by its kind; it is told again when it has changed.
    """

    def __init__(self, happened: Callable[[], dict[str, Happened]], clock: Clock) -> None:
        self._happened = happened
        self._clock = clock
        self._clients: set[asyncio.Queue[bytes]] = set()
        self._last: dict[str, Happened] = {}
        self._watching: asyncio.Task[None] | None = None
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._clients)

    def __call__(self, probe: Probe) -> None:
        if self._clients:
            self.tell("probe", brief_of(probe.row))

    def tell(self, kind: str, what: Any) -> None:
        """Tell every client."""
        event = b"event: %s\ndata: %s\n\n" % (kind.encode(), encode(what))
        for client in tuple(self._clients):
            if client.full():
                self._drop(client)
            else:
                client.put_nowait(event)

    def look(self) -> None:
        """Tell what has changed since it was last looked."""
        for kind, what in self._happened().items():
            if self._last.get(kind) != what:
                self._last[kind] = what
                self.tell(kind, what)

    def close(self) -> None:
        """End every client's stream: a server that is to stop waits for them."""
        self._closed = True
        for client in tuple(self._clients):
            self._drop(client)

    def subscribe(self) -> AsyncIterator[bytes]:
        """Events of one client until it goes. Raises BusyError."""
        if len(self._clients) >= MOST_CLIENTS:
            raise BusyError(f"{MOST_CLIENTS} clients listen already: close one of them")
        client: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        if not self._closed:
            self._join(client)
        return self._events(client)

    def _join(self, client: asyncio.Queue[bytes]) -> None:
        if not self._clients:
            self._last = self._happened()
        self._clients.add(client)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def _events(self, client: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while client in self._clients or not client.empty():
                event = await self._next(client)
                if event is _END:
                    return
                yield event
        finally:
            self._clients.discard(client)

    async def _next(self, client: asyncio.Queue[bytes]) -> bytes:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await client.get()
        except TimeoutError:
            return b": still here\n\n"

    async def _watch(self) -> None:
        """Look about as long as somebody listens."""
        while self._clients:
            await self._clock.sleep(LOOK_NS)
            self.look()
        self._watching = None

    def _drop(self, client: asyncio.Queue[bytes]) -> None:
        """End a client's stream: what waits for it is thrown away, so that it ends at once."""
        self._clients.discard(client)
        self.dropped += 1
        while not client.empty():
            client.get_nowait()
        client.put_nowait(_END)
