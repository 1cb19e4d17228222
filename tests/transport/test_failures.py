"""What the network and the server do wrong is data: kind, stage and one plain line."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from scripted import (
    CHUNKED,
    LAST_CHUNK,
    OK,
    Peer,
    always,
    ask,
    ask_once,
    check_shape,
    chunk,
    open_descriptors,
    plain,
    request,
    run,
    serve,
    transport,
    turns,
    until,
)

from llm_latency_lens.clock import MS_NS
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network, Timeouts
from llm_latency_lens.transport.dial import describe

NETWORK = Network()


def _why(timeline: Timeline) -> tuple[str, str, str]:
    assert timeline.failure is not None
    assert not timeline.complete
    assert timeline.closed_ns is not None
    failure = timeline.failure
    return failure.kind, failure.stage, failure.message


async def _failing(reply: bytes, *, end: str = "stay", body: bytes = b"{}") -> Timeline:
    async def script(peer: Peer) -> None:
        await peer.request()
        if reply:
            await peer.send(reply)
            await turns()
        if end == "fin":
            peer.fin()
        elif end == "reset":
            peer.reset()
            return
        await peer.gone()

    async with serve(script) as server:
        timeline = await ask_once(NETWORK, server.url, body)
    check_shape(timeline)
    return timeline


# -- no connection ----------------------------------------------------------------------------


def test_a_port_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    timeline = run(ask_once(NETWORK, f"http://127.0.0.1:{port}/"))
    assert _why(timeline) == (
        "network",
        "connect",
        f"no connection to 127.0.0.1:{port}: connection refused (is the server running there?)",
    )
    assert (timeline.start_ns, timeline.clock_source) == (None, "user")


def test_a_name_that_nobody_knows() -> None:
    timeline = run(ask_once(NETWORK, "https://no-such-host.invalid/v1"))
    kind, stage, message = _why(timeline)
    assert (kind, stage) == ("network", "resolve")
    assert message.startswith("the name of no-such-host.invalid:443 is not known: ")


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".invalid", ".invalid"])
def test_a_name_that_cannot_be_one(host: str) -> None:
    timeline = run(ask_once(NETWORK, f"http://{host}/"))
    kind, stage, message = _why(timeline)
    assert (kind, stage) == ("network", "resolve")
    assert host in message


def test_a_name_with_several_addresses_falls_back_to_the_one_that_listens() -> None:
    async def main() -> Timeline:
        async with serve(always(plain(b"ok"))) as server:
            return await ask_once(NETWORK, f"http://localhost:{server.port}/")

    timeline = run(main())
    check_shape(timeline)
    assert timeline.complete
    assert timeline.connection.dns_ns is not None
    assert timeline.connection.dns_ns > 0
    assert timeline.connection.address is not None
    assert timeline.connection.address.startswith("127.0.0.1:")


def _resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name have these addresses, as a resolver's file would."""
    known = socket.getaddrinfo

    def look_up(_: str, port: int, **options: int) -> list[object]:
        return [found for address in addresses for found in known(address, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_the_next_address_is_tried_where_the_first_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> Timeline:
        async with serve(always(plain(b"ok"))) as server:
            _resolves_to(monkeypatch, "127.0.0.2", "::1", "127.0.0.1")
            return await ask_once(NETWORK, f"http://model.example:{server.port}/")

    timeline = run(main())
    check_shape(timeline)
    assert timeline.complete
    assert timeline.connection.address is not None
    assert timeline.connection.address.startswith("127.0.0.1:")


def test_the_next_address_is_tried_where_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        waiting.connect(full.getsockname())  # its queue is full: the kernel drops what follows
        port = full.getsockname()[1]

        async def main() -> Timeline:
            async with serve(always(plain(b"ok")), port=port):
                _resolves_to(monkeypatch, "127.0.0.2", "127.0.0.1")
                return await ask_once(NETWORK, f"http://model.example:{port}/")

        timeline = run(main())
    assert timeline.complete
    assert timeline.connection.address == f"127.0.0.1:{port}"
    assert timeline.connection.connect_ns is not None
    assert timeline.connection.connect_ns > 200_000_000  # the wait for the first is part of it


def test_where_every_address_refuses_the_reason_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _resolves_to(monkeypatch, "::1", "127.0.0.1")
    kind, stage, message = _why(run(ask_once(NETWORK, f"http://model.example:{port}/")))
    assert (kind, stage) == ("network", "connect")
    assert message == (
        f"no connection to model.example:{port}: connection refused (is the server running there?)"
    )


def test_an_address_of_version_6() -> None:
    async def main() -> Timeline:
        async with serve(always(plain(b"ok")), host="::1") as server:
            timeline = await ask_once(NETWORK, server.url)
            assert timeline.connection.address == f"[::1]:{server.port}"
        return timeline

    try:
        timeline = run(main())
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert timeline.complete


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(101, "Network is unreachable"), "network is unreachable"),
        (ConnectionResetError("closed in the handshake"), "closed in the handshake"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (BrokenPipeError(), "BrokenPipeError"),
        (OSError("AF_UNIX path too long"), "aF_UNIX path too long"),
    ],
)
def test_errors_of_the_system_in_plain_words(error: OSError, text: str) -> None:
    assert describe(error).lower() == text.lower()


