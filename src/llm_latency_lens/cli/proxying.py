"""The settings of `proxy`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..errors import UsageError
from .kinds import text
from .options import Keeping, Load, Screen, Target
from .options import Way as AnyWay
from .running import Paying, Written
from .settings import again, setting


@dataclass(frozen=True, slots=True)
class Passing:
    """From where to where."""

    upstream: str | None = setting(
        text("URL"), None, "The API to which requests are passed on.", argument="URL"
    )
    listen: str = setting(
        text("HOST:PORT"),
        "127.0.0.1:8800",
        "Where programs send their requests, or the port alone; port 0 takes a free one.",
        shown_default="127.0.0.1:8800",
    )
    provider: str | None = again(
        Target,
        "provider",
        shown_default="what the address says, else OpenAI's format",
    )
    duration: float | None = again(Load, "duration")
    grace: float = again(Load, "grace")

    @property
    def place(self) -> tuple[str, int]:
        """Host and port to listen at. Raises UsageError."""
        host, colon, port = self.listen.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
        if not port.isascii() or not port.isdecimal() or int(port) > 65535 or not host:
            raise UsageError(
                f"--listen must be HOST:PORT or PORT, such as 127.0.0.1:8800, not '{self.listen}'"
            )
        return host, int(port)


@dataclass(frozen=True, slots=True)
class Way:
    """The way to the API."""

    connect_timeout: float | None = again(AnyWay, "connect_timeout")
    ca_file: str | None = again(AnyWay, "ca_file")
    cert: str | None = again(AnyWay, "cert")
    key: str | None = again(AnyWay, "key")
    insecure: bool = again(AnyWay, "insecure")
    tls_resume: bool = again(AnyWay, "tls_resume")
    proxy: str = again(AnyWay, "proxy")
    no_proxy: bool = again(AnyWay, "no_proxy")
    unix_socket: str | None = again(AnyWay, "unix_socket")

    @property
    def whole(self) -> AnyWay:
        """The same, for what takes all settings of a way."""
        mine: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        return AnyWay(**mine)

    def __post_init__(self) -> None:
        _ = self.whole  # whose check is ours too


GROUPS: dict[str, tuple[type, ...]] = {
    "proxy": (Passing, Way, Keeping, Paying, Written, Screen),
}
