"""Sends on time, without a server: what the kernel does not take, and the other timer."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from llm_latency_lens.testing import metronome
from llm_latency_lens.testing.metronome import Metronome, Stream
from llm_latency_lens.testing.script import Ending, Script

MS = 1_000_000


class Pipe(asyncio.Transport):
    """A transport over a socket pair that says how much it still holds."""

    def __init__(self, held: int = 0) -> None:
        super().__init__()
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.held = held
        self.written: list[bytes] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sslcontext": None}.get(name, default)

    def get_write_buffer_size(self) -> int:
        return self.held

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def stream(self, finished: Callable[[], None]) -> Stream:
        return Stream(self, self.near.fileno(), finished)

    def shut(self) -> None:
        self.near.close()
        self.far.close()


def script(*pieces: tuple[int, bytes], ending: Ending = Ending.KEEP) -> Script:
    made = Script(ending=ending)
    for at_ns, data in pieces:
        made.add(at_ns, data)
    return made


async def played(pipe: Pipe, made: Script) -> Stream:
    """Play a script to its end."""
    over = asyncio.Event()
    beat = Metronome(asyncio.get_running_loop())
    stream = pipe.stream(over.set)
    beat.play(stream, made, time.monotonic_ns())
    async with asyncio.timeout(10):
        await over.wait()
    beat.close()
    return stream


def test_bytes_go_straight_to_the_descriptor_when_due() -> None:
    pipe = Pipe()
    begun = time.monotonic_ns()
    stream = asyncio.run(played(pipe, script((2 * MS, b"one"), (40 * MS, b"two"))))
    assert time.monotonic_ns() - begun >= 40 * MS
    assert pipe.far.recv(100) == b"onetwo"
    assert pipe.written == []
    assert len(stream.stamps) == 2
    assert stream.stamps[1] - stream.stamps[0] >= MS
    assert stream.closed
    pipe.shut()


def test_what_the_kernel_does_not_take_goes_through_the_transport_in_order() -> None:
    pipe = Pipe()
    pipe.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    large = os.urandom(1 << 20)
    pipe.held = 1
    stream = asyncio.run(played(pipe, script((0, large), (0, b"after"))))
    taken = len(large) - len(pipe.written[0])
    assert taken > 0
    assert pipe.written == [large[taken:], b"after"]
    assert not stream.direct
    assert len(stream.stamps) == 2
    pipe.shut()


def test_a_descriptor_that_is_full_takes_nothing() -> None:
    pipe = Pipe(held=1)
    with suppress(BlockingIOError):
        while pipe.near.send(bytes(1 << 16)):
            pass
    asyncio.run(played(pipe, script((0, b"later"))))
    assert pipe.written == [b"later"]
    pipe.shut()


def test_it_goes_back_to_the_descriptor_once_the_transport_is_empty() -> None:
    pipe = Pipe()
    stream = pipe.stream(lambda: None)
    stream.direct = False
    over = asyncio.run(played(pipe, script((0, b"one"))))
    assert over.direct
    metronome._send(stream, b"two")
    assert stream.direct
    assert pipe.far.recv(100) == b"onetwo"
    pipe.shut()


def test_a_send_to_a_client_that_has_gone_leaves_no_stamp() -> None:
    pipe = Pipe()
    pipe.far.close()
    stream = asyncio.run(played(pipe, script((0, b"one"))))
    assert list(stream.stamps) == []
    pipe.shut()


def test_an_endless_script_pauses_while_the_client_does_not_read() -> None:
    async def test() -> None:
        beat = Metronome(asyncio.get_running_loop())
        full, sound = Pipe(held=1 << 21), Pipe()
        for pipe in (full, sound):
            made = script((0, b"x"), ending=Ending.REPEAT)
            made.repeat, made.repeat_ns = b"again", MS
            beat.play(pipe.stream(lambda: None), made, time.monotonic_ns())
        seen = b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while seen.count(b"again") < 3:
                seen += await loop.sock_recv(sound.far, 1000)
        beat.close()
        assert full.far.recv(1000) == b"x"
        full.shut()
        sound.shut()

    asyncio.run(test())


def test_more_than_a_batch_falls_due_at_once() -> None:
    async def test() -> None:
        beat = Metronome(asyncio.get_running_loop())
        over = asyncio.Event()
        left = set(range(200))
        pipe = Pipe()

        def finished(number: int) -> None:
            left.discard(number)
            if not left:
                over.set()

        base_ns = time.monotonic_ns()
        for number in range(200):
            stream = pipe.stream(partial(finished, number))
            beat.play(stream, script((0, b"x")), base_ns)
        async with asyncio.timeout(10):
            await over.wait()
        beat.close()
        assert pipe.far.recv(1000) == b"x" * 200
        pipe.shut()

    asyncio.run(test())


def test_a_closed_stream_sends_nothing_more() -> None:
    async def test() -> None:
        beat = Metronome(asyncio.get_running_loop())
        gone, stays = Pipe(), Pipe()
        over = asyncio.Event()
        stream = gone.stream(over.set)
        beat.play(stream, script((MS, b"x")), time.monotonic_ns())
        stream.closed = True
        beat.play(stays.stream(over.set), script((2 * MS, b"x")), time.monotonic_ns())
        async with asyncio.timeout(10):
            await over.wait()
        beat.close()
        with pytest.raises(BlockingIOError):
            gone.far.recv(10)
        gone.shut()
        stays.shut()

    asyncio.run(test())


def test_the_timer_of_the_loop_serves_where_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metronome, "_open_timer", metronome._LoopTimer)
    pipe = Pipe()
    stream = asyncio.run(played(pipe, script((2 * MS, b"one"), (40 * MS, b"two"))))
    assert pipe.far.recv(100) == b"onetwo"
    assert stream.stamps[1] - stream.stamps[0] >= MS
    pipe.shut()
