"""Calls on each HTTP library, watched: what is seen, and that nothing else changes."""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import brotli
import httpx2
import pytest
import requests
import trustme
from asking import ASKED, BODY, HEADERS, KEY, LIBRARIES, by_httpx, by_requests
from backports import zstd
from lens_servers import saying, simulating

from llm_latency_lens import ErrorKind, EventKind, Record, Seen, Status, watch
from llm_latency_lens.integrations.sdk import call as calls
from llm_latency_lens.integrations.sdk.begin import under_way
from llm_latency_lens.metrics.lines import encode, to_line

LINUX = sys.platform.startswith("linux")
QUICK = {"ttft": "6ms", "gap": "1ms", "tokens": "5"}
EACH = pytest.mark.parametrize("library", LIBRARIES)
EVENTS = (
    b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"one"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":" two"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulating(tmp_path_factory.mktemp("sim"), **QUICK) as base_url:
        yield f"{base_url}/chat/completions"


@EACH
def test_a_stream(url: str, library: str) -> None:
    with watch() as seen:
        status, body = LIBRARIES[library](url)
        assert len(seen) == 1
    assert (status, body[-14:]) == (200, b"data: [DONE]\n\n")
    record = seen[0]
    assert (record.status, record.provider, record.model) == (Status.OK, "openai", "sim")
    assert (record.stream, record.max_tokens, record.attempt) == (True, 99, 0)
    assert record.events.kind == [EventKind.TEXT] * 5
    assert (record.usage.output, record.finish_reason) == (5, "stop")
    assert record.clock_source == ("kernel" if LINUX else "user")
    assert record.connection.reused is False
    assert record.connection.http_version == "1.1"
    assert record.tag is not None
    assert re.fullmatch(r"tests/integrations/asking\.py:\d+", record.tag)
    _in_order(record)
    assert KEY.encode() not in encode(to_line(record, keep_text=True))
    assert seen[0] is record
    assert seen[-1:] == [record]
    assert repr(seen) == "Seen(1 calls)"


def _in_order(record: Record) -> None:
    assert record.start_ns is not None
    assert record.sent_ns is not None
    assert record.first_byte_ns is not None
    assert record.end_ns is not None
    stamps = [record.first_byte_ns, *record.events.at_ns, record.end_ns]
    assert stamps == sorted(stamps)
    assert record.start_ns <= record.sent_ns
    assert record.ttft_ns is not None
    assert record.ttft_ns >= 6_000_000
    assert record.e2e_ns is not None
    assert record.e2e_ns >= 10_000_000


@EACH
def test_what_the_program_gets_is_the_same(library: str) -> None:
    body = b"".join(EVENTS)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    with saying(answer, answer) as base_url:
        plain = LIBRARIES[library](f"{base_url}/chat/completions")
        with watch():
            assert LIBRARIES[library](f"{base_url}/chat/completions") == plain == (200, body)


@EACH
def test_an_answer_in_one_piece(url: str, library: str) -> None:
    with watch() as seen:
        LIBRARIES[library](url, BODY.replace(b'"stream": true', b'"stream": false'))
    (record,) = seen
    assert (record.status, record.stream) == (Status.OK, False)
    assert record.usage.output == 5


@EACH
def test_a_refusal(tmp_path: Path, library: str) -> None:
    with simulating(tmp_path, faults="429=2s:always") as base_url, watch() as seen:
        status, _ = LIBRARIES[library](f"{base_url}/chat/completions")
    assert status == 429
    assert seen[0].error is not None
    assert (seen[0].error.kind, seen[0].error.retry_after_s) == (ErrorKind.RATE_LIMIT, 2)


@EACH
def test_an_answer_that_breaks_off(library: str) -> None:
    ask = LIBRARIES[library]
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + EVENTS[0]
    with saying(cut) as base_url, pytest.raises(Exception, match=r".") as plain:
        ask(f"{base_url}/chat/completions")
    with (
        saying(cut) as base_url,
        watch() as seen,
        pytest.raises(type(plain.value)) as watched,
    ):
        ask(f"{base_url}/chat/completions")
    assert str(watched.value) == str(plain.value)
    (record,) = seen
    assert (record.status, len(record.events)) == (Status.FAILED, 1)
    assert record.error is not None
    assert record.error.kind is ErrorKind.NETWORK


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@EACH
def test_a_compressed_stream(library: str, coding: str) -> None:
    body = b"".join(EVENTS)
    compress: dict[str, Any] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }
    packed = compress[coding](body)
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, packed[i : i + 1]) for i in range(len(packed)))
    answer = (
        (
            f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {coding}\r\n"
            "transfer-encoding: chunked\r\n\r\n"
        ).encode()
        + chunks
        + b"0\r\n\r\n"
    )
    with saying(answer) as base_url, watch() as seen:
        assert LIBRARIES[library](f"{base_url}/chat/completions") == (200, body)
    assert seen[0].status is Status.OK
    assert seen[0].events.text == ["one", " two"]


