"""Requests as the simulator takes them: connections, keys, paths, and what is no request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from sim_client import serving

QUICK = {"ttft": "4ms", "gap": "2ms", "tokens": "3"}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_a_connection_serves_again_and_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            for stream in (True, False, True):
                client.chat(stream=stream)
                assert (await client.response())[0] == 200
            await client.close()
        assert [sent.index for sent in served.log] == [0, 1, 2]
        assert served.log[1].tokens == [3]

    run(test())


def test_requests_sent_ahead_are_answered_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            client.chat(stream=False)
            client.send("GET /v1/models")
            seen = b""
            while b'"list"' not in seen:
                seen += await client.read()
            assert b'"chat.completion"' in seen.partition(b'"list"')[0]
            await client.close()

    run(test())


def test_connection_close_is_honoured(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            client.chat(headers={"connection": "close"})
            assert (await client.response())[2]
            assert await client.read() == b""
            await client.close()

    run(test())


@pytest.mark.parametrize(
    ("line", "body", "status", "word"),
    [
        ("GET /v1/models", b"", 200, b'"id":"sim"'),
        ("GET /v1/models?limit=1", b"", 200, b'"id":"sim"'),
        ("GET /v1/chat/completions", b"", 404, b"unknown_url"),
        ("POST /v1/images?n=1", b"{}", 404, b"POST /v1/images."),
        ("POST /v1/chat/completions", b"{", 400, b"could not parse"),
    ],
)
def test_other_requests(tmp_path: Path, line: str, body: bytes, status: int, word: bytes) -> None:
    async def test() -> None:
        async with serving(tmp_path) as served:
            client = await served.connect()
            client.send(line, body)
            got, text, _ = await client.response()
            assert got == status
            assert word in text
            await client.close()
        assert served.log == []

    run(test())


def test_names_of_fields_are_read_in_any_case_and_repeated_ones_joined(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            client.chat(headers={"X-Client-Request-Id": "a", "x_client_request_id": "b"})
            assert (await client.response())[0] == 200
            await client.close()
        assert served.log[0].id == "a, b"

    run(test())


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v1/chat/completions", 401, b"invalid_api_key"),
        ("/v2/rerank", 401, b'{"message":"Unauthorized"}'),
        ("/nowhere", 401, b"invalid_api_key"),
    ],
)
def test_a_wrong_key_is_refused_in_the_formats_own_words(
    tmp_path: Path, path: str, status: int, word: bytes
) -> None:
    async def test() -> None:
        async with serving(tmp_path, {"api_key": "k"}) as served:
            client = await served.connect()
            client.send(f"POST {path}", b"{}", authorization="Bearer other")
            got, text, _ = await client.response()
            assert got == status
            assert word in text
            await client.close()

    run(test())


def test_a_key_can_be_asked_for(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, {"api_key": "k"}, **QUICK) as served:
            client = await served.connect()
            client.chat()
            status, body, _ = await client.response()
            assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
            client.chat(headers={"authorization": "Bearer k"})
            assert (await client.response())[0] == 200
            await client.close()

    run(test())


def test_what_is_not_http_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, ttft="10s") as served:
            client = await served.connect()
            client.writer.write(b"\x16\x03\x01 hello\r\n\r\n")
            assert (await client.response())[0] == 400
            await client.close()
            client = await served.connect()
            client.chat()
            client.writer.write(b"\x16\x03\x01 hello\r\n\r\n")
            assert await client.rest() == b""
            await client.close()
        assert [sent.outcome for sent in served.log] == ["disconnected"]

    run(test())


def test_an_offer_of_http2_is_declined(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path) as served:
            client = await served.connect()
            client.send("GET /v1/models", connection="Upgrade, HTTP2-Settings", upgrade="h2c")
            assert (await client.response())[0] == 200
            await client.close()

    run(test())
