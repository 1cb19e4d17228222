"""The JSON of a cold-start experiment, as types: other programs depend on these names and on this
nesting.

A figure without a sample is absent; a fixed field whose value is unknown is null. Every field is
explained in the documentation's page on cold starts.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from . import schema
from .comparison import Difference
from .result import Cost, Instrument, Interval, Metrics, Requests, Run, Tokens, Validity

Schema = Literal["latency-lens.coldstart/1"]
SCHEMA: Schema = "latency-lens.coldstart/1"

WARM, COLD, RESUMED = "warm", "cold", "resumed"
UNIQUE, REPEATED, PRIME = "unique", "repeated", "prime"
"""Names of arms. `prime` is of requests that only warm up what idling has cooled down."""

_OptionalDifference = Difference | UnsetType


def idle_arm(idle_s: float) -> str:
    """The name of the arm that idles so long before each request; without idling it is `cold`."""
    return f"idle {idle_s:g}s" if idle_s else COLD


def arm_place(name: str) -> tuple[int, float]:
    """Sorts the names of arms as a reader expects them: kept and new connections, gaps by their
    length, prefixes."""
    kind, _, gap = name.partition(" ")
    order = (WARM, COLD, RESUMED, "idle", UNIQUE, REPEATED)
    if kind not in order:
        return len(order), 0.0
    return order.index(kind), float(gap.removesuffix("s") or 0.0)


def span(seconds: float) -> str:
    """`30 s`, `5 min`, `1.5 h`."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size and (seconds / size * 10).is_integer():
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


class Design(Struct, kw_only=True, frozen=True):
    """What was asked for. Intervals of the idle gaps hold for all of them at once (Bonferroni)."""

    repeat: int
    idle_s: list[float]
    prefix_words: int
    seed: int
    confidence: float


class Arm(Struct, kw_only=True, frozen=True):
    """The requests of one arm, summed up. `setup_ms` is the median of setting up a connection,
    null where all were kept; `hints_ms` are medians of what the server says of its own time."""

    name: str
    connection: Literal["kept", "new", "resumed"]
    idle_s: float
    prefix: Literal["none", "unique", "repeated"]
    requests: Requests
    metrics: Metrics
    tokens: Tokens
    setup_ms: float | None
    tls_resumed: int
    """Handshakes that took up an earlier session."""
    hints_ms: dict[str, float]
    validity: Validity


class Connecting(Struct, kw_only=True, frozen=True):
    """A cold connection against a warm one. `cost_ms` compares its set-up and TTFT with the TTFT
    on a warm one, `ttft_ms` the TTFT alone, `resumption_ms` a full set-up with a resumed one."""

    cost_ms: _OptionalDifference = UNSET
    ttft_ms: _OptionalDifference = UNSET
    resumption_ms: _OptionalDifference = UNSET


class Idling(Struct, kw_only=True, frozen=True):
    """The TTFT after idling so long against the TTFT without."""

    idle_s: float
    ttft_ms: _OptionalDifference = UNSET


class Caching(Struct, kw_only=True, frozen=True):
    """The TTFT of a prefix that was never sent against one that was.

    `unique_cached_tokens` and `repeated_cached_tokens` are what the provider itself says, on
    average; null where it does not.
    """

    unique_cached_tokens: float | None
    repeated_cached_tokens: float | None
    input_tokens: float | None
    ttft_ms: _OptionalDifference = UNSET


Source = Literal["connection", "model", "prompt_cache"]


class Part(Struct, kw_only=True, frozen=True):
    """One source of a cold start that is sure: its milliseconds and its share of all that are."""

    source: Source
    ms: float
    ci95: Interval
    share: float


class Coldstart(Struct, kw_only=True, frozen=True):
    """Where a cold start comes from, and how long idling may last before it comes back.

    `parts` are the sources whose interval leaves out 0, the largest first; the model's is that of
    the longest such gap. `longest_idle_without_s` and `first_idle_with_s` are gaps that were tried.
    """

    schema: Schema
    run: Run
    config: dict[str, Any]
    design: Design
    arms: list[Arm]
    connection: Connecting
    model: list[Idling]
    prompt_cache: Caching | UnsetType = UNSET
    parts: list[Part]
    total_ms: float | None
    longest_idle_without_s: float | None
    first_idle_with_s: float | None
    sentence: str
    cost: Cost
    instrument: Instrument


def encode(coldstart: Coldstart) -> bytes:
    """The result as one JSON document without line breaks."""
    return schema.encode(coldstart)


def decode(text: bytes | str) -> Coldstart:
    """Read a result back; raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(text, type=Coldstart)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a result."""
    return schema.schema_of(Coldstart)
