"""The JSON of an analysis, as types: other programs depend on these names and on this nesting.

Every field is explained in the documentation's page on analyses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from . import schema

Schema = Literal["latency-lens.analysis/1"]
SCHEMA: Schema = "latency-lens.analysis/1"
By = Literal["model", "provider", "region", "scenario", "source", "none"]
Answer = Literal["yes", "no", "unknown"]


class Point(Struct, kw_only=True, frozen=True):
    """One run: the metric over its requests, of which there were `requests`."""

    run_id: str
    at: datetime
    value: float
    requests: int


class Trend(Struct, kw_only=True, frozen=True):
    """Whether the metric rises or falls over all runs.

    `per_day` is the slope in the metric's unit, `ci95` its interval; both are null, and `found` is
    "unknown", where there are too few runs. `p` is of a test for any trend, `tau` the rank
    correlation with time.
    """

    found: Answer
    per_day: float | None = None
    ci95: tuple[float, float] | None = None
    tau: float | None = None
    p: float | None = None


class Change(Struct, kw_only=True, frozen=True):
    """A moment at which the metric changed: after the run `last_before`, before `first_after`.

    `before` and `after` are medians of the runs from the change before and to the one after;
    `ratio` is null where `before` is 0.
    """

    last_before: str
    first_after: str
    at: datetime
    before: float
    after: float
    ratio: float | None
    worse: bool
    p: float


class Hour(Struct, kw_only=True, frozen=True):
    """The runs that started in one hour of the day (UTC); `value` is their median."""

    hour: int
    runs: int
    value: float


class Hours(Struct, kw_only=True, frozen=True):
    """Whether the metric depends on the hour of the day; only hours with three runs are compared,
    and with fewer than two such hours `differ` is "unknown"."""

    differ: Answer
    p: float | None
    hours: list[Hour]


class Series(Struct, kw_only=True, frozen=True):
    """The runs of one group, oldest first. `value` is the metric over all their requests; null
    where it cannot be pooled. `changed` is "unknown" where there are too few runs."""

    group: str | None
    runs: int
    requests: int
    value: float | None
    trend: Trend
    changed: Answer
    changes: list[Change]
    hours: Hours
    points: list[Point]


class Analysis(Struct, kw_only=True, frozen=True):
    """Many runs, looked at together. Each test has the level `alpha`; a test on several series is
    made for each of them."""

    schema: Schema
    metric: str
    worse: Literal["higher", "lower"]
    by: By
    since: datetime | None
    runs: int
    left_out: int
    alpha: float
    seed: int
    series: list[Series]


def encode(analysis: Analysis) -> bytes:
    """The analysis as one JSON document without line breaks."""
    return schema.encode(analysis)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an analysis."""
    return schema.schema_of(Analysis)


def decode(text: bytes | str) -> Analysis:
    """Read an analysis back; raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(text, type=Analysis)
