"""May this run pass? Thresholds and regressions in, one verdict out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ..errors import RunError
from ..metrics import schema
from ..metrics.objectives import Objective
from ..metrics.result import Result, Verdict
from .regressions import ALPHA, Allowed, Answered, answers
from .sample import About, Sample, differences
from .thresholds import Checked, check

Schema = Literal["latency-lens.gate/1"]
SCHEMA: Schema = "latency-lens.gate/1"


class Gate(msgspec.Struct, kw_only=True, frozen=True):
    """What a gate found. `passed` is false where a threshold was missed, a figure is worse, or
    data were missing and had to be there. `alpha` is the probability that a run that is no worse
    is called worse in any of the regressions."""

    schema: Schema = SCHEMA
    passed: bool
    run: str
    verdict: Verdict
    baseline: About | None
    alpha: float
    thresholds: list[Checked]
    regressions: list[Answered]
    warnings: list[str]

    @property
    def missed(self) -> list[Checked]:
        return [one for one in self.thresholds if not one.met]

    @property
    def worse(self) -> list[Answered]:
        return [one for one in self.regressions if one.answer == "worse"]

    @property
    def unanswered(self) -> list[Answered]:
        return [one for one in self.regressions if one.answer == "not enough data"]


class Limits(msgspec.Struct, kw_only=True, frozen=True):
    """What a run is held to."""

    thresholds: Sequence[Objective] = ()
    metrics: Sequence[str] = ()
    allowed: Sequence[Allowed] = ()
    alpha: float = ALPHA
    require_data: bool = False
    """Whether too little data for an answer is a failure."""


def gate(
    result: Result, limits: Limits, run: Sample | None = None, baseline: Sample | None = None
) -> Gate:
    """Hold a run to its limits; without a baseline nothing is tested for a regression."""
    checked = check(result, limits.thresholds)
    tested: list[Answered] = []
    warnings: list[str] = []
    if run and baseline:
        tested = answers(baseline, run, limits.metrics, limits.allowed, limits.alpha)
        warnings += _unlike(run, baseline)
    short = [one for one in tested if one.answer == "not enough data"]
    bad = any(not one.met for one in checked) or any(one.answer == "worse" for one in tested)
    if result.validity.verdict != "valid":
        warnings.append(f"the run's own verdict is {result.validity.verdict}: {_why(result)}")
    return Gate(
        passed=not bad and not (short and limits.require_data),
        run=result.run.id,
        verdict=result.validity.verdict,
        baseline=baseline.about if baseline else None,
        alpha=limits.alpha,
        thresholds=checked,
        regressions=tested,
        warnings=warnings,
    )


def check_valid(result: Result) -> None:
    """Raises RunError for a run whose own verdict is that it is invalid."""
    validity = result.validity
    if validity.verdict == "invalid":
        why = next(reason.message for reason in validity.reasons if reason.severity == "invalid")
        raise RunError(
            f"the run {result.run.id} is invalid and cannot be judged: {why}"
            " (--allow-invalid judges it all the same)"
        )


def _unlike(run: Sample, baseline: Sample) -> list[str]:
    found = differences(baseline.about, run.about)
    if run.about.run == baseline.about.run:
        return ["the baseline was made of this very run"]
    if not found:
        return []
    told = "; ".join(found)
    return [f"the baseline was measured in another way, which can be all the difference: {told}"]


def _why(result: Result) -> str:
    severe = [
        reason.message
        for reason in result.validity.reasons
        if reason.severity == result.validity.verdict
    ]
    return "; ".join(severe)


def encode(found: Gate) -> bytes:
    """The verdict as one JSON document without line breaks."""
    return schema.encode(found)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a gate's verdict."""
    return schema.schema_of(Gate)
