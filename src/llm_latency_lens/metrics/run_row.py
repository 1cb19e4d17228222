"""A run as one row of the table `runs`: what its result says, in the names of the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from . import schema
from .context import Context
from .result import Metrics, Result, Summary

OWN = "latency-lens"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Figure(Struct, kw_only=True, frozen=True):
    """One metric of a run, as in the result."""

    count: int | None = None
    mean: float | None = None
    stddev: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class Throughput(Struct, kw_only=True, frozen=True):
    """Work per second of the measured window."""

    requests_per_second: float | None = None
    output_tokens_per_second: float | None = None
    total_tokens_per_second: float | None = None
    offered_rate: float | None = None
    achieved_rate: float | None = None


class Cost(Struct, kw_only=True, frozen=True):
    """What the run cost, in dollars."""

    per_request: Decimal | None = None
    per_million_output_tokens: Decimal | None = None
    total: Decimal | None = None


class RunRow(Struct, kw_only=True, frozen=True):
    """One run. What a run does not tell is null; figures of an experiment are by arm, and here
    they are null."""

    run_id: str
    scenario: str | None
    started_at: datetime | None
    day: date | None
    hour: int | None
    source: str
    source_version: str | None
    experiment: str | None
    provider: str | None
    model: str | None
    region: str | None
    operation: str | None
    mode: str
    concurrency: int | None
    requests: int
    ok: int
    failed: int
    cancelled: int
    error_rate: float | None
    duration_s: float | None
    ttft_ms: Figure | None = None
    answer_ms: Figure | None = None
    itl_ms: Figure | None = None
    tpot_ms: Figure | None = None
    e2e_ms: Figure | None = None
    ttfb_ms: Figure | None = None
    cold_ttft_ms: Figure | None = None
    send_lag_ms: Figure | None = None
    corrected_ttft_ms: Figure | None = None
    corrected_e2e_ms: Figure | None = None
    output_tokens_per_second: Figure | None = None
    throughput: Throughput = Throughput()
    cost: Cost = Cost()
    input_tokens: int | None = None
    output_tokens: int | None = None
    verdict: str | None = None
    reasons: list[str] = []
    clock_source: str | None = None
    interrupted: bool = False
    tags: list[str] = []
    path: str = ""


FIGURES = tuple(name for name, kind in RunRow.__annotations__.items() if "Figure" in str(kind))


_PARTS: dict[str, Any] = {**dict.fromkeys(FIGURES, Figure), "throughput": Throughput}


def run_row(context: Context, result: Result) -> RunRow:
    """The row of a run; its tags and its path are added when it is read."""
    config, source = context.config, context.source or {}
    started = when(context.started_at_unix_ns)
    experiment = text(config.get("experiment"))
    figures: dict[str, Any] = {} if experiment else _figures(result.metrics)
    requests, told = result.requests, source.get("told")
    row = RunRow(
        run_id=context.id,
        scenario=text(context.name),
        started_at=started,
        day=started.date() if started else None,
        hour=started.hour if started else None,
        source=text(source.get("tool")) or OWN,
        source_version=text(source.get("version")) or (None if source else context.tool_version),
        experiment=experiment,
        provider=_of_all(config, "provider"),
        model=_of_all(config, "model"),
        region=_of_all(config, "region"),
        operation=_of_all(config, "operation"),
        mode=context.mode,
        concurrency=context.concurrency,
        requests=requests.sent,
        ok=requests.ok,
        failed=requests.failed,
        cancelled=requests.cancelled,
        error_rate=result.error_rate,
        duration_s=result.run.duration_s or None,
        throughput=_taken(Throughput, result.throughput),
        cost=_taken(Cost, result.cost),
        input_tokens=result.tokens.input,
        output_tokens=result.tokens.output,
        verdict=None if experiment else result.validity.verdict,
        reasons=sorted({reason.code for reason in result.validity.reasons}),
        clock_source=result.run.clock.source,
        interrupted=context.interrupted,
        **figures,
    )
    return _as_told(row, told) if told else row


def encode(row: RunRow) -> bytes:
    """The row as JSON, decimals as numbers."""
    return schema.encode(row)


def when(unix_ns: int | None) -> datetime | None:
    """A moment in UTC, to the microsecond; None for none."""
    if not unix_ns:
        return None
    try:
        return _EPOCH + timedelta(microseconds=unix_ns // 1000)
    except OverflowError:
        return None


def text(value: object) -> str | None:
    """A name as a run's configuration has it; None for whatever is no name."""
    return value if isinstance(value, str) and value else None


def of_arm(config: Mapping[str, Any], arm: str | None) -> Mapping[str, Any]:
    """The configuration of one arm of an experiment, or that of the run."""
    arms = config.get("arms")
    own = arms.get(arm) if isinstance(arms, dict) and arm is not None else None
    return {**config, **own} if isinstance(own, dict) else config


def _of_all(config: Mapping[str, Any], name: str) -> str | None:
    """What a run says of itself, or what its arms say, each once."""
    arms = config.get("arms")
    if not isinstance(arms, dict):
        return text(config.get(name))
    return ", ".join(_distinct(of_arm(config, arm).get(name) for arm in arms)) or None


def _distinct(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(found for value in values if (found := text(value))))


def _as_told(row: RunRow, told: Mapping[str, Any]) -> RunRow:
    """The row of a run of which another program kept its summary only."""
    ok, failed = told.get("ok") or 0, told.get("failed")
    values: dict[str, Any] = {
        **told,
        "ok": ok,
        "failed": failed or 0,
        "requests": ok + (failed or 0),
        "error_rate": None if failed is None or not ok + failed else failed / (ok + failed),
        "verdict": "doubtful",
        "reasons": ["imported"],
    }
    named = {name: values[name] for name in RunRow.__struct_fields__ if name in values}
    whole = {name: getattr(row, name) for name in RunRow.__struct_fields__}
    parts = {
        name: msgspec.convert(value, _PARTS[name]) for name, value in told.items() if name in _PARTS
    }
    return RunRow(**{**whole, **named, **parts})


def _figures(metrics: Metrics) -> dict[str, Figure]:
    found = ((name, getattr(metrics, name)) for name in FIGURES)
    return {name: _taken(Figure, value) for name, value in found if isinstance(value, Summary)}


def _taken(kind: Any, found: object) -> Any:
    """The fields of `kind` as `found` has them; absent ones are None."""
    values = {name: getattr(found, name) for name in kind.__struct_fields__}
    return kind(**{name: None if value is UNSET else value for name, value in values.items()})
