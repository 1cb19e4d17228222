"""What stands before the pages and the interface: who asks, by which name, how much and how often.

Everything is refused before a body is read, and every answer carries the headers that keep a
browser from loading anything from elsewhere.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from ..clock import SECOND_NS, Clock
from .config import ServeConfig
from .sessions import COOKIE, OPEN_PATHS, is_own, is_session, is_token

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEALTH = ("/healthz", "/readyz")
"""Asked of nobody who they are, and as often as they like: to strangers they say nothing but yes
or no."""
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Of every answer that does not say otherwise itself."""
_TLS_HEADERS = {"strict-transport-security": "max-age=31536000"}
_SAFE = ("GET", "HEAD", "OPTIONS")
_MOST_ADDRESSES = 4096
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Refusal(NamedTuple):
    status: int
    why: str
    headers: tuple[tuple[str, str], ...] = ()


class _TooLongError(Exception):
    """A body goes on behind what is allowed."""


class Rates:
    """How often an address may ask: a bucket for each, of a minute's worth, filled evenly."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, address: str, per_minute: int) -> float:
        """0 where it may ask now, else in how many seconds."""
        now_ns = self._clock.monotonic_ns()
        left, since_ns = self._buckets.pop(address, (float(per_minute), now_ns))
        per_s = per_minute / 60
        left = min(float(per_minute), left + per_s * (now_ns - since_ns) / SECOND_NS)
        allowed = left >= 1.0
        self._buckets[address] = (left - allowed, now_ns)
        if len(self._buckets) > _MOST_ADDRESSES:  # the one that has not asked for longest
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / per_s


class Guard:
    """ASGI middleware. `serve` gives the settings as they are now."""

    def __init__(self, app: ASGIApp, serve: Callable[[], ServeConfig], clock: Clock) -> None:
        self._app = app
        self._serve = serve
        self._rates = Rates(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the monitor speaks HTTP, not {scope['type']}")
        serve = self._serve()
        answered = False

        async def guarded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message = {**message, "headers": _with_headers(message, serve)}
            await send(message)

        if refusal := self._refusal(scope, serve):
            await _refuse(refusal, guarded)
            return
        try:
            await self._app(scope, _limited(receive, serve.max_request_bytes), guarded)
        except _TooLongError:
            if not answered:
                await _refuse(_too_long(serve), guarded)

    def _refusal(self, scope: Scope, serve: ServeConfig) -> _Refusal | None:
        """Why a request is not answered; None where it is."""
        headers = _headers(scope)
        path: str = scope["path"]
        # What looks after containers asks for health by the address that it finds them at.
        free = path in HEALTH and not is_loopback(serve.host)
        if not (free or is_named(headers.get("host", ""), serve)):
            return _Refusal(421, "this service is not called so: add the name to `hosts`")
        if path in HEALTH:
            return None
        address = scope["client"][0] if scope.get("client") else ""
        if wait_s := self._rates.wait_s(address, serve.requests_per_minute):
            wait = str(math.ceil(wait_s))
            return _Refusal(429, "too many requests: slow down", (("retry-after", wait),))
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > serve.max_request_bytes:
            return _too_long(serve)
        return _unknown(scope, headers, serve)


def is_named(host: str, serve: ServeConfig) -> bool:
    """Whether a request means this service by the name that it calls it.

    A page of another site can lead a name of its own to this machine, and would then count as the
    same site in a browser: what listens on the machine itself only answers to the machine's names.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if serve.hosts:
        return name in (*_LOOPBACK, serve.host.lower(), *(one.lower() for one in serve.hosts))
    return not is_loopback(serve.host) or name in (*_LOOPBACK, serve.host.lower())


def is_loopback(host: str) -> bool:
    """Whether only this machine itself can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_known(scope: Scope, serve: ServeConfig) -> bool:
    """Whether whoever asks may read what is not for everybody."""
    return _unknown(scope, _headers(scope), serve) is None


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _unknown(scope: Scope, headers: Mapping[str, str], serve: ServeConfig) -> _Refusal | None:
    """Why whoever asks is not let in."""
    path, method = scope["path"], scope["method"]
    if path.startswith(OPEN_PATHS):
        return None
    token, changes = serve.token, method not in _SAFE
    if token is None:
        return _Refusal(403, "this needs a token: give the monitor one") if changes else None
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_token(token, given.strip()):
        return None
    cookie = _cookie(headers)
    if cookie and is_session(token, cookie):
        return None if not changes or is_own(headers) else _Refusal(403, "sent from another site")
    if method == "GET" and "text/html" in headers.get("accept", ""):
        there = f"/login?next={quote(path, safe='')}"
        return _Refusal(303, "log in first", (("location", there),))
    return _Refusal(401, "a token is needed", (("www-authenticate", "Bearer"),))


def _cookie(headers: Mapping[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _too_long(serve: ServeConfig) -> _Refusal:
    return _Refusal(413, f"a request may hold at most {serve.max_request_bytes} bytes")


def _limited(receive: Receive, most: int) -> Receive:
    """A body without a length is counted as it comes."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise _TooLongError
        return message

    return limited


def _with_headers(message: Message, serve: ServeConfig) -> list[tuple[bytes, bytes]]:
    given = list(message.get("headers", ()))
    names = {name.lower() for name, _ in given}
    ours = {**HEADERS, **(_TLS_HEADERS if serve.cert_file else {})}
    more = ((name.encode(), value.encode()) for name, value in ours.items())
    return [*given, *((name, value) for name, value in more if name not in names)]


async def _refuse(refusal: _Refusal, send: Send) -> None:
    body = json.dumps({"error": refusal.why}).encode() + b"\n"
    headers = (
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        *refusal.headers,
    )
    start = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": start})
    await send({"type": "http.response.body", "body": body})
