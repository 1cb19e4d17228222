"""The JSON of what went through a proxy, as types: other programs depend on these names and this
nesting.

A figure without a sample is absent; a fixed field whose value is unknown is null.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from . import schema

EXPERIMENT = "proxy"
"""What a run's configuration calls it."""

Schema = Literal["latency-lens.proxy/1"]
SCHEMA: Schema = "latency-lens.proxy/1"


class Delay(Struct, kw_only=True, frozen=True):
    """How late the proxy handed something on, in milliseconds, to the next microsecond."""

    count: int
    p50: float
    p99: float
    max: float


class Added(Struct, kw_only=True, frozen=True):
    """What the proxy itself added: from the kernel's stamp of what came in to its being handed to
    the kernel on the other side.

    `request_ms` is of the last piece of each request that found a connection ready, `answer_ms` of
    each piece of an answer. `waited` pieces found a client that had not taken those before them:
    they are not in the figures.
    """

    request_ms: Delay | UnsetType = UNSET
    answer_ms: Delay | UnsetType = UNSET
    waited: int = 0


class Times(Struct, kw_only=True, frozen=True):
    """A figure of several calls or gaps, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class Route(Struct, kw_only=True, frozen=True):
    """The calls to one model. `attempts` beyond `calls` are retries of the client's own; tokens are
    those that the server counted; `cost` is in US dollars, of those calls whose cost is known."""

    provider: str
    model: str
    calls: int
    attempts: int
    ok: int
    failed: int
    cancelled: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    unpriced: int
    ttft_ms: Times | UnsetType = UNSET
    itl_ms: Times | UnsetType = UNSET
    e2e_ms: Times | UnsetType = UNSET
    errors: dict[str, int]


class Proxied(Struct, kw_only=True, frozen=True):
    """All calls that went through a proxy, by model; the most calls come first.

    `others` are requests that asked no model, `unkept` calls that were passed on and not measured.
    """

    schema: Schema = SCHEMA
    name: str
    upstream: str
    wall_s: float
    calls: int
    others: int
    unkept: int
    cost: Decimal | None
    unpriced: int
    clock_source: str
    added: Added
    routes: list[Route]


def encode(proxied: Proxied) -> bytes:
    """The JSON of what went through a proxy."""
    return schema.encode(proxied)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what `encode` writes."""
    return schema.schema_of(Proxied)
