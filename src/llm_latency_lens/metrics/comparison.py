"""The JSON of a comparison, as types: other programs depend on these names and on this nesting.

A figure without a sample is absent; a fixed field whose value is unknown is null. Every field is
explained in the documentation's page on comparisons.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from . import schema
from .result import (
    Cost,
    Instrument,
    Interval,
    Metrics,
    Requests,
    Run,
    Tokens,
    Validity,
    Where,
)

Method = Literal["none", "paired-bootstrap", "paired-bootstrap-autocorrelation"]
Schema = Literal["latency-lens.comparison/1"]
SCHEMA: Schema = "latency-lens.comparison/1"


class Design(Struct, kw_only=True, frozen=True):
    """How the candidates were asked: in blocks of one request each, every block in random order.

    Intervals hold for all `comparisons` of one figure at once: each is of a level of
    1 - (1 - `confidence`) / `comparisons` (Bonferroni).
    """

    requests: int
    warmup: int
    concurrency: int
    prompts: int
    seed: int
    confidence: float
    comparisons: int


class Characters(Struct, kw_only=True, frozen=True):
    """What was said, in characters; these do not depend on a tokenizer.

    `tokens_per_character` is of answers whose tokens were counted.
    """

    total: int
    tokens_per_character: float | None


class Candidate(Struct, kw_only=True, frozen=True):
    """One of those that were compared, summed up as a run of its own would be."""

    name: str
    provider: str
    model: str
    base_url: str
    requests: Requests
    error_rate: float | None
    metrics: Metrics
    where: Where | UnsetType = UNSET
    tokens: Tokens
    characters: Characters
    cost: Cost
    validity: Validity


class Difference(Struct, kw_only=True, frozen=True):
    """One figure of two candidates, over the blocks that both answered.

    `difference` is a - b, `ratio` a / b; their 95 % intervals are absent where there are too few
    pairs. `distinct` is null then, and else says whether the interval leaves out 0.
    """

    pairs: int
    a: float
    b: float
    difference: float
    ratio: float | None
    difference_ci95: Interval | UnsetType = UNSET
    ratio_ci95: Interval | UnsetType = UNSET
    ci_method: Method
    distinct: bool | None


_OptionalDifference = Difference | UnsetType


class Differences(Struct, kw_only=True, frozen=True):
    """Medians of figures with one value a request, the p99 of pooled gaps, the mean of costs."""

    ttft_ms_p50: _OptionalDifference = UNSET
    answer_ms_p50: _OptionalDifference = UNSET
    itl_ms_p99: _OptionalDifference = UNSET
    e2e_ms_p50: _OptionalDifference = UNSET
    output_tokens_per_second_p50: _OptionalDifference = UNSET
    characters_per_second_p50: _OptionalDifference = UNSET
    cost_usd_mean: _OptionalDifference = UNSET


class Pair(Struct, kw_only=True, frozen=True):
    """Two candidates, side by side; `sentence` says in words what can be told of them."""

    a: str
    b: str
    differences: Differences
    sentence: str


class Comparison(Struct, kw_only=True, frozen=True):
    """Several candidates, asked the same in the same hour. `notes` are what a reader should know
    before comparing a figure."""

    schema: Schema
    run: Run
    config: dict[str, Any]
    design: Design
    candidates: list[Candidate]
    pairs: list[Pair]
    notes: list[str]
    instrument: Instrument


def encode(comparison: Comparison) -> bytes:
    """The comparison as one JSON document without line breaks."""
    return schema.encode(comparison)


def decode(text: bytes | str) -> Comparison:
    """Read a comparison back; raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(text, type=Comparison)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a comparison."""
    return schema.schema_of(Comparison)
