"""In the measured program: taps the stacks, and sends each call when it has ended."""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Callable

from ..sdk.begin import everything
from ..sdk.call import Call
from ..sdk.stacks import TAPS
from .wire import HELLO, dump


class _Line:
    """The way to `latency-lens run`: a connection of this process's own, made at the first call.

    A child that this process forks has the same object, and connects anew.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._process = 0
        self._sock: socket.socket | None = None

    def take(self, call: Call) -> None:
        if self._sock is None or self._process != os.getpid():
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sock.connect(self._address)
            self._sock.sendall(HELLO)
            self._process = os.getpid()
        self._sock.sendall(dump(call))

    def close(self) -> None:
        """Leave nothing open behind, of which a careful Python would complain."""
        if self._sock is not None:
            self._sock.close()


def begin(address: str) -> Callable[[], None]:
    """Measure from now on, until the program ends or what this gives is called."""
    line = _Line(address)
    everything.append(line.take)
    TAPS.acquire()

    def end() -> None:
        atexit.unregister(end)
        everything.remove(line.take)
        TAPS.release()
        line.close()

    atexit.register(end)
    return end
