"""Servers for the SDK lens: a simulator in a thread of this process, and one that says what it is
told."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.server import serve


@contextmanager
def simulating(folder: Path, tls: tuple[str, str] | None = None, **options: str) -> Iterator[str]:
    """The base URL of a simulator with these options."""
    ready: list[Any] = []
    up = threading.Event()

    async def run() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def on_ready(url: str) -> None:
            ready.extend([url, loop, task])
            up.set()

        with suppress(asyncio.CancelledError):
            await serve(
                SimConfig.from_options(**options),
                tls=tls,
                send_log=folder / "sends.jsonl",
                on_ready=on_ready,
            )

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert up.wait(20)
    url, loop, task = ready
    yield url
    loop.call_soon_threadsafe(task.cancel)
    thread.join(20)


@contextmanager
def saying(*answers: bytes, hang: bool = False) -> Iterator[str]:
    """A server that sends the given bytes, one answer a connection, and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def run() -> None:
        for answer in answers:
            sock, _ = listener.accept()
            with sock:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += sock.recv(65536)
                head, _, body = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                while len(body) < length:
                    body += sock.recv(65536)
                sock.sendall(answer)
                if hang:
                    over.wait(20)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        over.set()
        thread.join(20)
        listener.close()
