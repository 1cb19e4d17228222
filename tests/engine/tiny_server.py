"""A server of chat completions that is just enough to be captured."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(word: str) -> bytes:
    data = json.dumps({"choices": [{"index": 0, "delta": {"content": word}}]})
    return f"data: {data}\n\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextlib.asynccontextmanager
async def serve(
    words: str = "three little words", release: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """The URL of a server that answers with these words; with `release`, on until it is set."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for word in words.split():
            writer.write(chunk(event(word)))
        while release and not release.is_set():
            writer.write(chunk(event("more")))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(release.wait(), 0.005)
        writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()

    handlers = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(length)
                await answer(writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
    finally:
        server.close()
        if release:
            release.set()
        if handlers:
            await asyncio.wait(handlers)  # they end with the client's connections
