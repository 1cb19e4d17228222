"""Browsers that have shown the token once: a cookie stands for it from then on.

The cookie holds no token, but what only the token's owner can make of it, so that a new token ends
every session. Where a cookie alone proves who asks, a request that changes something must also come
from a page of this very service: another site can make a browser send it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..request import Secret

COOKIE = "latency_lens_session"
LASTS_S = 30 * 86_400
OPEN_PATHS = ("/login", "/static/")
"""What a browser needs before it has a session: asked of nobody who they are."""
_PURPOSE = b"latency-lens browser session 1"


def session_of(token: Secret) -> str:
    """What the cookie holds of one who knows the token."""
    return hmac.new(token.reveal().encode(), _PURPOSE, "sha256").hexdigest()


def is_session(token: Secret, cookie: str) -> bool:
    """Whether a cookie was made with this token; takes as long for every wrong one."""
    return hmac.compare_digest(session_of(token).encode(), cookie.encode())


def is_token(token: Secret, given: str) -> bool:
    """Whether somebody gave the token itself; takes as long for every wrong one."""
    return hmac.compare_digest(token.reveal().encode(), given.encode())


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a browser sent the request from a page of this service, by what it says itself and
    no page can change; a request that says neither is not believed. `headers` has small names."""
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return bool(origin) and urlsplit(origin).netloc == headers.get("host")
