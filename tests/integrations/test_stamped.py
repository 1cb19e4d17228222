"""The kernel's stamps on sockets of others: armed, read, given back."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterator

import pytest

from llm_latency_lens.integrations.sdk import stamped

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's stamps")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    one.settimeout(10)
    with one, other:
        yield one, other
    stamped.let_go()


def _stamp(one: socket.socket, other: socket.socket) -> int:
    """The first stamp: the kernel begins some time after it was asked."""
    for _ in range(1000):
        other.send(b"x")
        one.recv(10)
        if stamp := stamped.stamp_of(one):
            return stamp
    raise AssertionError("no stamp came")


def test_a_read_has_its_stamp(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    stamped.hold()
    stamped.hold()
    assert stamped.arm(one) is one
    assert stamped.arm(one) is one
    before = time.time_ns()
    assert before <= _stamp(one, other) <= time.time_ns()
    assert stamped.stamp_of(one) == 0
    other.sendall(b"abcdef")
    buffer = bytearray(10)
    assert one.recv_into(buffer, 2) == 2
    assert stamped.stamp_of(one) > before
    assert one.recv_into(memoryview(buffer)[2:]) == 4
    assert bytes(buffer) == b"abcdef" + bytes(4)
    other.close()
    assert one.recv(10) == b""


def test_it_reads_and_fails_as_before(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    stamped.arm(one)
    one.settimeout(0.001)
    with pytest.raises(TimeoutError):
        one.recv(1)
    one.setblocking(False)
    with pytest.raises(BlockingIOError):
        one.recv_into(bytearray(1))
    other.send(b"xy")
    one.settimeout(10)
    assert one.recv(1, socket.MSG_PEEK) == b"x"
    assert one.recv(9) == b"xy"


def test_sockets_are_given_back(pair: tuple[socket.socket, socket.socket]) -> None:
    one, _ = pair
    stamped.arm(one)
    assert type(one) is not socket.socket
    stamped.let_go()
    assert type(one) is socket.socket
    assert one.getsockopt(socket.SOL_SOCKET, 35) == 0


def test_what_cannot_be_armed_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert stamped.arm(one) is None
        assert type(one) is socket.socket
    bare = socket.socket()
    bare.close()
    assert stamped.arm(bare) is None
    context = ssl.create_default_context()
    with context.wrap_socket(socket.socket(), server_hostname="x") as secure:
        assert stamped.arm(secure) is None
    assert stamped.arm(object()) is None
    assert stamped.arm(None) is None
