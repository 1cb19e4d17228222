"""What the addresses of the Gemini API and of Vertex AI have in common, and how a key is sent."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote

from ..request import Target
from .asking import address, bearer, key_header

_VERSIONED = re.compile(r"/v\d+[a-z0-9]*$")
_BEARERS = "ya29."
"""How Google's access tokens begin: `gcloud auth print-access-token` gives one."""


def url_of(base_url: str, path: str, version: str, *, sse: bool = False) -> str:
    """Where a request goes. A base that ends in a version of its own, `/v1` or `/v1beta`, keeps it.

    `sse` asks for server-sent events, unless the base has a query that asks for something else.
    """
    base, mark, query = base_url.partition("?")
    if _VERSIONED.search(base.rstrip("/")):
        version = ""
    url = address(base, path, version) + mark + query
    if sse and "alt" not in parse_qs(query):
        url += "&alt=sse" if mark else "?alt=sse"
    return url


def method_of(name: str, *, stream: bool) -> str:
    """`name` is a method, and "stream" before it is the one that streams."""
    return f":stream{name[0].upper()}{name[1:]}" if stream else f":{name}"


def quoted(name: str) -> str:
    """A name of a model or a project as it stands in a path."""
    return quote(name, safe="/@:")


def proof(target: Target) -> tuple[tuple[str, str], ...]:
    """Who asks: a key goes into a header of its own, an access token is a bearer's."""
    if target.api_key and target.api_key.reveal().startswith(_BEARERS):
        return bearer(target)
    return key_header("x-goog-api-key", target)
