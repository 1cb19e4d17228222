"""Which connection carries a request: a warm one, the last one, or one of its own."""

from __future__ import annotations

import asyncio

import pytest
from scripted import (
    OK,
    Peer,
    always,
    answers,
    ask,
    check_shape,
    open_descriptors,
    plain,
    request,
    run,
    serve,
    transport,
    turns,
)

from llm_latency_lens.errors import UsageError
from llm_latency_lens.timeline import Connection, ErrorKind, Stage, Timeline
from llm_latency_lens.transport import HttpTransport, Network


def _phases(connection: Connection) -> list[bool]:
    return [
        duration is not None
        for duration in (connection.dns_ns, connection.connect_ns, connection.tls_ns)
    ]


def test_the_second_request_goes_over_the_same_connection_and_has_no_phases() -> None:
    async def main() -> tuple[Timeline, Timeline, int]:
        async with serve(always(plain(b"ok"))) as server, transport() as sender:
            first, second = await ask(sender, server.url), await ask(sender, server.url)
            return first, second, len(server.peers)

    first, second, connections = run(main())
    assert connections == 1
    assert (first.connection.reused, second.connection.reused) == (False, True)
    assert _phases(first.connection) == [False, True, False]
    assert _phases(second.connection) == [False, False, False]
    assert second.connection.address == first.connection.address
    assert second.connection.http_version == "1.1"
    assert second.clock_source == first.clock_source


def test_warm_opens_so_many_and_their_first_requests_carry_the_phases() -> None:
    async def main() -> None:
        async with serve(always(plain(b"ok"))) as server, transport() as sender:
            assert await sender.warm(server.url, 3) is None
            await turns()
            assert len(server.peers) == 3
            timelines = [Timeline() for _ in range(4)]
            sends = (sender.send(request(server.url), timeline) for timeline in timelines)
            await asyncio.gather(*sends)
            assert len(server.peers) == 4
            for timeline in timelines:
                assert not timeline.connection.reused
                assert _phases(timeline.connection) == [False, True, False]
                assert timeline.connection.connect_ns is not None
                assert timeline.start_ns is not None
            again = await ask(sender, server.url)
            assert again.connection.reused

    run(main())


def test_a_server_of_a_single_thread_can_be_warmed_too() -> None:
    """It waits for the first connection's request before it looks at the second."""
    asked: list[Peer] = []

    async def script(peer: Peer) -> None:
        while await peer.request():
            asked.append(peer)
            await peer.send(plain(b"ok"))

    async def main() -> None:
        async with serve(script) as server, transport() as sender:
            await sender.warm(server.url, 3)
            for _ in range(2):
                await ask(sender, server.url)
            assert asked == [server.peers[0]] * 2

    run(main())


def test_warm_returns_the_first_failure_and_keeps_what_opened() -> None:
    async def main() -> None:
        async with serve(always(plain(b"ok"))) as server, transport() as sender:
            gone = f"http://127.0.0.1:{_free_port()}/"
            failure = await sender.warm(gone, 2)
            assert failure is not None
            assert (failure.kind, failure.stage) == (ErrorKind.NETWORK, Stage.CONNECT)
            assert await sender.warm(server.url, 2) is None
            await ask(sender, server.url)
            assert len(server.peers) == 2

    run(main())


def _free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def test_a_warming_that_is_cancelled_leaves_nothing_open_behind() -> None:
    async def main() -> None:
        async with serve(always(plain(b"ok"))) as server, transport() as sender:
            warming = asyncio.create_task(sender.warm(server.url, 40))
            await turns(3)
            warming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await warming

    before = open_descriptors()
    run(main())
    assert open_descriptors() == before


def test_cold_opens_one_for_each_request_and_closes_it() -> None:
    async def main() -> None:
        async with (
            serve(always(plain(b"ok"))) as server,
            transport(reuse=False) as sender,
        ):
            for count in (1, 2):
                timeline = await ask(sender, server.url)
                assert not timeline.connection.reused
                assert _phases(timeline.connection) == [False, True, False]
                assert len(server.peers) == count
                assert await server.peers[-1].read() == b""

    run(main())


