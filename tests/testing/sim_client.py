"""A simulator inside the test's own loop, and a plain HTTP client for it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httptools

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.sendlog import Sent, read_send_log
from llm_latency_lens.testing.server import serve

LIMIT_S = 20


class Served:
    """A running simulator; `log` is filled when the block has been left."""

    def __init__(self, base_url: str, path: Path, unix_socket: str | None) -> None:
        self.base_url = base_url
        self.path = path
        self.unix_socket = unix_socket
        self.log: list[Sent] = []

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        if self.unix_socket:
            return Client(*await asyncio.open_unix_connection(self.unix_socket))
        url = urlsplit(self.base_url)
        return Client(*await asyncio.open_connection(url.hostname, url.port, ssl=tls))


@asynccontextmanager
async def serving(
    folder: Path, arguments: dict[str, Any] | None = None, /, **options: str
) -> AsyncIterator[Served]:
    """Serve with these options (and arguments of `serve`) while the block lasts."""
    path = folder / "sends.jsonl"
    arguments = arguments or {}
    ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    config = SimConfig.from_options(**options)
    task: asyncio.Future[Any] = asyncio.create_task(
        serve(config, send_log=path, on_ready=ready.set_result, **arguments)
    )
    async with asyncio.timeout(LIMIT_S):
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        served = Served(ready.result(), path, arguments.get("unix_socket"))
        yield served
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    served.log = read_send_log(path)


class Client:
    """One connection; reads one response at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._complete = False
        self._body = b""
        self.headers: dict[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._complete = True

    def send(self, line: str, body: bytes = b"", **headers: str) -> None:
        lines = [f"{line} HTTP/1.1", "host: test", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def chat(self, **changes: Any) -> None:
        """Ask for a stream; `headers` is a dict, all else goes into the body."""
        headers = changes.pop("headers", {})
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        self.send("POST /v1/chat/completions", json.dumps(body | changes).encode(), **headers)

    async def response(self) -> tuple[int, bytes, bool]:
        """Status, body, and whether the body was complete."""
        parser = httptools.HttpResponseParser(self)
        self._complete, self._body = False, b""
        while not self._complete and (data := await self._reader.read(65536)):
            parser.feed_data(data)
        return parser.get_status_code(), self._body, self._complete

    async def read(self) -> bytes:
        return await self._reader.read(65536)

    async def rest(self) -> bytes:
        """All that still comes before the connection ends, in whatever way."""
        seen = b""
        with suppress(ConnectionError):
            while data := await self.read():
                seen += data
        return seen

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
