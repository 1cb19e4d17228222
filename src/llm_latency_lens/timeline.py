"""One request as it was captured: marks, and the body's bytes with the time of each read.

A timeline knows nothing of what the bytes mean. All marks are nanoseconds of CLOCK_MONOTONIC; a
mark that was not reached is None. The body is kept in one buffer with parallel arrays (stamp,
lateness, end offset), so that a read costs three appends and no object is left for the garbage
collector.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from .request import Operation


class Stage(StrEnum):
    """Where in a request something happened."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    WAIT = "wait"
    STREAM = "stream"
    DECODE = "decode"


class ErrorKind(StrEnum):
    """Why a request failed: one vocabulary for all providers and transports."""

    AUTH = "auth"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    SERVER = "server"
    BAD_REQUEST = "bad_request"
    CONTENT_FILTER = "content_filter"
    TIMEOUT = "timeout"
    NETWORK = "network"
    PROTOCOL = "protocol"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Failure:
    """What the transport or the engine saw go wrong, before anything was decoded."""

    kind: ErrorKind
    stage: Stage
    message: str


@dataclass(slots=True)
class Connection:
    """The connection under a request. Durations are None where the phase did not take place."""

    reused: bool = False
    dns_ns: int | None = None
    connect_ns: int | None = None
    tls_ns: int | None = None
    tls_version: str | None = None
    http_version: str | None = None
    rtt_us: int | None = None
    address: str | None = None
    tls_resumed: bool | None = None
    """Whether the handshake took up an earlier session; None without a handshake."""
    resent: bool = False
    """The request went first to a connection that the server had closed while it was idle."""


class Timeline:
    """The raw record of one request; append-only while the request runs."""

    __slots__ = (
        "arm",
        "at",
        "attempt",
        "body",
        "clock_source",
        "closed_ns",
        "complete",
        "connection",
        "ends",
        "failure",
        "first_byte_ns",
        "headers",
        "id",
        "index",
        "lag",
        "max_tokens",
        "model",
        "offset_end_ns",
        "offset_ns",
        "operation",
        "planned_ns",
        "provider",
        "sent_ns",
        "start_ns",
        "status",
        "stream",
        "tag",
        "warmup",
    )

    def __init__(
        self,
        *,
        index: int = 0,
        id: str = "",
        attempt: int = 0,
        provider: str = "openai",
        model: str = "",
        stream: bool = True,
        max_tokens: int | None = None,
        tag: str | None = None,
        warmup: bool = False,
        planned_ns: int | None = None,
        operation: str = Operation.CHAT,
        arm: str | None = None,
    ) -> None:
        self.index = index
        self.id = id
        self.attempt = attempt
        self.provider = provider
        self.model = model
        self.stream = stream
        self.max_tokens = max_tokens
        self.tag = tag
        self.warmup = warmup
        self.planned_ns = planned_ns
        self.operation = Operation(operation)
        self.arm = arm
        self.start_ns: int | None = None
        self.sent_ns: int | None = None
        self.first_byte_ns: int | None = None
        self.closed_ns: int | None = None
        """The read that ended the response body, or the moment of the failure."""
        self.offset_ns = 0
        """CLOCK_REALTIME minus CLOCK_MONOTONIC when the request began."""
        self.offset_end_ns = 0
        """The same when it ended: a difference is a step of the clock."""
        self.clock_source: Literal["kernel", "user"] = "user"
        self.connection = Connection()
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.complete = False
        """True when the HTTP framing said that the whole body had arrived."""
        self.failure: Failure | None = None
        self.at = array("q")
        """Stamp of each read that carried body bytes."""
        self.lag = array("q")
        """Lateness of each read: when the program took it, less its stamp."""
        self.ends = array("Q")
        """Length of the body after each read."""
        self.body = bytearray()

    def add(self, at_ns: int, data: bytes, lag_ns: int = 0) -> None:
        """Append one read. The transport inlines this; tests and replays call it."""
        self.body += data
        self.at.append(at_ns)
        self.lag.append(lag_ns)
        self.ends.append(len(self.body))

    def fail(self, kind: ErrorKind, stage: Stage, message: str) -> None:
        """Note a failure; the first one stands."""
        if self.failure is None:
            self.failure = Failure(kind, stage, message)

    def reads(self) -> Iterator[tuple[int, bytes]]:
        """(stamp, bytes) of each read, in order."""
        begin = 0
        for at_ns, end in zip(self.at, self.ends, strict=True):
            yield at_ns, bytes(self.body[begin:end])
            begin = end