@pytest.mark.parametrize("how", ["fin", "reset", "rubbish", "farewell answer"])
def test_a_connection_that_the_server_spoiled_while_idle_is_not_used_again(how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(plain(b"ok"))
        await turns()
        if how == "fin":
            peer.fin()
        elif how == "reset":
            peer.reset()
            return
        elif how == "rubbish":
            await peer.send(b"rubbish")
        else:
            await peer.send(plain(b"timed out", status="408 Request Timeout"))
        await peer.gone()

    async def main() -> None:
        async with serve(script) as server, transport() as sender:
            for _ in range(2):
                timeline = await ask(sender, server.url)
                check_shape(timeline)
                assert not timeline.connection.reused
                assert bytes(timeline.body) == b"ok"
                await turns(20)

    run(main())


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(plain(b"ok", headers="connection: close\r\n"), id="said so"),
        pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", id="HTTP 1.0"),
        pytest.param(plain(b"ok") + b"rubbish", id="rubbish behind it"),
        pytest.param(plain(b"ok") + plain(b"another"), id="a second answer"),
        pytest.param(plain(b"ok") + b"HTTP/1.1 2", id="half a second answer"),
    ],
)
def test_an_answer_that_ends_the_reuse_is_whole_itself(reply: bytes) -> None:
    async def main() -> None:
        async with serve(always(reply)) as server, transport() as sender:
            for count in (1, 2):
                timeline = await ask(sender, server.url)
                check_shape(timeline)
                assert timeline.complete
                assert (timeline.status, bytes(timeline.body)) == (200, b"ok")
                assert not timeline.connection.reused
                assert len(server.peers) == count

    run(main())


def test_an_empty_line_behind_an_answer_is_harmless() -> None:
    async def main() -> None:
        async with serve(always(plain(b"ok") + b"\r\n")) as server, transport() as sender:
            assert (await ask(sender, server.url)).complete
            assert (await ask(sender, server.url)).connection.reused

    run(main())


def test_hosts_do_not_share_connections() -> None:
    async def main() -> None:
        async with (
            serve(always(plain(b"one"))) as one,
            serve(always(plain(b"two"))) as two,
            transport() as sender,
        ):
            for server, body in ((one, b"one"), (two, b"two"), (one, b"one")):
                assert bytes((await ask(sender, server.url)).body) == body
            assert (len(one.peers), len(two.peers)) == (1, 1)

    run(main())


def test_a_failed_request_takes_its_connection_with_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 5\r\n\r\nab")
        peer.reset()

    async def main() -> None:
        async with serve(script) as server, transport() as sender:
            for _ in range(2):
                timeline = await ask(sender, server.url)
                assert timeline.failure is not None
                assert not timeline.connection.reused

    run(main())


def test_a_transport_works_again_after_it_was_closed() -> None:
    async def main() -> None:
        async with serve(always(plain(b"ok"))) as server:
            sender = HttpTransport(Network())
            assert (await ask(sender, server.url)).complete
            await sender.aclose()
            assert not (await ask(sender, server.url)).connection.reused
            await sender.aclose()
            await sender.aclose()

    run(main())


def test_many_loops_leave_no_descriptor_behind() -> None:
    async def main() -> None:
        async with serve(answers(plain(b"ok"))) as server, transport() as sender:
            assert (await ask(sender, server.url)).complete

    run(main())
    before = open_descriptors()
    for _ in range(10):
        run(main())
    assert open_descriptors() == before


@pytest.mark.parametrize(
    "url",
    ["ftp://host/", "host:80", "http://", "http://[::1", "http://host:99999/", "http://host:x/"],
)
def test_an_address_that_is_none_is_the_callers_mistake(url: str) -> None:
    async def main() -> None:
        async with transport() as sender:
            with pytest.raises(UsageError, match="base URL"):
                sender.check(url)
            with pytest.raises(UsageError, match="base URL"):
                await ask(sender, url)
            with pytest.raises(UsageError, match="base URL"):
                await sender.warm(url, 1)

    run(main())


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (("x-bad", "one\r\ninjected: two"), "'x-bad': a value cannot span lines"),
        (("x-bad", "one\ntwo"), "cannot span lines"),
        (("x-bad", "one\rtwo"), "cannot span lines"),
        (("x-bad\nname", "value"), "cannot span lines"),
        (("x-bad\rname", "value"), "cannot span lines"),
        (("x-title", "Ω"), "only Latin-1"),
    ],
)
def test_a_header_that_would_break_the_framing_is_the_callers_mistake(
    header: tuple[str, str], match: str
) -> None:
    async def main() -> None:
        async with serve(always(plain(b"ok"))) as server, transport() as sender:
            with pytest.raises(UsageError, match=match):
                await ask(sender, server.url, headers=[header])
            timeline = await ask(sender, server.url, headers=[("x-fine", "caf\xe9")])
            assert timeline.complete
            assert len(server.peers) == 1  # it had not been used: it can be

    run(main())