# -- an answer that does not come whole -------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "end", "stage", "message"),
    [
        (b"", "fin", "wait", "lost before the answer began: closed by the server"),
        (b"", "reset", "wait", "lost before the answer began: connection reset by peer"),
        (b"HTTP/1.1 20", "fin", "wait", "before the answer began: closed by the server"),
        (OK + b"content-length: 9\r\n\r\n", "reset", "wait", "before the answer began"),
        (
            OK + b"content-length: 9\r\n\r\nabcd",
            "fin",
            "stream",
            "in the middle of the answer, after 4 bytes: closed by the server",
        ),
        (
            OK + b"content-length: 9\r\n\r\nabcd",
            "reset",
            "stream",
            "in the middle of the answer, after 4 bytes: connection reset by peer",
        ),
        (CHUNKED + chunk(b"abc"), "fin", "stream", "after 3 bytes: closed by the server"),
        (CHUNKED + b"9\r\nabc", "fin", "stream", "after 3 bytes: closed by the server"),
        (CHUNKED + chunk(b"abc") + b"0\r\n", "fin", "stream", "after 3 bytes: closed"),
        (CHUNKED + chunk(b"abc"), "reset", "stream", "after 3 bytes: connection reset"),
        (OK + b"\r\nabc", "reset", "stream", "after 3 bytes: connection reset by peer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "fin", "wait", "before the answer began: closed"),
    ],
)
def test_a_connection_that_breaks(reply: bytes, end: str, stage: str, message: str) -> None:
    timeline = run(_failing(reply, end=end))
    kind, where, text = _why(timeline)
    assert (kind, where) == ("network", stage)
    assert message in text


