"""The JSON of a program's calls, as types: other programs depend on these names and this nesting.

A figure without a sample is absent; a fixed field whose value is unknown is null.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from . import schema

EXPERIMENT = "program"
"""What a run's configuration calls it."""

Schema = Literal["latency-lens.program/1"]
SCHEMA: Schema = "latency-lens.program/1"


class Spread(Struct, kw_only=True, frozen=True):
    """A figure of several calls, in milliseconds."""

    count: int
    p50: float
    p95: float
    max: float


class Site(Struct, kw_only=True, frozen=True):
    """The calls that one line of the program made to one model.

    `site` is its file and line, null where no code of the program's own was at work. `attempts`
    beyond `calls` are retries of the SDK's own. `waited_s` is the time in which at least one of
    them was under way, and `share` its share of the program's time. `cost` is in US dollars, of
    those whose cost is known.
    """

    site: str | None
    provider: str
    model: str
    calls: int
    attempts: int
    ok: int
    failed: int
    cancelled: int
    waited_s: float
    share: float
    cost: Decimal | None
    unpriced: int
    ttft_ms: Spread | UnsetType = UNSET
    e2e_ms: Spread | UnsetType = UNSET
    errors: dict[str, int]


class Program(Struct, kw_only=True, frozen=True):
    """All calls of one run of a program, by where it made them; the longest wait comes first."""

    schema: Schema = SCHEMA
    name: str
    wall_s: float
    calls: int
    waited_s: float
    share: float
    cost: Decimal | None
    unpriced: int
    clock_source: str
    sites: list[Site]


def encode(program: Program) -> bytes:
    """The JSON of a program's calls."""
    return schema.encode(program)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what `encode` writes."""
    return schema.schema_of(Program)
