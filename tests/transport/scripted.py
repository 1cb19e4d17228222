"""Servers that do what a test says, byte by byte, in the test's own event loop.

Nothing here waits for a time: a script reads, sends, closes, and waits for events. Server and
client share one thread, so what a script has sent is in the client's socket before the client
runs again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from llm_latency_lens.request import Request
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import HttpTransport, Network

T = TypeVar("T")

OK = b"HTTP/1.1 200 OK\r\n"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on the real loop; a test that hangs fails after ten seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(10):
            return await work

    return asyncio.run(bounded())


def plain(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """An answer with a length."""
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


CHUNKED = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sent_at: list[int] = []
        """Real time just before each send."""
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def read(self) -> bytes:
        """What comes next; empty at the end of the stream."""
        return await self._loop.sock_recv(self.sock, 1 << 20)

    async def request(self) -> bytes:
        """One whole request, or what came of it before the end of the stream."""
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if end:
                length = _length(head)
                if len(rest) >= length:
                    self._received = rest[length:]
                    return head + end + rest[:length]
            data = await self.read()
            if not data:
                whole, self._received = self._received, b""
                return whole
            self._received += data

    def note_time(self) -> None:
        self.sent_at.append(time.time_ns())

    async def send(self, data: bytes) -> None:
        self.note_time()
        await self.send_raw(data)

    async def send_raw(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def send_cut(self, data: bytes, cuts: Iterable[int]) -> None:
        """Send in pieces, letting the client read each."""
        begin = 0
        for cut in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
            if begin < cut:
                self.note_time()
                await self.send_raw(data[begin:cut])
                await turns()
                begin = cut

    def fin(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.sock.close()

    async def gone(self) -> None:
        """Until the client has closed its end."""
        with contextlib.suppress(ConnectionError):
            while await self.read():
                pass


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


class TlsPeer(Peer):
    """The same under TLS; records are made here, so that a test can cut and join them."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self, *, hold_tickets: bool = False) -> bytes:
        """Carry it out; session tickets are sent at once, or returned to be sent later."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.send_raw(self._outgoing.read())
                data = await super().read()
                if not data:
                    raise ConnectionResetError("the client hung up") from None
                self._incoming.write(data)
            except ssl.SSLError:
                await self.send_raw(self._outgoing.read())  # the alert
                raise
            else:
                break
        tickets = self._outgoing.read()
        if hold_tickets:
            return tickets
        await self.send_raw(tickets)
        return b""

    async def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                data = await super().read()
                if not data:
                    return b""
                self._incoming.write(data)

    def seal(self, data: bytes) -> bytes:
        """The records that carry `data`."""
        self._tls.write(data)
        return self._outgoing.read()

    async def send(self, data: bytes) -> None:
        await super().send(self.seal(data))

    def farewell(self) -> bytes:
        """The record that says that no more will come (close_notify)."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._outgoing.read()


Script = Callable[[Any], Awaitable[None]]


class Server:
    """Runs one script for each connection that it accepts."""

    def __init__(self, sock: socket.socket, script: Script, tls: ssl.SSLContext | None) -> None:
        self.peers: list[Peer] = []
        self._sock = sock
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        port: int = self._sock.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        host = "[::1]" if self._sock.family == socket.AF_INET6 else "127.0.0.1"
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/v1/chat"

    def open(self) -> None:
        asyncio.get_running_loop().add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        sock, _ = self._sock.accept()
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = TlsPeer(sock, self._tls) if self._tls else Peer(sock)
        self.peers.append(peer)
        self._tasks.add(asyncio.create_task(self._serve(peer)))

    async def _serve(self, peer: Peer) -> None:
        try:
            await self._script(peer)
        finally:
            peer.close()

    async def aclose(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for peer in self.peers:  # a script that was cancelled before it began has closed nothing
            peer.close()
        self._sock.close()
        for task in self._tasks:
            if not task.cancelled():
                task.result()  # a script's bug fails the test


@contextlib.asynccontextmanager
async def serve(
    script: Script,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    unix: str | None = None,
    narrow: bool = False,
    port: int = 0,
) -> AsyncIterator[Server]:
    """A server that runs `script(peer)` for each connection; a narrow one takes in little."""
    if unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(unix)
    else:
        sock = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    if narrow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    sock.listen(256)
    sock.setblocking(False)
    server = Server(sock, script, tls)
    server.open()
    try:
        yield server
    finally:
        await server.aclose()


def answers(*replies: bytes) -> Script:
    """A script that gives these answers, one to each request, then waits for the client to go."""

    async def script(peer: Peer) -> None:
        for reply in replies:
            if not await peer.request():
                return
            await peer.send(reply)
        await peer.gone()

    return script


def always(reply: bytes) -> Script:
    """A script that gives the same answer to every request."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(reply)

    return script


def hold_up(delay_ns: int) -> None:
    """Keep this thread busy, as decoding would: the loop reads nothing meanwhile."""
    end_ns = time.monotonic_ns() + delay_ns
    while time.monotonic_ns() < end_ns:
        pass


async def turns(count: int = 6) -> None:
    """Let everything else in this loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Until something holds; `run` bounds the wait."""
    while not condition():  # noqa: ASYNC110  (what is awaited sets no event)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def transport(network: Network | None = None, **options: Any) -> AsyncIterator[HttpTransport]:
    made = HttpTransport(network, **options)
    try:
        yield made
    finally:
        await made.aclose()


def request(url: str, body: bytes = b"{}", headers: Sequence[tuple[str, str]] = ()) -> Request:
    return Request("openai", "m", url, tuple(headers), body)


async def ask(sender: HttpTransport, url: str, body: bytes = b"{}", **options: Any) -> Timeline:
    """One request and what became of it."""
    timeline = Timeline()
    await sender.send(request(url, body, **options), timeline)
    return timeline


async def ask_once(network: Network, url: str, body: bytes = b"{}", **options: Any) -> Timeline:
    async with transport(network) as sender:
        return await ask(sender, url, body, **options)


def check_shape(timeline: Timeline) -> None:
    """What holds of every timeline, however it ended: marks and reads stand in order."""
    marks = [timeline.start_ns, timeline.sent_ns, timeline.first_byte_ns, *timeline.at]
    reached = [mark for mark in [*marks, timeline.closed_ns] if mark is not None]
    assert reached == sorted(reached)
    assert len(timeline.at) == len(timeline.lag) == len(timeline.ends)
    assert list(timeline.ends) == sorted(set(timeline.ends))
    assert (timeline.ends[-1] if timeline.ends else 0) == len(timeline.body)
    assert all(lag >= 0 for lag in timeline.lag)
    assert timeline.complete == (timeline.failure is None)
    assert timeline.closed_ns is not None


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
