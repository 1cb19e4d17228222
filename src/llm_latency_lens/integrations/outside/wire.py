"""A call as bytes on the socket between a measured program and `latency-lens run`.

stream  := "+" message*
message := length:u32 of about, length:u64 of all that follows it (little-endian)
           about: JSON, columns: read_ns, kernel_ns, ends as i64, body of the answer, of the request
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Callable
from typing import Any

from ..sdk.call import Call

HELLO = b"+"
"""Comes first on a connection."""

_HEAD = struct.Struct("<IQ")
_PLAIN = (
    "method",
    "url",
    "request_headers",
    "framed",
    "hint",
    "site",
    "start_ns",
    "sent_ns",
    "first_ns",
    "first_kernel_ns",
    "closed_ns",
    "dns_ns",
    "connect_ns",
    "tls_ns",
    "tls_version",
    "address",
    "rtt_us",
    "reused",
    "offset_ns",
    "offset_end_ns",
    "status",
    "headers",
    "http_version",
    "eof",
    "whole",
    "failure",
    "fault",
)

Receive = Callable[[int], bytes]
"""Exactly so many bytes; fewer only where there are no more."""


def dump(call: Call) -> bytes:
    """The message of a call."""
    return b"".join(parts_of(call))


def parts_of(call: Call) -> list[bytes | bytearray | memoryview]:
    """The same in parts, of which the large ones are the call's own: nothing is copied."""
    asked = call.asked
    if isinstance(asked, str):
        asked = asked.encode("utf-8", "replace")
    elif not isinstance(asked, bytes | bytearray | memoryview):
        asked = None
    about = {name: getattr(call, name) for name in _PLAIN}
    about["asked"] = asked is not None
    about["reads"] = len(call.ends)
    about["size"] = len(call.body)
    head = json.dumps(about).encode()
    columns = b"".join(column.tobytes() for column in (call.read_ns, call.kernel_ns, call.ends))
    size = len(columns) + len(call.body) + len(asked or b"")
    return [_HEAD.pack(len(head), size) + head + columns, call.body, asked or b""]


def load(receive: Receive) -> Call | None:
    """The next call; None at the end, also where a message is cut."""
    head = receive(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    about_size, rest_size = _HEAD.unpack(head)
    data = receive(about_size)
    rest = receive(rest_size)
    if len(rest) < rest_size:
        return None
    about: dict[str, Any] = json.loads(data)
    call = Call(
        about["method"],
        about["url"],
        [(name, value) for name, value in about["request_headers"]],
        None,
        framed=about["framed"],
    )
    for name in _PLAIN[3:]:
        setattr(call, name, about[name])
    call.headers = tuple((name, value) for name, value in about["headers"])
    call.site = tuple(about["site"]) if about["site"] else None
    call.failure = tuple(about["failure"]) if about["failure"] else None
    call.fault = tuple(about["fault"]) if about["fault"] else None
    size = 8 * about["reads"]
    call.read_ns = array("q", rest[:size])
    call.kernel_ns = array("q", rest[size : 2 * size])
    call.ends = array("Q", rest[2 * size : 3 * size])
    end = 3 * size + about["size"]
    call.body = bytearray(rest[3 * size : end])
    call.asked = rest[end:] if about["asked"] else None
    return call
