"""How connections are made and how long they may take."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds; None is no limit.

    `connect_s` covers resolving, connecting and TLS; `first_token_s` runs from start to the first
    content event (the engine watches it, since only a decoder knows content); `idle_s` is the
    longest silence once the response has begun; `total_s` runs from start to end.
    """

    connect_s: float | None = 10.0
    first_token_s: float | None = None
    idle_s: float | None = 120.0
    total_s: float | None = 600.0


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust, and the certificate to show. Paths are to PEM files.

    With `resume` a handshake takes up the newest session with the same server (RFC 8446, section
    2.2), as a client does that was there before; without it every handshake is a full one.
    """

    verify: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """Everything about the way to the server.

    `proxy` is a URL, "env" (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read) or None;
    `unix_socket` replaces host and port by a socket file; `max_body` bounds what one answer may
    hold, so that a server that never ends cannot fill the memory.
    """

    timeouts: Timeouts = field(default_factory=Timeouts)
    tls: Tls = field(default_factory=Tls)
    proxy: str | None = "env"
    unix_socket: str | None = None
    max_body: int = 64 * 1024 * 1024
