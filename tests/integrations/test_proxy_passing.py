"""What goes through the proxy, byte for byte, and what becomes of what goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy_world import (
    HEAD_END,
    Peer,
    answering,
    asking,
    chunked,
    looped,
    once,
    passing,
    serving,
    split,
    timeline_of,
    until,
)

from llm_latency_lens.integrations.proxy import client as client_module
from llm_latency_lens.integrations.proxy import exchange as exchange_module
from llm_latency_lens.integrations.proxy import gate as gate_module
from llm_latency_lens.integrations.proxy import upstream as upstream_module
from llm_latency_lens.integrations.proxy.outlet import Outlet
from llm_latency_lens.providers import decode
from llm_latency_lens.timeline import ErrorKind, Stage
from llm_latency_lens.transport import Network, Tls

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EVENTS = [
    b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % word
    for word in (b"one", b"two", b"three")
]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = chunked(b"data: [DONE]\n\n")
BODY = b'{"model": "m", "stream": true, "max_tokens": 9, "messages": []}'
GET = b"GET /v1/models HTTP/1.1\r\nHost: here\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def error_of(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(HEAD_END)[2])["error"]
    assert answer.endswith(b"}\n")
    return found


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=60) | st.just(b"\r\n\r\n"), max_size=5),
    st.lists(st.binary(min_size=1, max_size=60), max_size=5),
    st.sampled_from(["sized", "chunked", "closed"]),
    st.booleans(),
    st.lists(st.integers(0, 500), max_size=5),
    st.lists(st.integers(0, 500), max_size=5),
)
def test_bytes_go_through_unchanged(  # noqa: PLR0917  (hypothesis gives them by place)
    asked: list[bytes],
    answered: list[bytes],
    framing: str,
    asks_in_chunks: bool,
    cuts: list[int],
    answer_cuts: list[int],
) -> None:
    body = chunked(*asked, trailer=b"X-T: 1\r\n") if asks_in_chunks else b"".join(asked)
    length = b"content-length: %d" % len(body)
    lines = [b"Host: here", b"uSer-Agent:  x", b"Authorization: Bearer sk-secret", b"X-A: 1"]
    lines += [b"Transfer-Encoding: chunked" if asks_in_chunks else length, b"X-A: 2"]
    ask = b"\r\n".join([b"POST /v1/x?y=%20z HTTP/1.1", *lines]) + HEAD_END + body
    rest = chunked(*answered, trailer=b"X-E: 1\r\n") if framing == "chunked" else b"".join(answered)
    sized = b"CONTENT-Length: %d\r\n" % len(rest)
    says = {"chunked": b"Transfer-Encoding: chunked\r\n", "sized": sized, "closed": b""}[framing]
    head = b"HTTP/1.1 299 Quite  OK\r\nx-Y:z\r\n" + says
    closes = b"Connection: close\r\n" if framing == "closed" else b""

    async def check() -> None:
        heard: list[bytes] = []

        async def script(peer: Peer) -> None:
            heard.append(await peer.hear() + await peer.hear_exactly(len(body)))
            await peer.say(*split(head + b"\r\n" + rest, answer_cuts))
            if framing != "closed":
                await peer.hear_out()

        async with serving(script) as url, passing(url) as proxy, proxy.client() as client:
            await client.say(*split(ask, cuts))
            expected = head + closes + b"\r\n" + rest
            assert await client.hear_exactly(len(expected)) == expected
            if framing == "closed":
                assert await client.hear_out() == b""
            host = url.removeprefix("http://").encode()
            assert heard == [ask.replace(b"Host: here", b"Host: " + host)]
            assert proxy.desk.counts.others == 1

    asyncio.run(check())


@looped
async def test_a_call_is_understood() -> None:
    heard: list[bytes] = []
    pieces = [STREAM, *map(chunk, EVENTS), DONE]
    async with (
        serving(answering(*pieces, heard=heard)) as url,
        passing(f"{url}/base/") as proxy,
        proxy.client() as client,
    ):
        await client.say(asking(BODY, "/v1/chat/completions", "Authorization: Bearer sk-1234567"))
        await client.hear(DONE)
        call = await proxy.call()
    assert heard[0].startswith(b"POST /base/v1/chat/completions HTTP/1.1\r\n")
    assert call.asked == BODY
    timeline = timeline_of(call)
    record = decode(timeline)
    assert (timeline.model, timeline.stream, timeline.max_tokens) == ("m", True, 9)
    assert (record.status, "".join(record.events.text)) == ("ok", "onetwothree")
    assert timeline.clock_source == "kernel"
    assert timeline.connection.address == url.removeprefix("http://")
    assert timeline.start_ns is not None
    assert timeline.sent_ns is not None
    assert timeline.first_byte_ns is not None
    assert timeline.start_ns <= timeline.sent_ns <= timeline.first_byte_ns <= timeline.at[-1]
    assert min(timeline.lag) >= 0
    assert (proxy.desk.counts.ok, proxy.desk.counts.under_way) == (1, 0)
    assert proxy.desk.answers.count == len(call.ends)


@looped
async def test_connections_are_kept_and_used_again() -> None:
    """Three requests on one connection of the client, the last two at once."""
    heard: list[bytes] = []
    async with serving(answering(OK, heard=heard), answering(b"no")) as url, passing(url) as proxy:
        async with proxy.client() as client:
            await client.say(asking(b"{}"))
            await client.hear(b"ok")
            await client.say(asking(b"{1}", "/v1/a") + asking(b"{2}", "/v1/b"))
            assert await client.hear_exactly(2 * len(OK)) == 2 * OK
        async with proxy.client() as client:
            await client.say(b"\r\n" + GET)
            assert await client.hear_exactly(len(OK)) == OK
    assert [request.partition(HEAD_END)[2] for request in heard] == [b"{}", b"{1}", b"{2}", b""]
    assert proxy.desk.requests.count == 0  # no call found a connection ready


@looped
async def test_how_late_a_request_went_on_is_counted() -> None:
    async with serving(answering(OK)) as url, passing(url) as proxy, proxy.client() as client:
        for _ in range(3):
            await client.say(asking(BODY))
            await client.hear(b"ok")
    assert proxy.desk.requests.count == 2


@looped
async def test_a_client_of_an_old_protocol() -> None:
    heard: list[bytes] = []
    async with (
        serving(once(b"HTTP/1.0 200 OK\r\n\r\nold", heard=heard)) as url,
        passing(url) as proxy,
        proxy.client() as client,
    ):
        await client.say(b"GET /v1/models HTTP/1.0\r\n\r\n")
        assert await client.hear_out() == b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nold"
    assert heard[0].startswith(b"GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1:")


@looped
async def test_the_answer_to_head_has_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    async with serving(answering(head)) as url, passing(url) as proxy, proxy.client() as client:
        for _ in range(2):
            await client.say(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await client.hear() == head


@looped
async def test_a_client_that_waits_for_leave_to_send() -> None:
    async def script(peer: Peer) -> None:
        assert b"Expect: 100-continue\r\n" in await peer.hear()
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await peer.hear_exactly(len(BODY)) == BODY
        await peer.say(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK)

    async with serving(script) as url, passing(url) as proxy, proxy.client() as client:
        head, _, _ = asking(BODY, "/v1/responses", "Expect: 100-continue").partition(HEAD_END)
        await client.say(head + HEAD_END)
        assert await client.hear() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.say(BODY)
        assert await client.hear() == b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        assert await client.hear(b"ok") == OK
        call = await proxy.call()
    assert timeline_of(call).status == 200
    assert timeline_of(call).provider == "openai-responses"


@looped
async def test_a_websocket_is_a_tunnel() -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.hear()
        assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in asked
        await peer.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello")
        assert await peer.hear_exactly(4) == b"\x00\r\n\r"
        await peer.say(b"bye")

    async with serving(script) as url, passing(url) as proxy, proxy.client() as client:
        ask = b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket"
        await client.say(ask + HEAD_END)
        switched = await client.hear()
        assert switched.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in switched
        assert await client.hear(b"hello") == b"hello"
        await client.say(b"\x00\r\n\r")
        assert await client.hear_out() == b"bye"
    assert (proxy.desk.counts.others, proxy.called.empty()) == (1, True)


# -- what goes wrong --------------------------------------------------------------------------


@looped
async def test_nobody_is_there() -> None:
    async with serving(answering(OK)) as url:
        pass
    async with passing(url) as proxy, proxy.client() as client:
        await client.say(asking(BODY))
        answer = await client.hear_out()
        call = await proxy.call()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    error = error_of(answer)
    assert error["stage"] == "connect"
    assert error["message"].endswith("connection refused (is the server running there?)")
    record = decode(timeline_of(call))
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (ErrorKind.NETWORK, Stage.CONNECT)
    assert record.error.message == error["message"]
    assert proxy.desk.counts.errors == {"network": 1}


@pytest.mark.parametrize(
    ("said", "kind", "stage", "words"),
    [
        (b"", "network", "wait", "before the answer began: closed by the server"),
        (b"HTTP/1.1 20", "network", "wait", "before the answer began: closed by the server"),
        (b"HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\n", "protocol", "wait", "for which nobody asked"),
        (STREAM + b"zz\r\n", "protocol", "stream", "what came is not chunks of HTTP/1.1"),
        (b"SSH-2.0\r\n\r\n", "protocol", "wait", "what came is not HTTP/1.1: "),
        (
            b"HTTP/1.1 200 OK\r\nA: " + 70_000 * b"a",
            "protocol",
            "wait",
            "a head of more than 64 KiB",
        ),
    ],
)
@looped
async def test_no_answer(said: bytes, kind: str, stage: str, words: str) -> None:
    async with serving(once(said)) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(asking(BODY))
        error = error_of(await client.hear_out())
        record = decode(timeline_of(await proxy.call()))
    assert words in error["message"]
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (kind, stage)


@pytest.mark.parametrize("said", [[chunk(EVENTS[0])], [chunk(EVENTS[0]), b"zz\r\n"]])
@looped
async def test_an_answer_that_is_cut(said: list[bytes]) -> None:
    async with serving(once(STREAM, *said)) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(asking(BODY))
        assert await client.hear_out() == STREAM + said[0]
        record = decode(timeline_of(await proxy.call()))
    assert (record.status, len(record.events)) == ("failed", 1)
    assert record.error is not None
    assert (record.error.kind, record.error.stage) == (
        "protocol" if said[1:] else "network",
        "stream",
    )


@looped
async def test_a_cut_that_would_look_like_an_end() -> None:
    """Without a length only a reset tells the client."""

    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await peer.hear(b"go")
        peer.reset()

    async with serving(script) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(asking(b"go"))
        await client.hear(b"half")
        with pytest.raises(ConnectionResetError):
            await client.hear_out()
        call = await proxy.call()
    assert call.fault is not None
    assert call.fault[:2] == ("network", "stream")


@looped
async def test_a_client_that_leaves() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(STREAM, chunk(EVENTS[0]))
        with suppress(ConnectionError):
            await peer.hear_out()
        gone.set()

    async with serving(script) as url, passing(url) as proxy:
        async with proxy.client() as client:
            await client.say(asking(BODY))
            await client.hear(b"one")
        record = decode(timeline_of(await proxy.call()))
        await asyncio.wait_for(gone.wait(), 20)
    assert (record.status, len(record.events)) == ("cancelled", 1)
    assert proxy.desk.counts.cancelled == 1


@looped
async def test_a_client_that_leaves_before_there_is_a_connection() -> None:
    network = Network(unix_socket="/nonexistent/socket")
    async with passing("http://x", network=network) as proxy:
        async with proxy.client() as client:
            await client.say(asking(BODY))
            assert "no connection to" in error_of(await client.hear_out())["message"]
        assert (await proxy.call()).fault is not None
        opening = asyncio.Event()

        async def never() -> Any:
            opening.set()
            await asyncio.Event().wait()

        proxy.pool.open = never  # type: ignore[method-assign]
        async with proxy.client() as client:
            await client.say(asking(BODY))
            await opening.wait()
        call = await proxy.call()
    assert call.fault == ("cancelled", "connect", "the client closed the connection")


@looped
async def test_an_answer_before_the_request_has_come() -> None:
    """The client hears it although it still sends, and the connections are not used again."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(refusal)
        await peer.hear_out()

    async with serving(script, answering(OK)) as url, passing(url) as proxy:
        async with proxy.client() as client:
            ask = asking(BODY)
            await client.say(ask[:-5])
            answer = await client.hear(b"no")
            assert answer == refusal.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            await client.say(ask[-5:])
            assert await client.hear_out() == b""
        assert proxy.desk.counts.errors == {"413": 1}
        async with proxy.client() as client:
            await client.say(asking(BODY))
            assert await client.hear(b"ok") == OK


