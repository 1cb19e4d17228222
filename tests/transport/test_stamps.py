"""The kernel's own account: whether it stamps, how long the way is, what the peer took in."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from scripted import (
    CHUNKED,
    LAST_CHUNK,
    Peer,
    always,
    ask,
    ask_once,
    check_shape,
    chunk,
    open_descriptors,
    plain,
    run,
    serve,
    transport,
    turns,
)

from llm_latency_lens.clock import MS_NS, SystemClock
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network
from llm_latency_lens.transport.stamps import (
    StampSource,
    enable_stamps,
    round_trip_us,
    unacknowledged,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's accounts")


def test_a_source_that_works_says_so_and_gives_its_descriptor_back() -> None:
    before = open_descriptors()
    source = StampSource()
    try:
        assert source.works is None
        assert run(source.ready(SystemClock()))
        assert source.works
    finally:
        source.close()
    assert open_descriptors() == before


def test_a_source_whose_stamps_never_come_gives_up_after_a_tenth_of_a_second() -> None:
    clock = FakeClock()
    source = StampSource()
    source.close()  # nothing can be received any more

    async def main() -> list[bool]:
        return list(await asyncio.gather(source.ready(clock), source.ready(clock)))

    assert clock.run(main()) == [False, False]
    assert 500 * MS_NS < clock.monotonic_ns() < 510 * MS_NS


def test_every_request_of_a_cold_run_is_stamped_from_its_first_byte() -> None:
    """The kernel stops stamping when the last socket that wants it closes, and begins late."""

    async def main() -> list[Timeline]:
        async with serve(always(plain(b"ok"))) as server, transport(reuse=False) as sender:
            return [await ask(sender, server.url) for _ in range(20)]

    for _ in range(10):
        assert {timeline.clock_source for timeline in run(main())} == {"kernel"}


def test_a_unix_socket_has_neither_stamps_nor_a_round_trip(tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")

    async def script(peer: Peer) -> None:
        for count in range(2):
            assert (await peer.request()).startswith(b"POST /v1 HTTP/1.1\r\nhost: model\r\n")
            for piece in (CHUNKED, chunk(b"one"), chunk(b"two"), LAST_CHUNK):
                await peer.send(piece)
                await turns(10 * (1 - count))
        await peer.gone()

    async def main() -> list[Timeline]:
        async with (
            serve(script, unix=path),
            transport(Network(unix_socket=path, proxy="http://127.0.0.1:1")) as sender,
        ):
            return [await ask(sender, "http://model/v1") for _ in range(2)]

    first, second = run(main())
    for timeline in (first, second):
        check_shape(timeline)
        assert bytes(timeline.body) == b"onetwo"
        assert timeline.clock_source == "user"
        assert set(timeline.lag) == {0}
        assert timeline.connection.rtt_us is None
        assert timeline.connection.address == f"unix:{path}"
    assert list(first.ends) == [3, 6]
    assert first.connection.dns_ns is None
    assert first.connection.connect_ns is not None
    assert second.connection.reused


def test_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "no.sock")
    timeline = run(ask_once(Network(unix_socket=path), "http://model/v1"))
    assert timeline.failure is not None
    assert (timeline.failure.kind, timeline.failure.stage) == ("network", "connect")
    assert timeline.failure.message == f"no connection to {path}: no such file or directory"


def test_a_socket_that_is_none_has_no_account() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        assert round_trip_us(datagram) is None
        assert not unacknowledged(datagram)
        assert enable_stamps(datagram)
    assert round_trip_us(datagram) is None
    assert not enable_stamps(datagram)


def test_what_the_peers_kernel_took_in_is_acknowledged_even_if_it_then_hangs_up() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        client.send(b"taken")
        assert peer.recv(10) == b"taken"
        assert not unacknowledged(client)
        peer.close()
        client.send(b"too late")
        assert unacknowledged(client)
