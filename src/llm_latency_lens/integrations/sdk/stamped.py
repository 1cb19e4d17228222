"""The kernel's receive stamps on sockets that belong to others.

Python's sockets read with `recv`, which drops the stamps that `recvmsg` hands out. A socket that
is armed here reads with `recvmsg` instead: the same bytes, the same exceptions, and the stamp of
the last segment beside them. That reaches whatever reads in Python, asyncio's event loop beneath
its TLS included. It does not reach `ssl.SSLSocket` (OpenSSL reads the descriptor itself), uvloop
and trio's own sockets: there a stamp is the program's, taken right after the read.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from typing import Any
from weakref import WeakSet

from .call import now

_SO_TIMESTAMPNS = 35
_ANCILLARY = 64
_REAL_NS = struct.Struct("@qq")
_SECOND_NS = 1_000_000_000

_last: dict[int, int] = {}
"""By the id of an armed socket: the stamp of its last read that nobody asked for yet."""
_sends: dict[int, tuple[int, int]] = {}
"""The same: when the first send since `listen` began, and when the last one had ended."""


def _keep(sock: socket.socket, ancillary: list[Any]) -> None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _REAL_NS.size:
            seconds, rest = _REAL_NS.unpack_from(data)
            _last[id(sock)] = seconds * _SECOND_NS + rest


def _sent(sock: socket.socket, began: int) -> None:
    if (known := _sends.get(id(sock))) is not None:
        _sends[id(sock)] = (known[0] or began, now())


class _Stamped(socket.socket):
    """A socket that keeps the stamp of its last read, and when it was written to."""

    __slots__ = ()

    def send(self, data: Any, flags: int = 0, /) -> int:
        began = now()
        size = super().send(data, flags)
        _sent(self, began)
        return size

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        began = now()
        super().sendall(data, flags)
        _sent(self, began)

    def sendmsg(self, *args: Any) -> int:
        began = now()
        size = super().sendmsg(*args)
        _sent(self, began)
        return size

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        data, ancillary, _, _ = self.recvmsg(bufsize, _ANCILLARY, flags)
        if ancillary:
            _keep(self, ancillary)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        part = memoryview(buffer).cast("B")
        if nbytes:
            part = part[:nbytes]
        size, ancillary, _, _ = self.recvmsg_into([part], _ANCILLARY, flags)
        if ancillary:
            _keep(self, ancillary)
        return size


_armed: WeakSet[socket.socket] = WeakSet()
_lock = threading.Lock()
_holder: list[socket.socket] = []
"""A socket that wants stamps, so that the kernel goes on making them between two calls."""


def arm(sock: Any) -> Any:
    """Have this socket keep its stamps; gives the socket, or None where it cannot.

    asyncio hands out its sockets in a wrapper: what is armed is the one in it.
    """
    sock = getattr(sock, "_sock", sock)
    if type(sock) is _Stamped:
        return sock
    if type(sock) is not socket.socket or not sys.platform.startswith("linux"):
        return None
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.__class__ = _Stamped
    except (OSError, TypeError):
        return None
    _last.pop(id(sock), None)
    _sends.pop(id(sock), None)
    with _lock:
        _armed.add(sock)
    return sock


def stamp_of(sock: Any) -> int:
    """The kernel's stamp of the read that was just made, in real time; 0 where there is none."""
    return _last.pop(id(sock), 0)


def listen(sock: Any) -> None:
    """A request is about to be sent on this socket, which may be none."""
    if type(sock) is _Stamped:
        _sends[id(sock)] = (0, 0)


def sends_of(sock: Any) -> tuple[int, int]:
    """When the request was handed to the kernel: its first byte, its last; 0 where unknown."""
    return _sends.pop(id(sock), (0, 0))


def hold() -> None:
    """Have the kernel make stamps: it begins some time after the first socket wants them."""
    if not _holder and sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            _holder.append(sock)


def let_go() -> None:
    """Give every socket back as it was."""
    with _lock:
        armed = list(_armed)
        _armed.clear()
    for sock in armed:
        with contextlib.suppress(OSError, TypeError):
            if type(sock) is _Stamped:
                sock.__class__ = socket.socket  # type: ignore[assignment]
            if sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 0)
    _last.clear()
    _sends.clear()
    while _holder:
        _holder.pop().close()