@looped
async def test_a_connection_that_the_server_had_closed() -> None:
    """It turns out when the request is sent: the request goes to another one."""
    heard: list[bytes] = []

    async def closing(peer: Peer) -> None:
        await peer.hear(BODY)
        await peer.say(OK)
        await peer.hear(BODY)

    async with serving(closing, answering(OK, heard=heard)) as url, passing(url) as proxy:
        async with proxy.client() as client:
            for _ in range(2):
                await client.say(asking(BODY))
                assert await client.hear(b"ok") == OK
        first, second = await proxy.call(), await proxy.call()
    assert [request.partition(HEAD_END)[2] for request in heard] == [BODY]
    assert (first.reused, second.reused) == (False, False)
    assert decode(timeline_of(second)).start_ns == second.start_ns


@looped
async def test_a_connection_is_not_used_again_where_it_cannot_be() -> None:
    """The server says so, sends more than was asked for, or closes it while it waits."""
    closed = asyncio.Event()

    async def surplus(peer: Peer) -> None:
        await peer.hear()
        await peer.say(OK + OK)
        await peer.hear_out()
        closed.set()

    async def uninvited(peer: Peer) -> None:
        await peer.hear()
        await peer.say(OK)
        await peer.say(b"more")
        await peer.hear_out()
        closed.set()

    says = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with (
        serving(answering(says), surplus, uninvited, answering(OK)) as url,
        passing(url) as proxy,
        proxy.client() as client,
    ):
        for _ in range(4):
            await client.say(GET)
            assert await client.hear(b"ok") == OK
        await asyncio.wait_for(closed.wait(), 20)
    assert proxy.desk.counts.others == 4


