"""Plain TCP: the marks, the kernel's stamps, and every way in which HTTP/1.1 frames an answer."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import (
    CHUNKED,
    LAST_CHUNK,
    OK,
    Peer,
    always,
    answers,
    ask,
    ask_once,
    check_shape,
    chunk,
    hold_up,
    plain,
    request,
    run,
    serve,
    transport,
    turns,
    until,
)

from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network

NETWORK = Network()
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernel stamps")


async def _answer(reply: bytes, *, cuts: tuple[int, ...] = (), fin: bool = False) -> Timeline:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send_cut(reply, cuts)
        if fin:
            peer.fin()
        await peer.gone()

    async with serve(script) as server:
        timeline = await ask_once(NETWORK, server.url)
    check_shape(timeline)
    return timeline


# -- what is sent -----------------------------------------------------------------------------


def test_the_request_holds_what_was_asked_and_nothing_but_the_framing_besides() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(plain(b"ok"))
        seen.append(await peer.request())
        await peer.send(plain(b"ok"))

    async def main() -> int:
        async with serve(script) as server, transport() as sender:
            blueprint = request(server.url + "?a=b", b'{"x":1}', [("authorization", "Bearer k")])
            await sender.send(blueprint, Timeline())
            await sender.send(blueprint, Timeline(id="run-7"))
            return server.port

    port = run(main())
    head = (
        f"POST /v1/chat?a=b HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer k\r\n"
        "accept-encoding: identity\r\n"
    ).encode()
    end = b'content-length: 7\r\n\r\n{"x":1}'
    assert seen == [head + end, head + b"x-client-request-id: run-7\r\n" + end]


def test_a_url_without_a_path_asks_for_the_root_and_no_user_gets_into_the_host() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(plain(b""))

    async def main() -> None:
        async with serve(script) as server, transport() as sender:
            await ask(sender, f"http://me:secret@127.0.0.1:{server.port}")

    run(main())
    assert seen[0].startswith(b"POST / HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"secret" not in seen[0]


# -- marks and stamps -------------------------------------------------------------------------


def test_marks_and_figures_of_a_streamed_answer() -> None:
    before_ns = time.monotonic_ns()

    async def main() -> Timeline:
        async def script(peer: Peer) -> None:
            await peer.request()
            for piece in (CHUNKED, chunk(b"one"), chunk(b"two"), LAST_CHUNK):
                await peer.send(piece)
                await turns()
            await peer.gone()

        async with serve(script) as server:
            timeline = await ask_once(NETWORK, server.url)
            assert timeline.connection.address == f"127.0.0.1:{server.port}"
        return timeline

    timeline = run(main())
    check_shape(timeline)
    assert timeline.status == 200
    assert list(timeline.reads()) == [(timeline.at[0], b"one"), (timeline.at[1], b"two")]
    assert timeline.first_byte_ns is not None
    assert timeline.start_ns is not None
    assert timeline.closed_ns is not None
    assert before_ns < timeline.start_ns < timeline.first_byte_ns < timeline.at[0] < timeline.at[1]
    assert timeline.at[1] < timeline.closed_ns <= time.monotonic_ns()
    assert dict(timeline.headers) == {
        "content-type": "text/event-stream",
        "transfer-encoding": "chunked",
    }
    connection = timeline.connection
    assert (connection.http_version, connection.reused) == ("1.1", False)
    assert connection.connect_ns is not None
    assert connection.connect_ns > 0
    assert (connection.dns_ns, connection.tls_ns, connection.tls_version) == (None, None, None)


@linux
def test_stamps_are_the_kernels_and_lie_between_the_send_and_the_read() -> None:
    peers: list[Peer] = []
    pieces = [f"piece {n};".encode() for n in range(20)]

    async def main() -> Timeline:
        async def script(peer: Peer) -> None:
            peers.append(peer)
            await peer.request()
            await peer.send_raw(CHUNKED)
            await until(lambda: timeline.status)
            for number, piece in enumerate(pieces):
                await peer.send(chunk(piece))
                hold_up(500_000)  # the reader is late by so much, and the stamp must not be
                await until(lambda n=number: len(timeline.at) > n)
            await peer.send_raw(LAST_CHUNK)

        timeline = Timeline()
        async with serve(script) as server, transport() as sender:
            await sender.send(request(server.url), timeline)
        return timeline

    timeline = run(main())
    check_shape(timeline)
    assert timeline.clock_source == "kernel"
    assert [data for _, data in timeline.reads()] == pieces
    ways = []
    for sent_unix_ns, at_ns, lag_ns in zip(
        peers[0].sent_at, timeline.at, timeline.lag, strict=True
    ):
        stamp_unix_ns = at_ns + timeline.offset_ns
        assert sent_unix_ns <= stamp_unix_ns <= stamp_unix_ns + lag_ns <= time.time_ns()
        ways.append(stamp_unix_ns - sent_unix_ns)
    # Half of them at least: a busy machine may stop the server between its clock and its send.
    assert sorted(ways)[len(ways) // 2] < 450_000
    assert sorted(timeline.lag)[len(ways) // 2] > 450_000
    assert abs(timeline.offset_end_ns - timeline.offset_ns) < 1_000_000


@linux
def test_a_busy_reader_merges_segments_under_the_stamp_of_the_last_and_says_how_late_it_was() -> (
    None
):
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await peer.request()
        await peer.send(plain(b"abcdef")[:-3])
        hold_up(1_000_000)
        await peer.send(b"def")
        hold_up(1_000_000)
        await peer.gone()

    async def main() -> Timeline:
        async with serve(script) as server:
            return await ask_once(NETWORK, server.url)

    timeline = run(main())
    check_shape(timeline)
    assert list(timeline.reads()) == [(timeline.at[0], b"abcdef")]
    assert timeline.at[0] + timeline.offset_ns >= peers[0].sent_at[1]
    assert timeline.lag[0] >= 900_000


@linux
def test_the_round_trip_time_is_known_on_tcp() -> None:
    timeline = run(_answer(plain(b"x")))
    assert timeline.connection.rtt_us is not None
    assert 0 < timeline.connection.rtt_us < 1_000_000


# -- every way to frame an answer -------------------------------------------------------------

BODY = bytes(range(256)) * 2


@pytest.mark.parametrize("way", ["whole", "byte by byte"])
@pytest.mark.parametrize(
    ("reply", "fin", "body", "status", "version"),
    [
        pytest.param(plain(b"hello"), False, b"hello", 200, "1.1", id="length"),
        pytest.param(plain(b""), False, b"", 200, "1.1", id="empty"),
        pytest.param(OK + b"\r\nhello", True, b"hello", 200, "1.1", id="until closed"),
        pytest.param(OK + b"\r\n", True, b"", 200, "1.1", id="empty until closed"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nold", True, b"old", 200, "1.0", id="HTTP 1.0"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", False, b"old", 200, "1.0", id="1.0"
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", 204, "1.1", id="204"),
        pytest.param(
            CHUNKED + chunk(b"a") + chunk(BODY) + LAST_CHUNK, False, b"a" + BODY, 200, "1.1", id="c"
        ),
        pytest.param(CHUNKED + LAST_CHUNK, False, b"", 200, "1.1", id="no chunk"),
        pytest.param(
            CHUNKED + b'3;a=b;c="d e"\r\nabc\r\n0;last\r\n\r\n', False, b"abc", 200, "1.1", id="ext"
        ),
        pytest.param(
            CHUNKED + chunk(b"abc") + b"0\r\nx-sum: 1\r\ncontent-encoding: gzip\r\n\r\n",
            False,
            b"abc",
            200,
            "1.1",
            id="trailers",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" + plain(b"hi"), False, b"hi", 200, "1.1", id="100"
        ),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
            + plain(b"hi"),
            False,
            b"hi",
            200,
            "1.1",
            id="103 and 102",
        ),
        pytest.param(
            plain(b'{"error":1}', status="429 Too Many Requests", headers="retry-after: 2\r\n"),
            False,
            b'{"error":1}',
            429,
            "1.1",
            id="429",
        ),
        pytest.param(
            OK + b"x-empty:\r\ncontent-length: 2\r\n\r\nok", False, b"ok", 200, "1.1", id="no value"
        ),
        pytest.param(
            OK + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
            False,
            b"ok",
            200,
            "1.1",
            id="identity",
        ),
    ],
)
def test_an_answer_is_taken_whole_however_it_is_framed(
    reply: bytes, *, fin: bool, body: bytes, status: int, version: str, way: str
) -> None:
    cuts = tuple(range(len(reply))) if way == "byte by byte" else ()
    timeline = run(_answer(reply, cuts=cuts, fin=fin))
    assert timeline.failure is None
    assert timeline.complete
    assert (bytes(timeline.body), timeline.status) == (body, status)
    assert timeline.connection.http_version == version


@settings(max_examples=60)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    chunked=st.booleans(),
    cuts=st.lists(st.integers(0, 300), max_size=12),
)
def test_cut_anywhere_the_body_is_the_same_and_each_read_ends_where_the_cut_was(
    pieces: list[bytes], chunked: bool, cuts: list[int]
) -> None:
    body = b"".join(pieces)
    reply = CHUNKED + b"".join(map(chunk, pieces)) + LAST_CHUNK if chunked else plain(body)
    timeline = run(_answer(reply, cuts=tuple(cut for cut in cuts if cut < len(reply))))
    assert timeline.complete
    assert bytes(timeline.body) == body
    assert set(timeline.ends) <= set(_body_ends(reply, chunked, cuts, body))


def _body_ends(reply: bytes, chunked: bool, cuts: list[int], body: bytes) -> list[int]:
    """How much of the body each cut of the answer lies behind."""
    if not chunked:
        head = len(reply) - len(body)
        return [max(0, cut - head) for cut in cuts] + [len(body)]
    return [_dechunked(reply[len(CHUNKED) : cut]) for cut in cuts] + [len(body)]


def _dechunked(wire: bytes) -> int:
    """Body bytes in a stretch of chunked framing, counted by hand."""
    total = 0
    while wire:
        size_text, _, wire = wire.partition(b"\r\n")
        size = int(size_text, 16) if size_text else 0
        total += min(size, len(wire))
        wire = wire[size + 2 :]
    return total


def test_an_interim_answer_is_not_the_first_byte() -> None:
    async def main() -> tuple[Timeline, int]:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await turns()
            await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHT")
            await turns()
            await peer.send(plain(b"x")[2:])
            sent.extend(peer.sent_at)
            await peer.gone()

        sent: list[int] = []
        async with serve(script) as server:
            timeline = await ask_once(NETWORK, server.url)
        return timeline, sent[1]

    timeline, sent_unix_ns = run(main())
    check_shape(timeline)
    assert timeline.first_byte_ns is not None
    assert timeline.first_byte_ns + timeline.offset_ns >= sent_unix_ns
    assert timeline.first_byte_ns < timeline.at[0]


def test_a_large_answer_takes_many_reads_and_loses_nothing() -> None:
    body = bytes(range(251)) * 8192
    timeline = run(_answer(plain(body)))
    assert bytes(timeline.body) == body
    assert len(timeline.at) >= len(body) // 65536


def test_a_large_prompt_to_a_slow_reader_is_sent_when_it_is_read() -> None:
    prompt = b"x" * (8 << 20)
    seen: list[int] = []

    async def main() -> Timeline:
        async def script(peer: Peer) -> None:
            await turns(50)
            assert timeline.sent_ns is None  # the socket is full, the rest waits
            seen.append(len(await peer.request()))
            await peer.send(plain(b"read"))
            await peer.gone()

        timeline = Timeline()
        async with serve(script, narrow=True) as server, transport() as sender:
            await sender.send(request(server.url, prompt), timeline)
        return timeline

    timeline = run(main())
    check_shape(timeline)
    assert seen[0] > len(prompt)
    assert timeline.start_ns is not None
    assert timeline.sent_ns is not None
    assert timeline.sent_ns - timeline.start_ns > 100_000
    assert bytes(timeline.body) == b"read"


def test_an_answer_to_a_prompt_that_was_not_read_is_taken_and_ends_the_reuse() -> None:
    async def main() -> tuple[Timeline, Timeline]:
        async def hasty(peer: Peer) -> None:
            if len(server.peers) == 1:
                await peer.read()
                await peer.send(plain(b"too large", status="413 Content Too Large"))
                await peer.gone()
            else:
                await always(plain(b"ok"))(peer)

        async with serve(hasty, narrow=True) as server, transport() as sender:
            refused = await ask(sender, server.url, b"x" * (8 << 20))
            following = await ask(sender, server.url)
            return refused, following

    refused, following = run(main())
    check_shape(refused)
    assert (refused.status, bytes(refused.body)) == (413, b"too large")
    assert refused.sent_ns is None
    assert bytes(following.body) == b"ok"
    assert not following.connection.reused


def test_an_answer_is_read_though_the_server_hung_up_on_the_prompt() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        await peer.send(plain(b"no such key", status="401 Unauthorized"))
        peer.close()  # with the prompt unread: the kernel answers the rest of it with RST

    async def main() -> Timeline:
        async with serve(script, narrow=True) as server:
            return await ask_once(NETWORK, server.url, b"x" * (8 << 20))

    timeline = run(main())
    check_shape(timeline)
    assert (timeline.status, bytes(timeline.body)) == (401, b"no such key")


def test_an_answer_may_come_in_two_kinds_of_framing_on_one_connection() -> None:
    async def main() -> list[Timeline]:
        replies = [plain(b"one"), CHUNKED + chunk(b"two") + LAST_CHUNK, plain(b""), plain(b"four")]
        async with serve(answers(*replies)) as server, transport() as sender:
            return [await ask(sender, server.url) for _ in replies]

    timelines = run(main())
    assert [bytes(timeline.body) for timeline in timelines] == [b"one", b"two", b"", b"four"]
    assert [timeline.connection.reused for timeline in timelines] == [False, True, True, True]
