"""What every request has in common: the address, the headers, the merged body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .._version import __version__
from ..errors import UsageError
from ..request import Prompt, Request, Target


def address(base_url: str, path: str, version: str = "") -> str:
    """Where a request goes: the base, the API's version, the path.

    `version` ("/v1") is what the vendor's own package adds to the base; a base that ends in it
    already, as other programs write it, does not get it twice, nor does one that is the whole
    address get the path again. A query of the base stays at the end.
    """
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    if not base.endswith(version + path):
        base += path if base.endswith(version) else version + path
    return base + mark + query


def limit_of(target: Target, prompt: Prompt) -> int | None:
    """The most tokens that may come back: the prompt's own limit, else the target's."""
    return target.max_tokens if prompt.max_tokens is None else prompt.max_tokens


def bearer(target: Target) -> tuple[tuple[str, str], ...]:
    """The header that most providers want a key in; none without a key."""
    key = target.api_key
    return (("authorization", f"Bearer {key.reveal()}"),) if key else ()


def key_header(name: str, target: Target) -> tuple[tuple[str, str], ...]:
    """The key in a header of its own name; none without a key."""
    key = target.api_key
    return ((name, key.reveal()),) if key else ()


def ask(
    target: Target,
    prompt: Prompt,
    url: str,
    body: Mapping[str, Any],
    headers: Iterable[tuple[str, str]] = (),
    *,
    accept: str = "text/event-stream",
) -> Request:
    """The request of that body. `accept` is the type of a stream.

    `extra_body` is merged last: it overrides what is set here, and a null in it removes a field.
    Headers given by the user replace those of the same name. Raises UsageError where the body is
    not JSON.
    """
    merged = dict(body)
    for name, value in target.extra_body.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    try:
        encoded = msgspec.json.encode(merged)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the request body cannot be written as JSON: {error}") from None
    return Request(
        provider=target.provider,
        model=target.model,
        url=url,
        headers=_headers(target, headers, accept),
        body=encoded,
        stream=target.stream,
        max_tokens=limit_of(target, prompt),
        tag=prompt.tag,
        operation=target.operation,
    )


def _headers(
    target: Target, more: Iterable[tuple[str, str]], accept: str
) -> tuple[tuple[str, str], ...]:
    headers = {
        "content-type": "application/json",
        "accept": accept if target.stream else "application/json",
        "user-agent": f"llm-latency-lens/{__version__}",
        **dict(more),
    }
    for name, _ in target.headers:
        headers.pop(name.lower(), None)
    return (*headers.items(), *target.headers)
