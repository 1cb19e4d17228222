"""Keys that a server sends back must not reach the disk: they are blanked before anything is kept.

Some servers repeat the key in their error message, and cookies are keys of a kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..request import Secret
from ..timeline import Timeline

_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_DROPPED = {"set-cookie", "set-cookie2"}
_LEAST = 6
"""Shorter values are words that occur anyway."""


def find_secrets(api_key: Secret | None, headers: Iterable[tuple[str, str]]) -> tuple[bytes, ...]:
    """What must never be kept: the key, and the values of headers that carry one."""
    values = [api_key.reveal()] if api_key else []
    for name, value in headers:
        if _SECRET_HEADER.search(name):
            values += [value, value.rpartition(" ")[2]]
    found = {value.encode() for value in values if len(value) >= _LEAST}
    return tuple(sorted(found, key=len, reverse=True))


def scrub(timeline: Timeline, secrets: Sequence[bytes]) -> None:
    """Blank the secrets in all that a server sent."""
    scrub_body(timeline.body, secrets)
    timeline.headers = tuple(
        (name, _blank(value, secrets)) for name, value in timeline.headers if name not in _DROPPED
    )


def scrub_body(body: bytearray, secrets: Sequence[bytes]) -> None:
    """Blank the secrets in a body, which may still grow; its length stays."""
    for secret in secrets:
        at = body.find(secret)
        while at >= 0:
            body[at : at + len(secret)] = b"*" * len(secret)
            at = body.find(secret, at)


def _blank(value: str, secrets: Sequence[bytes]) -> str:
    for secret in secrets:
        value = value.replace(secret.decode(), "*" * 6)
    return value
