"""The same question by each of the HTTP libraries, sync and async."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx2
import requests

KEY = "sk-quite-secret-0123"
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
ASKED = {
    "model": "sim",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 99,
}
BODY = json.dumps(ASKED).encode()

Ask = Callable[..., tuple[int, bytes]]
"""(status, body) of what is POSTed; `verify` is a CA's file."""


def by_httpx(url: str, body: bytes = BODY, verify: str | None = None) -> tuple[int, bytes]:
    with (
        httpx2.Client(verify=_context(verify)) as client,
        client.stream("POST", url, content=body, headers=HEADERS) as answer,
    ):
        return answer.status_code, b"".join(answer.iter_bytes())


def by_async_httpx(url: str, body: bytes = BODY, verify: str | None = None) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        async with (
            httpx2.AsyncClient(verify=_context(verify)) as client,
            client.stream("POST", url, content=body, headers=HEADERS) as answer,
        ):
            return answer.status_code, b"".join([part async for part in answer.aiter_bytes()])

    return asyncio.run(ask())


def by_aiohttp(url: str, body: bytes = BODY, verify: str | None = None) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        secure: Any = _context(verify)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=HEADERS, ssl=secure) as answer,
        ):
            return answer.status, await answer.read()

    return asyncio.run(ask())


def by_requests(url: str, body: bytes = BODY, verify: str | None = None) -> tuple[int, bytes]:
    with (
        requests.Session() as session,
        session.post(url, data=body, headers=HEADERS, stream=True, verify=verify or True) as answer,
    ):
        return answer.status_code, b"".join(answer.iter_content(None))


LIBRARIES: dict[str, Ask] = {
    "httpx": by_httpx,
    "httpx-async": by_async_httpx,
    "aiohttp": by_aiohttp,
    "requests": by_requests,
}


def _context(verify: str | None) -> Any:
    import ssl

    return ssl.create_default_context(cafile=verify) if verify else True