@looped
async def test_an_idle_connection_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "_IDLE_NS", -1)
    async with serving(once(OK), once(OK)) as url, passing(url) as proxy, proxy.client() as client:
        for _ in range(2):
            await client.say(GET)
            assert await client.hear(b"ok") == OK


@looped
async def test_a_slow_client_holds_up_the_server() -> None:
    """No more waits in the proxy than some reads brought, however much there is."""
    size = 24 << 20
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.hear()
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            peer.writer.write(bytes(1 << 16))
            await peer.writer.drain()
            sent += 1 << 16
        await peer.hear_out()

    async with serving(script) as url, passing(url) as proxy, proxy.client(limit=1 << 16) as client:
        await client.say(asking(b"go"))
        await client.hear()
        (through,) = proxy.gate._clients
        await until(lambda: through.out.full)
        assert sent < size
        assert len(through.out._rest) < 1 << 18
        rest = size
        while rest:
            rest -= len(await client.reader.read(1 << 20))
        await proxy.call()
    assert proxy.desk.counts.waited > 0


@looped
async def test_a_slow_server_holds_up_the_client() -> None:
    size = 24 << 20
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.hear()
        await go.wait()
        rest = size
        while rest:
            rest -= len(await peer.reader.read(1 << 20))
        await peer.say(OK)
        await peer.hear_out()

    async with serving(script) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(b"POST /v1/responses HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
        client.writer.write(bytes(size))
        await until(lambda: proxy.gate._clients)
        (through,) = proxy.gate._clients
        await until(lambda: not through._reading)
        go.set()
        assert await client.hear(b"ok") == OK
        call = await proxy.call()
    assert (len(call.asked), call.fault) == (size, None)
    assert call.start_ns < call.sent_ns


@looped
async def test_what_is_too_large_goes_on_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "MOST_KEPT", 1000)
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + 2000 * b"x"
    async with serving(answering(large)) as url, passing(url) as proxy, proxy.client() as client:
        for body in (b"small", 2000 * b"y"):
            await client.say(asking(body))
            assert await client.hear_exactly(len(large)) == large
    counts = proxy.desk.counts
    assert (counts.unkept, counts.others, proxy.called.empty()) == (2, 0, True)


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (b"GET / HTTP/1.1\r\nA B: c\r\n\r\n", 400, "the request is not HTTP/1.1"),
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", 400, "no proxy for CONNECT"),
        (b"GET /" + 70_000 * b"a", 431, "the head of the request passes 64 KiB"),
        (b"GET /" + 70_000 * b"a" + b" HTTP/1.1\r\n\r\n", 431, "passes 64 KiB"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            "the request is not chunks",
        ),
    ],
)
@looped
async def test_what_is_no_request(said: bytes, status: int, words: str) -> None:
    async with serving(answering(OK)) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(said)
        answer = await client.hear_out()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert words in error_of(answer)["message"]