@EACH
def test_an_answer_that_ends_with_the_connection(library: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"".join(EVENTS[:2])
    with saying(answer) as base_url, watch() as seen:
        LIBRARIES[library](f"{base_url}/chat/completions")
    assert (seen[0].status, seen[0].events.text) == (Status.OK, ["one", " two"])


@EACH
def test_over_tls(tmp_path: Path, library: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    files = (str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    with simulating(tmp_path, tls=files, **QUICK) as base_url, watch() as seen:
        LIBRARIES[library](f"{base_url}/chat/completions", verify=str(tmp_path / "ca.pem"))
    (record,) = seen
    assert (record.status, len(record.events)) == (Status.OK, 5)
    assert record.connection.tls_version == "TLSv1.3"
    # asyncio's TLS is fed by a socket that Python reads; OpenSSL reads the others itself.
    below = library in ("httpx-async", "aiohttp") and LINUX
    assert record.clock_source == ("kernel" if below else "user")
    _in_order(record)


def test_a_connection_is_kept(url: str) -> None:
    with watch() as seen, httpx2.Client() as client, requests.Session() as session:
        for _ in range(2):
            client.post(url, content=BODY, headers=HEADERS)
        for _ in range(2):
            session.post(url, data=BODY, headers=HEADERS)
    assert [record.connection.reused for record in seen] == [False, True, False, True]
    assert [record.connection.connect_ns is None for record in seen] == [False, True, False, True]


def test_what_asks_no_model_is_passed_over(url: str) -> None:
    base = url.removesuffix("/chat/completions")
    with watch() as seen:
        httpx2.get(f"{base}/models")
        requests.get(f"{base}/models", timeout=20)
        httpx2.post(f"{base}/nothing", json=ASKED)
        httpx2.post(f"{base}/responses", json={"survey": 1})
    assert list(seen) == []


def test_a_refusal_that_is_not_read() -> None:
    answer = b"HTTP/1.1 429 X\r\nretry-after: 3\r\ncontent-length: 5\r\n\r\nwait!"
    with saying(answer) as base_url, watch() as seen:
        url = f"{base_url}/chat/completions"
        with httpx2.stream("POST", url, content=BODY, headers=HEADERS) as refused:
            assert refused.status_code == 429
    assert seen[0].error is not None
    assert (seen[0].error.kind, seen[0].error.retry_after_s) == (ErrorKind.RATE_LIMIT, 3)


def test_a_stream_that_the_program_leaves(tmp_path: Path) -> None:
    with simulating(tmp_path, ttft="2ms", gap="200ms", tokens="50") as base_url, watch() as seen:
        url = f"{base_url}/chat/completions"
        with httpx2.stream("POST", url, content=BODY, headers=HEADERS) as answer:
            next(answer.iter_bytes())
        with requests.post(url, data=BODY, headers=HEADERS, stream=True, timeout=20) as other:
            next(other.iter_content(None))
    assert [record.status for record in seen] == [Status.CANCELLED] * 2
    assert seen[0].error is not None
    assert seen[0].error.message == "the program closed the answer before its end"


def test_a_stream_that_the_program_forgets(tmp_path: Path) -> None:
    with (
        simulating(tmp_path, ttft="2ms", gap="200ms", tokens="50") as base_url,
        httpx2.Client() as client,
        watch() as seen,
    ):
        url = f"{base_url}/chat/completions"
        request = client.build_request("POST", url, content=BODY, headers=HEADERS)
        parts = client.send(request, stream=True).iter_bytes()
        next(parts)
        del parts
        (record,) = seen
    assert record.status is Status.CANCELLED


@pytest.mark.parametrize("ask", [by_httpx, by_requests])
def test_nobody_listens(ask: Any) -> None:
    with watch() as seen, pytest.raises(Exception, match="refused"):
        ask("http://127.0.0.1:1/v1/chat/completions")
    (record,) = seen
    assert (record.status, record.start_ns) == (Status.FAILED, None)
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (ErrorKind.NETWORK, "connect")


def test_a_silence_that_is_too_long() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999\r\n\r\n"
    with saying(head + EVENTS[0], hang=True) as base_url, watch() as seen:
        url = f"{base_url}/chat/completions"
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(url, content=BODY, headers=HEADERS, timeout=0.05)
    (record,) = seen
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (ErrorKind.TIMEOUT, "stream")
    assert len(record.events) == 1


def test_the_key_is_blanked_where_the_server_sends_it_back() -> None:
    words = f'{{"error": {{"message": "Incorrect API key: {KEY}"}}}}'.encode()
    answer = b"HTTP/1.1 401 X\r\nx-echo: k\r\ncontent-length: %d\r\n\r\n%b" % (len(words), words)
    with saying(answer) as base_url, watch() as seen:
        by_httpx(f"{base_url}/chat/completions")
    assert seen[0].error is not None
    assert seen[0].error.kind is ErrorKind.AUTH
    assert KEY not in seen[0].error.message
    assert seen[0].error.message == "Incorrect API key: ***"


@pytest.mark.parametrize("library", ["aiohttp", "httpx"])
def test_a_call_that_ends_after_the_block(tmp_path: Path, library: str) -> None:
    async def by_aiohttp(url: str) -> Seen:
        async with aiohttp.ClientSession() as session:
            with watch() as seen:
                answer = await session.post(url, data=BODY, headers=HEADERS)
            await answer.read()
        return seen

    async def by_httpx(url: str) -> Seen:
        async with httpx2.AsyncClient() as client:
            with watch() as seen:
                request = client.build_request("POST", url, content=BODY, headers=HEADERS)
                answer = await client.send(request, stream=True)
            await answer.aread()
        return seen

    before = vars(aiohttp.client_proto.ResponseHandler)["data_received"]
    ask = by_aiohttp if library == "aiohttp" else by_httpx
    with simulating(tmp_path, ttft="2ms", gap="5ms", tokens="4") as base_url:
        seen = asyncio.run(ask(f"{base_url}/chat/completions"))
    (record,) = seen
    assert (record.status, len(record.events)) == (Status.OK, 4)
    assert len(set(record.events.at_ns)) > 1
    assert vars(aiohttp.client_proto.ResponseHandler)["data_received"] is before


def test_two_watches_at_a_time(url: str) -> None:
    with watch() as outer:
        by_httpx(url)
        with watch() as inner:
            by_requests(url)
        by_httpx(url)
    assert (len(outer), len(inner)) == (3, 1)


def test_a_retry_of_the_sdk_is_an_attempt(url: str) -> None:
    with watch() as seen:
        for number in ("0", "2"):
            headers = {**HEADERS, "x-stainless-retry-count": number}
            httpx2.post(url, content=BODY, headers=headers)
        headers = {**HEADERS, "amz-sdk-request": "attempt=3; max=5"}
        httpx2.post(url, content=BODY, headers=headers)
    assert [record.attempt for record in seen] == [0, 2, 2]


@EACH
def test_what_fails_in_the_lens_harms_no_call(
    url: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(calls.Call, "take", broken)
    monkeypatch.setattr(calls.Call, "end", calls.harmless(broken))
    with watch() as seen:
        status, body = LIBRARIES[library](url)
    under_way.clear()
    assert status == 200
    assert body.endswith(b"data: [DONE]\n\n")
    assert list(seen) == []


def test_nothing_is_left_behind(url: str) -> None:
    def state() -> list[Any]:
        import http.client

        import aiohttp
        import urllib3.connection
        from httpcore2._backends.sync import SyncStream

        return [
            vars(httpx2.HTTPTransport)["handle_request"],
            vars(httpx2.AsyncHTTPTransport)["handle_async_request"],
            vars(SyncStream)["read"],
            vars(aiohttp.client_proto.ResponseHandler)["data_received"],
            vars(urllib3.connection.HTTPConnection)["request"],
            vars(http.client.HTTPResponse)["__init__"],
            list(sys.meta_path),
        ]

    before = state()
    with watch():
        assert state() != before
        by_httpx(url)
    assert state() == before


def test_a_trace_of_the_users_own_goes_on(url: str) -> None:
    told: list[str] = []

    def trace(name: str, _: Any) -> None:
        told.append(name)

    with watch() as seen, httpx2.Client() as client:
        request = client.build_request("POST", url, content=BODY, headers=HEADERS)
        request.extensions["trace"] = trace
        before = request.extensions
        client.send(request)
        assert request.extensions is before
    assert len(seen) == 1
    assert "http11.send_request_headers.started" in told
