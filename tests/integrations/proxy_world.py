"""A proxy in this event loop, between raw sockets: an upstream that says what it is told, and a
client that says and hears bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from typing import Any, ParamSpec

from llm_latency_lens.integrations.proxy.exchange import Desk
from llm_latency_lens.integrations.proxy.gate import Gate, listen
from llm_latency_lens.integrations.proxy.upstream import Pool, Upstream
from llm_latency_lens.integrations.sdk.call import Call
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network
from llm_latency_lens.transport.poller import Poller

PATIENCE_S = 20
HEAD_END = b"\r\n\r\n"

Say = Callable[["Peer"], Awaitable[None]]
P = ParamSpec("P")


def looped(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 2 * PATIENCE_S))

    return run


@dataclass
class Peer:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def hear(self, until: bytes = HEAD_END) -> bytes:
        """Everything up to these bytes."""
        return await asyncio.wait_for(self.reader.readuntil(until), PATIENCE_S)

    async def hear_exactly(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE_S)

    async def hear_out(self) -> bytes:
        """Everything until the other side closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE_S)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Between:
    """A proxy that runs, and the calls that it saw."""

    address: tuple[str, int]
    desk: Desk
    gate: Gate
    pool: Pool
    calls: list[Call] = field(default_factory=list)
    called: asyncio.Queue[Call] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def client(self, limit: int = 1 << 20) -> AsyncIterator[Peer]:
        peer = Peer(*await asyncio.open_connection(*self.address, limit=limit))
        try:
            yield peer
        finally:
            peer.close()

    async def call(self) -> Call:
        """The next call that has ended."""
        return await asyncio.wait_for(self.called.get(), PATIENCE_S)


@asynccontextmanager
async def passing(
    url: str, *, hint: str | None = None, network: Network | None = None
) -> AsyncIterator[Between]:
    """A proxy for this upstream."""
    poller = Poller(asyncio.get_running_loop())
    pool = Pool(Upstream(url), network or Network(proxy=None), poller)
    called: asyncio.Queue[Call] = asyncio.Queue()
    desk = Desk(pool, called.put_nowait, hint)
    sock = listen("127.0.0.1", 0)
    gate = Gate(sock, desk, poller)
    try:
        yield Between(sock.getsockname()[:2], desk, gate, pool, called=called)
    finally:
        gate.stop("the test ended")
        pool.close()
        poller.close()


@asynccontextmanager
async def serving(*scripts: Say) -> AsyncIterator[str]:
    """An upstream whose n-th connection does what the n-th script says, the last one again and
    again."""
    taken = 0
    failures: list[BaseException] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        script = scripts[min(taken, len(scripts) - 1)]
        taken += 1
        peer = Peer(reader, writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except BaseException as error:  # noqa: BLE001  (the test itself raises it)
            failures.append(error)
        finally:
            tasks.discard(task)
            with suppress(Exception):
                peer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if failures:
            raise failures[0]


async def until(holds: Callable[[], object]) -> None:
    """Turn the event loop until this holds."""
    while not holds():  # noqa: ASYNC110  (what is waited for has no event)
        await asyncio.sleep(0)


def answering(*pieces: bytes, heard: list[bytes] | None = None) -> Say:
    """Answers each request of a connection with these bytes, and keeps what was asked."""

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.hear()
            body = await peer.hear_exactly(length_of(head))
            if heard is not None:
                heard.append(head + body)
            await peer.say(*pieces)

    return script


def once(*pieces: bytes, heard: list[bytes] | None = None) -> Say:
    """Answers one request and closes the connection."""

    async def script(peer: Peer) -> None:
        head = await peer.hear()
        body = await peer.hear_exactly(length_of(head))
        if heard is not None:
            heard.append(head + body)
        await peer.say(*pieces)

    return script


def length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def asking(body: bytes, path: str = "/v1/chat/completions", *lines: str) -> bytes:
    """A request for a chat."""
    head = [f"POST {path} HTTP/1.1", "Host: here", *lines, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + HEAD_END + body


def chunked(*parts: bytes, trailer: bytes = b"") -> bytes:
    """A body in these chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return chunks + b"0\r\n" + trailer + b"\r\n"


def split(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places."""
    cuts = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(cuts) if a < b]


def timeline_of(call: Call) -> Timeline:
    from llm_latency_lens.integrations.sdk.understand import understood

    return understood(call, 0, "call-0", None)