@looped
async def test_a_request_that_breaks_off_in_its_middle() -> None:
    async with serving(answering(OK)) as url, passing(url) as proxy, proxy.client() as client:
        head = b"POST /v1/responses HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.say(head + b"2\r\nab\r\n")
        await until(lambda: proxy.pool._all)
        await client.say(b"zz\r\n")
        assert "not chunks" in error_of(await client.hear_out())["message"]
        assert (await proxy.call()).fault is not None


@looped
async def test_a_client_that_sends_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read any more until it has its answer."""
    monkeypatch.setattr(client_module, "_MOST_AHEAD", 100)
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        for _ in range(3):
            await peer.hear()
            await go.wait()
            await peer.say(OK)
        await peer.hear_out()

    async with serving(script) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(GET, GET + GET.replace(b"here", 100 * b"h"))
        await until(lambda: proxy.gate._clients)
        (through,) = proxy.gate._clients
        await until(lambda: not through._reading)
        go.set()
        assert await client.hear_exactly(3 * len(OK)) == 3 * OK


# -- the way to the server, and the end -------------------------------------------------------


@looped
async def test_by_way_of_another_proxy() -> None:
    heard: list[bytes] = []
    async with serving(answering(OK, heard=heard)) as url:
        network = Network(proxy=url.replace("//", "//me:pw@"))
        async with (
            passing("http://api.example/base", network=network) as proxy,
            proxy.client() as client,
        ):
            await client.say(GET)
            assert await client.hear(b"ok") == OK
    assert heard[0] == (
        b"GET http://api.example/base/v1/models HTTP/1.1\r\nHost: api.example\r\n"
        b"Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    )


@looped
async def test_a_socket_file(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(OK)(Peer(reader, writer))

    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(serve, path)
    async with passing("http://x", network=Network(unix_socket=path)) as proxy:
        async with proxy.client() as client:
            await client.say(asking(BODY))
            assert await client.hear(b"ok") == OK
        timeline = timeline_of(await proxy.call())
    server.close()
    assert (timeline.clock_source, timeline.connection.address) == ("user", f"unix:{path}")


@looped
async def test_the_gate_closes() -> None:
    """Who waits is sent away, who is under way has the answer."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.hear()
        await go.wait()
        await peer.say(OK)
        await peer.hear_out()

    async with serving(script) as url, passing(url) as proxy:
        async with proxy.client() as waiting, proxy.client() as busy:
            await busy.say(GET)
            await until(lambda: proxy.desk.counts.under_way and len(proxy.gate._clients) == 2)
            proxy.gate.close()
            proxy.gate.close()
            assert await waiting.hear_out() == b""
            go.set()
            says = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            assert await busy.hear_out() == says
        await asyncio.wait_for(proxy.gate.emptied(), 20)


