"""The kernel's own account of a socket: receive stamps and the round-trip time.

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
    if not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except OSError:
        return None
    if len(info) < _RTT_OFFSET + 4:
        return None
    rtt: int = struct.unpack_from("@I", info, _RTT_OFFSET)[0]
    return rtt
