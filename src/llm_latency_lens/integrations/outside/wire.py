"""A call as bytes on the socket between a measured program and `latency-lens run`.

stream  := "+" message*
message := length:u32 of about, length:u64 of all columns and the body (little-endian)
           about: JSON, columns: read_ns, kernel_ns, ends as i64, body
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
    "connect_ns",
    "tls_ns",
    "tls_version",
    "reused",
    "offset_ns",
    "offset_end_ns",
    "status",
    "headers",
    "http_version",
    "eof",
    "whole",
    "failure",
)

Receive = Callable[[int], bytes]
"""Exactly so many bytes; fewer only where there are no more."""


def dump(call: Call) -> bytes:
    """The message of a call."""
    asked = call.asked
    if isinstance(asked, bytes | bytearray | memoryview):
        asked = bytes(asked).decode("utf-8", "replace")
    about = {name: getattr(call, name) for name in _PLAIN}
    about["asked"] = asked if isinstance(asked, str) else None
    about["reads"] = len(call.ends)
    head = json.dumps(about).encode()
    columns = b"".join(column.tobytes() for column in (call.read_ns, call.kernel_ns, call.ends))
    return _HEAD.pack(len(head), len(columns) + len(call.body)) + head + columns + call.body


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
        about["asked"],
        framed=about["framed"],
    )
    for name in _PLAIN[3:]:
        setattr(call, name, about[name])
    call.headers = tuple((name, value) for name, value in about["headers"])
    call.site = tuple(about["site"]) if about["site"] else None
    call.failure = tuple(about["failure"]) if about["failure"] else None
    size = 8 * about["reads"]
    call.read_ns = array("q", rest[:size])
    call.kernel_ns = array("q", rest[size : 2 * size])
    call.ends = array("Q", rest[2 * size : 3 * size])
    call.body = bytearray(rest[3 * size :])
    return call
