"""The kernel's own account of a socket: receive stamps, round-trip time, what was acknowledged.

SO_TIMESTAMPNS makes `recvmsg` return, with the data, a `timespec` of CLOCK_REALTIME at which the
kernel took in the last segment that the read covers (socket(7); for TCP, net/ipv4/tcp.c,
`tcp_recvmsg`). TCP_INFO is linux/tcp.h's `struct tcp_info`.
"""

from __future__ import annotations

import socket
import struct
import sys

_SO_TIMESTAMPNS = 35
_RTT_OFFSET = 68
_BYTES_ACKED_OFFSET = 120
_BYTES_SENT_OFFSET = 200
_INFO_SIZE = 216
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
