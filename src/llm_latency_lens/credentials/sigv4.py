"""AWS's Signature Version 4: a request with what proves who sent it. Pure.

What is signed is what the transport sends: the host as it writes it, and all headers of the request
but those that go-betweens may change. What the transport adds of its own stays unsigned.
The steps are those of the IAM User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ..clock import SECOND_NS
from ..request import Request

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset(
    ("authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id")
)


class Keys(NamedTuple):
    """Whose request it is; temporary keys come with a token."""

    access_key: str
    secret_key: str
    token: str | None = None


def sign(request: Request, keys: Keys, region: str, service: str, at_ns: int) -> Request:
    """The request with its signature, which holds for 5 minutes around `at_ns` (Unix time)."""
    stamp = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    added = [("x-amz-date", stamp)]
    if keys.token:
        added.append(("x-amz-security-token", keys.token))
    headers = (*request.headers, *added)
    names, canonical = _canonical(request, headers)
    digest = sha256(canonical.encode()).hexdigest()
    signature = hmac.new(
        _key(keys.secret_key, scope), f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), sha256
    ).hexdigest()
    proof = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return replace(request, headers=(*headers, ("authorization", proof)))


def _key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return key


def _canonical(request: Request, headers: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """The names of the signed headers, and the request in the one way in which it is signed."""
    parts = urlsplit(request.url)
    signed: dict[str, list[str]] = {"host": [parts.netloc.rpartition("@")[2]]}
    for name, value in headers:
        if name.lower() not in _UNSIGNED:
            signed.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = ";".join(sorted(signed))
    lines = [f"{name}:{','.join(signed[name])}" for name in sorted(signed)]
    body = sha256(request.body).hexdigest()
    whole = (request.method, _path(parts.path), _query(parts.query), *lines, "", names, body)
    return names, "\n".join(whole)


def _path(path: str) -> str:
    """Without dots and double slashes, and encoded once more than it is sent."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    end = "/" if kept and path.endswith("/") else ""
    return quote("/" + "/".join(kept) + end, safe="/~")


def _query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)
