"""Which proxy stands between here and a server, and how to ask it for a tunnel."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import UsageError


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its header and never prints."""

    host: str
    port: int
    tls: bool
    authorization: str | None = field(default=None, repr=False)

    def connect_request(self, host: str, port: int) -> bytes:
        """Ask for a tunnel to host:port (RFC 9110, section 9.3.6)."""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
        if self.authorization:
            lines.append(f"proxy-authorization: {self.authorization}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def find_proxy(url: SplitResult, setting: str | None) -> Proxy | None:
    """The proxy for `url`: none, the one given, or what the environment says."""
    if setting is None:
        return None
    if setting != "env":
        return parse_proxy(setting)
    proxies = getproxies()
    if proxy_bypass(url.netloc.rpartition("@")[2]):
        return None
    found = proxies.get(url.scheme) or proxies.get("all")
    return parse_proxy(found) if found else None


def parse_proxy(text: str) -> Proxy:
    """Raises UsageError for what is not an HTTP proxy's URL; never repeats its password."""
    needed = "proxy: a URL such as http://proxy.example:3128 is needed"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise UsageError(f"{needed}; host and port of the one given cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{needed} (scheme {parts.scheme or 'missing'}, host {parts.hostname or 'missing'})"
        )
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    tls = parts.scheme == "https"
    return Proxy(parts.hostname, port or (443 if tls else 80), tls, authorization)
