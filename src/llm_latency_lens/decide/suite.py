"""Suites: cases with limits in, violations out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ..metrics import schema
from ..metrics.objectives import Objective
from ..metrics.result import Cost, Metrics, Result, Verdict
from .thresholds import Checked, Number, check

Schema = Literal["latency-lens.bench/1"]
SCHEMA: Schema = "latency-lens.bench/1"
Severity = Literal["error", "warning"]
Status = Literal["passed", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold, and how much it matters that it is kept."""

    objective: Objective
    severity: Severity = "error"


class Violation(msgspec.Struct, kw_only=True, frozen=True):
    """A threshold that a case missed. `expected` is its sign and its limit, in the unit that the
    metric's name says; `actual` is null where the run does not have the figure."""

    case: str
    metric: str
    expected: str
    actual: Number | None
    severity: Severity
    threshold: str
    missed_by: Number | None
    note: str | None


class Judged(msgspec.Struct, kw_only=True, frozen=True):
    """One case. It is `incomplete` where its run could not be carried out or is invalid, and then
    held to nothing; `note` says why. `run` is the id under which the run is kept."""

    case: str
    tags: list[str]
    status: Status
    note: str | None
    provider: str
    model: str
    run: str | None
    verdict: Verdict | None
    requests: int
    ok: int
    duration_s: float
    thresholds: list[Checked]
    metrics: Metrics
    cost: Cost


class Report(msgspec.Struct, kw_only=True, frozen=True):
    """A suite as it went. `passed` is false where a case is incomplete or missed a threshold whose
    severity is `error`."""

    schema: Schema = SCHEMA
    suite: str
    tags: list[str]
    tool_version: str
    started_at: str
    passed: bool
    interrupted: bool
    cases: list[Judged]
    violations: list[Violation]

    @property
    def incomplete(self) -> list[Judged]:
        return [case for case in self.cases if case.status == "incomplete"]


def judge(
    name: str,
    tags: Sequence[str],
    result: Result,
    limits: Sequence[Limit],
    *,
    allow_invalid: bool = False,
) -> tuple[Judged, list[Violation]]:
    """One case's run, held to its limits."""
    why = _incomplete(result, allow_invalid)
    held = () if why else limits
    checked = check(result, [limit.objective for limit in held])
    violations = [
        _violation(name, limit, one)
        for limit, one in zip(held, checked, strict=True)
        if not one.met
    ]
    bad = any(one.severity == "error" for one in violations)
    judged = Judged(
        case=name,
        tags=list(tags),
        status="incomplete" if why else "failed" if bad else "passed",
        note=why,
        provider=str(result.config.get("provider")),
        model=str(result.config.get("model")),
        run=result.run.id,
        verdict=result.validity.verdict,
        requests=result.requests.sent,
        ok=result.requests.ok,
        duration_s=result.run.duration_s,
        thresholds=checked,
        metrics=result.metrics,
        cost=result.cost,
    )
    return judged, violations


def broken(name: str, tags: Sequence[str], provider: str, model: str, why: str) -> Judged:
    """A case of which nothing was measured."""
    return Judged(
        case=name,
        tags=list(tags),
        status="incomplete",
        note=why,
        provider=provider,
        model=model,
        run=None,
        verdict=None,
        requests=0,
        ok=0,
        duration_s=0.0,
        thresholds=[],
        metrics=Metrics(),
        cost=Cost(),
    )


def _incomplete(result: Result, allow_invalid: bool) -> str | None:
    if result.run.interrupted:
        return "it was interrupted"
    if result.run.stopped_early:
        return f"the run ended early: {result.run.stopped_early}"
    if not result.requests.ok:
        causes = [
            f"{one.count:,} x {one.kind} ({one.stage}): {one.message}"
            for one in result.requests.error_examples
        ]
        return f"no request succeeded: {'; '.join(causes[:3]) or 'none was sent'}"
    if result.validity.verdict == "invalid" and not allow_invalid:
        reasons = [one.message for one in result.validity.reasons if one.severity == "invalid"]
        return f"the run is invalid: {'; '.join(reasons)} (--allow-invalid judges it)"
    return None


def _violation(case: str, limit: Limit, found: Checked) -> Violation:
    objective = limit.objective
    return Violation(
        case=case,
        metric=found.metric,
        expected=f"{objective.sign}{objective.limit:f}".rstrip("0").rstrip("."),
        actual=found.value,
        severity=limit.severity,
        threshold=found.threshold,
        missed_by=found.missed_by,
        note=found.note,
    )


def encode(report: Report) -> bytes:
    """The report as one JSON document without line breaks."""
    return schema.encode(report)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a suite's report."""
    return schema.schema_of(Report)
