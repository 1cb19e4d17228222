"""Waking connections, through one epoll of our own and without."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from scripted import open_descriptors, run, turns

from llm_latency_lens.transport.poller import HAS_EPOLL, Poller

WAYS = [True, False] if HAS_EPOLL else [False]
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for pair in made:
        for sock in pair:
            sock.close()


@pytest.mark.parametrize("epoll", WAYS)
def test_a_reader_is_called_while_there_is_something_to_read(
    epoll: bool, pairs: list[Pair]
) -> None:
    (ours, theirs), _, _ = pairs
    heard: list[bytes] = []

    async def main() -> None:
        poller = Poller(asyncio.get_running_loop(), epoll=epoll)
        poller.add(ours.fileno(), lambda: heard.append(ours.recv(2)))
        await turns()
        assert heard == []
        theirs.send(b"abcd")
        await turns()
        poller.remove(ours.fileno())
        poller.remove(ours.fileno())
        theirs.send(b"ef")
        await turns()
        poller.add(ours.fileno(), lambda: heard.append(ours.recv(2)))
        await turns()
        poller.close()

    run(main())
    assert heard == [b"ab", b"cd", b"ef"]


@pytest.mark.parametrize("epoll", WAYS)
def test_a_reader_may_close_another_that_is_ready_too(epoll: bool, pairs: list[Pair]) -> None:
    heard: list[int] = []

    async def main() -> None:
        poller = Poller(asyncio.get_running_loop(), epoll=epoll)

        def read(number: int) -> None:
            heard.append(number)
            for ours, _ in pairs:
                poller.remove(ours.fileno())
                ours.close()

        for number, (ours, theirs) in enumerate(pairs):
            poller.add(ours.fileno(), lambda number=number: read(number))
            theirs.send(b"x")
        await turns()
        poller.close()

    run(main())
    assert len(heard) == 1


@pytest.mark.parametrize("epoll", WAYS)
def test_a_reader_may_close_the_poller(epoll: bool, pairs: list[Pair]) -> None:
    heard: list[int] = []

    async def main() -> None:
        poller = Poller(asyncio.get_running_loop(), epoll=epoll)

        def read(number: int) -> None:
            heard.append(number)
            poller.close()

        for number, (ours, theirs) in enumerate(pairs):
            poller.add(ours.fileno(), lambda number=number: read(number))
            theirs.send(b"x")
        await turns()

    run(main())
    assert len(heard) == 1


@pytest.mark.parametrize("epoll", WAYS)
def test_closing_gives_the_descriptor_back_and_can_be_repeated(
    epoll: bool, pairs: list[Pair]
) -> None:
    async def main() -> None:
        before = open_descriptors()
        poller = Poller(asyncio.get_running_loop(), epoll=epoll)
        for ours, _ in pairs:
            poller.add(ours.fileno(), lambda: None)
        poller.close()
        poller.close()
        assert open_descriptors() == before

    run(main())
