"""The kernel's own account of a socket: receive stamps, round-trip time, what was acknowledged.

SO_TIMESTAMPNS makes `recvmsg` return, with the data, a `timespec` of CLOCK_REALTIME at which the
kernel took in the last segment that the read covers (socket(7); for TCP, net/ipv4/tcp.c,
`tcp_recvmsg`). It stamps nothing while no socket on the machine asks for it, and begins some time
after the first one does (net/core/dev.c, `net_enable_timestamp`). TCP_INFO is linux/tcp.h's
`struct tcp_info`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

from ..clock import MS_NS, Clock

_SO_TIMESTAMPNS = 35
_RTT_OFFSET = 68
_BYTES_ACKED_OFFSET = 120
_BYTES_SENT_OFFSET = 200
_INFO_SIZE = 216
_PROBE_EVERY_NS = MS_NS // 4
_PROBE_FOR_NS = 500 * MS_NS
ANCILLARY_SIZE = 64

timespec = struct.Struct("@qq")


def enable_stamps(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what this socket receives; False where it cannot."""
    if not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


class StampSource:
    """Keeps the kernel stamping until `close()`, and knows whether it does.

    A datagram to itself shows when stamps come: what a connection receives before that has none.
    """

    def __init__(self) -> None:
        self.works: bool | None = None
        """None until it is known."""
        self._begun_ns: int | None = None
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._sock.bind(("127.0.0.1", 0))
            self._sock.connect(self._sock.getsockname())
            self._sock.setblocking(False)
        except OSError:  # no loopback interface: only the reads themselves can show it
            self.works = True
        if not enable_stamps(self._sock):
            self.works = False

    async def ready(self, clock: Clock) -> bool:
        """Whether the kernel stamps; waits until it has begun to, for at most half a second."""
        if self._begun_ns is None:
            self._begun_ns = clock.monotonic_ns()
        while self.works is None:
            if self._stamped():
                self.works = True
            elif clock.monotonic_ns() - self._begun_ns > _PROBE_FOR_NS:
                self.works = False
            else:
                await clock.sleep(_PROBE_EVERY_NS)
        return self.works

    def _stamped(self) -> bool:
        with contextlib.suppress(OSError):
            self._sock.send(b"?")
            return bool(self._sock.recvmsg(1, ANCILLARY_SIZE)[1])
        return False

    def close(self) -> None:
        self._sock.close()


def round_trip_us(sock: socket.socket) -> int | None:
    """The smoothed TCP round-trip time in microseconds; None where the kernel does not tell."""
    info = _tcp_info(sock)
    if len(info) < _RTT_OFFSET + 4:
        return None
    rtt: int = struct.unpack_from("@I", info, _RTT_OFFSET)[0]
    return rtt


def unacknowledged(sock: socket.socket) -> bool:
    """Whether the peer's kernel never took in all that was sent; False where that is unknown."""
    info = _tcp_info(sock)
    if len(info) < _INFO_SIZE:
        return False
    (acked,) = struct.unpack_from("@Q", info, _BYTES_ACKED_OFFSET)
    sent, again = struct.unpack_from("@QQ", info, _BYTES_SENT_OFFSET)
    # The acknowledged bytes include the one that stands for SYN (tcp_input.c, tcp_snd_una_update).
    return bool(acked - 1 < sent - again)


def _tcp_info(sock: socket.socket) -> bytes:
    """Empty where there is none; older kernels give less of it."""
    if not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return b""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    except OSError:
        return b""