@looped
async def test_no_descriptor_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate rests, and opens again."""
    monkeypatch.setattr(gate_module, "_REST_S", 0)
    async with serving(answering(OK)) as url, passing(url) as proxy:
        real, refused = proxy.gate._sock, []

        class Full:
            def accept(self) -> Any:
                if not refused:
                    refused.append(True)
                    raise OSError(24, "too many open files")
                return real.accept()

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        proxy.gate._sock = Full()  # type: ignore[assignment]
        async with proxy.client() as client:
            await client.say(GET)
            assert await client.hear(b"ok") == OK
    assert refused


@looped
async def test_a_client_that_is_torn_away() -> None:
    async with serving(answering(b"")) as url, passing(url) as proxy, proxy.client() as client:
        await client.say(asking(BODY))
        await until(lambda: proxy.desk.counts.under_way)
        client.reset()
        call = await proxy.call()
    assert call.fault is not None
    assert call.fault[0] == "cancelled"


@looped
async def test_what_waits_in_an_outlet() -> None:
    """In order, whatever the other side takes at a time; and thrown away once it has gone."""
    mine, other = socket.socketpair()
    with mine, other:
        mine.setblocking(False)
        other.setblocking(False)
        emptied, broken = asyncio.Event(), asyncio.Event()
        out = Outlet(mine, asyncio.get_running_loop())
        out.on_empty, out.on_broken = emptied.set, broken.set
        sent = bytes(range(256)) * 4096
        out.write(sent)
        assert out.full
        out.write(b"more")
        got = b""
        while len(got) < len(sent) + 4:
            with suppress(BlockingIOError):
                got += other.recv(1 << 20)
            await asyncio.sleep(0)
        assert got == sent + b"more"
        await asyncio.wait_for(emptied.wait(), 20)
        assert not out.full
        with suppress(BlockingIOError):
            while True:
                mine.send(sent)
        out.write(b"x")
        assert out.full
        other.close()
        await asyncio.wait_for(broken.wait(), 20)
        assert (out.broken, out.full) == (True, False)
        out.write(b"thrown away")
        assert not out.full


@looped
async def test_an_outlet_whose_other_side_has_gone() -> None:
    mine, other = socket.socketpair()
    other.close()
    with mine:
        broken = asyncio.Event()
        out = Outlet(mine, asyncio.get_running_loop())
        out.on_broken = broken.set
        out.write(b"x")
        assert out.broken
        await asyncio.wait_for(broken.wait(), 20)


@looped
async def test_rubbish_in_place_of_tls(tmp_path: Path) -> None:
    """A server that breaks TLS off in the middle of an answer."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    go = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Peer(reader, writer).hear()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await go.wait()
        sock = writer.get_extra_info("socket")
        os.write(sock.fileno(), b"\x17\x03\x03\x00\x04rubb")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    network = Network(tls=Tls(ca_file=str(ca)), proxy=None)
    async with passing(url, network=network) as proxy, proxy.client() as client:
        await client.say(asking(BODY))
        await client.hear(b"half")
        go.set()
        assert await client.hear_out() == b""
        call = await proxy.call()
    server.close()
    assert call.fault is not None
    assert call.fault[1] == "stream"
    assert "TLS: " in call.fault[2]
    assert call.tls_version == "TLSv1.3"
