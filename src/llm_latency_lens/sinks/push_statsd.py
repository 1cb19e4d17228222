"""StatsD over UDP: nobody answers, so what is sent is not what has come."""

from __future__ import annotations

import socket

from ..errors import RunError, SinkError
from ..record import Record
from .opening import Opening
from .statsd import Lines, datagrams, dogstatsd_lines, statsd_lines


class StatsdSink:
    batch = 16
    rest_s = 0.002
    """A receiver's buffer is small, and what does not fit is lost without a word."""
    whole = False

    def __init__(self, host: str, port: int, lines: Lines) -> None:
        self._lines = lines
        self._held: list[bytes] = []
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.connect(address)
        except OSError as error:
            raise RunError(f"cannot send to {host}:{port}: {error.strerror}") from None

    def take(self, record: Record) -> None:
        self._held += datagrams(self._lines(record))

    def push(self) -> None:
        try:
            while self._held:
                self._socket.send(self._held[0])
                del self._held[0]
        except OSError as error:
            raise SinkError(error.strerror or str(error), later=True) from None

    def drop(self) -> None:
        self._held.clear()

    def close(self) -> None:
        self._socket.close()


def sink(opening: Opening) -> StatsdSink:
    address = opening.address
    lines = dogstatsd_lines if address.way == "dogstatsd" else statsd_lines
    return StatsdSink(address.host, address.port, lines)