@pytest.mark.parametrize("end", ["fin", "reset"])
def test_a_server_that_hangs_up_while_a_prompt_is_sent(end: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        if end == "reset":
            peer.reset()
        # Closed with the rest unread: the kernel sends RST, as it does for a crashed server.

    async def main() -> Timeline:
        async with serve(script, narrow=True) as server:
            return await ask_once(NETWORK, server.url, b"x" * (8 << 20))

    timeline = run(main())
    check_shape(timeline)
    kind, stage, message = _why(timeline)
    assert (kind, stage) == ("network", "send")
    assert message.startswith("the connection was lost while the request was being sent: ")


@pytest.mark.parametrize(
    ("reply", "body", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"", "what came is not HTTP/1.1: "),
        (b"\x15\x03\x01\x00\x02\x02\x16", b"", "what came is not HTTP/1.1: "),
        (OK + b"content-length: nine\r\n\r\n", b"", "what came is not HTTP/1.1: "),
        (CHUNKED + b"xyz\r\n", b"", "what came is not HTTP/1.1: "),
        (CHUNKED + chunk(b"abc") + b"oops\r\n", b"abc", "what came is not HTTP/1.1: "),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            b"",
            "the server switched to another protocol (status 101)",
        ),
        (
            plain(b"\x1f\x8b", headers="content-encoding: gzip\r\n"),
            b"\x1f\x8b",
            "the answer is compressed (gzip) although only identity was asked for",
        ),
        (
            CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n"),
            b"",
            "the answer is compressed (br) although only identity was asked for",
        ),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(reply: bytes, body: bytes, message: str) -> None:
    timeline = run(_failing(reply))
    kind, _, text = _why(timeline)
    assert kind == "protocol"
    assert text.startswith(message)
    assert bytes(timeline.body) == body


def test_what_was_received_before_a_failure_is_kept_with_its_stamps() -> None:
    timeline = run(_failing(CHUNKED + chunk(b"one") + chunk(b"two"), end="reset"))
    assert bytes(timeline.body) == b"onetwo"
    assert timeline.status == 200
    assert timeline.headers[0] == ("content-type", "text/event-stream")
    assert timeline.first_byte_ns is not None


# -- a server that closed between two answers -------------------------------------------------


def test_a_request_that_cannot_have_reached_the_server_is_sent_again_on_a_new_connection() -> None:
    """Some servers close after an answer without saying so, while the next request is under way."""

    async def script(peer: Peer) -> None:
        assert await peer.request()
        await peer.send(plain(b"ok"))
        peer.close()

    async def main() -> tuple[Timeline, Timeline, int]:
        async with serve(script) as server, transport() as sender:
            first = await ask(sender, server.url)
            second = await ask(sender, server.url)  # at once: the FIN may not have been read
            return first, second, len(server.peers)

    for _ in range(20):
        first, second, connections = run(main())
        check_shape(first)
        check_shape(second)
        assert (first.complete, second.complete, connections) == (True, True, 2)
        assert not second.connection.reused
        assert second.connection.connect_ns is not None


def test_a_request_that_was_sent_again_says_so() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.request()
        await peer.send(plain(b"ok"))
        if await peer.request():
            peer.fin()
            await peer.gone()

    async def main() -> tuple[Timeline, Timeline, int]:
        async with serve(script) as server, transport() as sender:
            first = await ask(sender, server.url)
            return first, await ask(sender, server.url), len(server.peers)

    first, second, connections = run(main())
    assert (first.connection.resent, second.connection.resent, connections) == (False, True, 2)
    assert second.complete


def test_so_it_is_where_the_server_had_closed_only_half() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.request()
        await peer.send(plain(b"ok"))
        peer.fin()
        await peer.gone()

    async def main() -> tuple[Timeline, int]:
        async with serve(script) as server, transport() as sender:
            await ask(sender, server.url)
            return await ask(sender, server.url), len(server.peers)

    timeline, connections = run(main())
    check_shape(timeline)
    assert (timeline.complete, connections) == (True, 2)


def test_a_server_that_takes_its_time_before_it_hangs_up_has_failed_the_request(
    tmp_path: Path,
) -> None:
    """Unix sockets and a fake clock: there the two wait for each other, whatever the delay."""
    clock = FakeClock()
    path = str(tmp_path / "server.sock")

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(plain(b"ok"))
        await peer.request()
        await clock.sleep(25 * MS_NS)

    async def main() -> tuple[Timeline, int]:
        network = Network(unix_socket=path)
        async with (
            serve(script, unix=path) as server,
            transport(network, clock=clock) as sender,
        ):
            await ask(sender, "http://model/")
            return await ask(sender, "http://model/"), len(server.peers)

    timeline, connections = clock.run(main())
    check_shape(timeline)
    assert connections == 1
    assert _why(timeline)[:2] == ("network", "wait")


def test_a_request_that_the_server_took_in_is_not_sent_twice() -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            if len(requests) == 1:
                requests.append(2)
                peer.reset()
                return
            requests.append(1)
            await peer.send(plain(b"ok"))

    requests: list[int] = []

    async def main() -> Timeline:
        async with serve(script) as server, transport() as sender:
            await ask(sender, server.url)
            return await ask(sender, server.url)

    timeline = run(main())
    check_shape(timeline)
    kind, stage, _ = _why(timeline)
    assert (kind, stage, requests) == ("network", "wait", [1, 2])
    assert timeline.connection.reused


# -- cancelled --------------------------------------------------------------------------------


async def _cancelled(script_reply: bytes, body: bytes, condition: str) -> Timeline:
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        if condition == "send":
            reached.set()
            await asyncio.Event().wait()
        await peer.request()
        if script_reply:
            await peer.send(script_reply)
        reached.set()
        await peer.gone()

    timeline = Timeline()
    async with serve(script, narrow=True) as server, transport() as sender:
        task = asyncio.create_task(sender.send(request(server.url, body), timeline))
        await reached.wait()
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    return timeline


@pytest.mark.parametrize(
    ("reply", "size", "stage"),
    [
        (b"", 8 << 20, "send"),
        (b"", 10, "wait"),
        (CHUNKED, 10, "wait"),
        (CHUNKED + chunk(b"abc"), 10, "stream"),
    ],
)
def test_cancelled_on_a_connection(reply: bytes, size: int, stage: str) -> None:
    before = open_descriptors()
    timeline = run(_cancelled(reply, b"x" * size, stage))
    check_shape(timeline)
    assert _why(timeline) == ("cancelled", stage, "cancelled")
    assert open_descriptors() == before


@pytest.mark.parametrize("stage", ["resolve", "connect", "tls"])
def test_cancelled_on_the_way_to_a_connection(stage: str) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async def main() -> Timeline:
        async with serve(silent) as server, transport() as sender:
            url = {
                "resolve": f"http://localhost:{server.port}/",
                "connect": f"http://127.0.0.1:{server.port}/",
                "tls": f"https://127.0.0.1:{server.port}/",
            }[stage]
            timeline = Timeline()
            task = asyncio.create_task(sender.send(request(url), timeline))
            if stage == "tls":
                await until(lambda: server.peers)
                await turns()
            elif stage == "connect":
                await turns(2)
            else:
                await turns(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return timeline

    before = open_descriptors()
    timeline = run(main())
    assert _why(timeline) == ("cancelled", stage, "cancelled")
    assert timeline.start_ns is None
    assert open_descriptors() == before


def test_the_next_request_after_a_cancelled_one_takes_a_new_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"abc"))
        if len(server_peers) > 1:
            await peer.send(LAST_CHUNK)
        await peer.gone()

    server_peers: list[Peer] = []

    async def main() -> Timeline:
        async with serve(script) as server, transport() as sender:
            nonlocal server_peers
            server_peers = server.peers
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await ask(sender, server.url)
            return await ask(sender, server.url)

    timeline = run(main())
    assert timeline.complete
    assert not timeline.connection.reused


def test_a_limit_of_connecting_that_is_off() -> None:
    network = Network(timeouts=Timeouts(connect_s=None, idle_s=None, total_s=None))

    async def main() -> Timeline:
        async with serve(always(plain(b"ok"))) as server:
            return await ask_once(network, server.url)

    assert run(main()).complete
