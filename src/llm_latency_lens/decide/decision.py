"""The JSON of a decision, as types: other programs depend on these names and on this nesting.

A fixed field whose value is unknown is null. Every field is explained in the documentation's page
on decisions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from ..metrics import schema
from ..metrics.result import Interval
from .sensitivity import Sensitivity

Schema = Literal["latency-lens.decision/1"]
SCHEMA: Schema = "latency-lens.decision/1"
Answer = Literal["decided", "not enough data", "nobody"]


class Weighed(Struct, kw_only=True, frozen=True):
    """A criterion, and its share of all weights."""

    metric: str
    direction: Literal["high", "low"]
    weight: float


class Figure(Struct, kw_only=True, frozen=True):
    """A figure as measured, and the limits of 95 % of its resamples; all null where the candidate
    has none."""

    value: float | None
    ci95: Interval | None


class Option(Struct, kw_only=True, frozen=True):
    """One of those to choose from; `origin` says whom it stands for. `first_share` is the share of
    resamples in which it is first, `misses` the limits that it does not keep; one that is not
    eligible has neither rank nor scores. `dominated_by` is at least as good in every criterion, and
    better in one."""

    name: str
    origin: dict[str, str]
    requests: int
    failed: int
    eligible: bool
    rank: int | None
    topsis: float | None
    weighted_sum: float | None
    weighted_sum_rank: int | None
    first_share: float
    dominated_by: str | None
    misses: list[str]
    figures: dict[str, Figure]
    reason: str


class More(Struct, kw_only=True, frozen=True):
    """So many more requests of this candidate."""

    candidate: str
    requests: int


class Change(Struct, kw_only=True, frozen=True):
    """A figure of the choice that is present and of the one that is recommended. `difference` is
    the recommended less the present, `relative` its share of the present."""

    metric: str
    current: float
    recommended: float
    difference: float
    difference_ci95: Interval
    relative: float | None


class Spent(Struct, kw_only=True, frozen=True):
    """What measuring for this decision took; `stopped` says why it ended before an answer."""

    rounds: int
    requests: int
    cost: Decimal | None
    stopped: str | None


class Decision(Struct, kw_only=True, frozen=True):
    """Which candidate to take. `recommended` is first by the figures as measured, also where they
    do not decide; null where nobody keeps the limits. `more` would decide in four runs of five;
    it is null where nothing within reason would, and empty when nothing is needed."""

    schema: Schema = SCHEMA
    answer: Answer
    recommended: str | None
    sentence: str
    share: float
    confidence: float
    resamples: int
    seed: int
    profile: str | None
    requirements: list[str]
    criteria: list[Weighed]
    candidates: list[Option]
    more: list[More] | None
    sensitivity: Sensitivity | None
    current: str | None
    changes: list[Change]
    notes: list[str]
    runs: list[str]
    spent: Spent | None


def encode(decision: Decision) -> bytes:
    """The decision as one JSON document without line breaks."""
    return schema.encode(decision)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a decision."""
    return schema.schema_of(Decision)
