"""A metric of every run, by groups: what an analysis looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...decide.series import ALPHA, look
from ...errors import UsageError
from ...metrics.analysis import SCHEMA, Analysis, By, Point, Series
from ...metrics.columns import FIGURES
from ...metrics.run_row import RunRow
from .query import History

_COUNTED = "attempt = 0 AND NOT warmup AND status IN ('ok', 'failed')"
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_SIMPLE = {"mean": "avg", "min": "min", "max": "max", "stddev": "stddev_samp"}
_OF_RUNS = ("requests_per_second", "output_tokens_per_second", "total_tokens_per_second")


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a run: where its samples are, and how they become one number."""

    text: str
    table: str = "runs"
    sample: str = ""
    number: str = ""

    @property
    def lower_is_worse(self) -> bool:
        """Whether a lower number is the worse one."""
        return self.text.partition(".")[0].endswith("_per_second") or self.table == "runs"


def parse_metric(text: str) -> Metric:
    """`ttft_ms.p95`, `itl_ms.p99`, `cost.per_request`, `error_rate`, `throughput.NAME`.

    Raises UsageError for what no run has.
    """
    name, _, figure = text.partition(".")
    if text == "error_rate":
        return Metric(text, f"requests WHERE {_COUNTED}", "1", "avg((status = 'failed')::DOUBLE)")
    if text == "cost.per_request":
        return Metric(text, "answers", "cost_usd", "avg(cost_usd)::DOUBLE")
    if name == "throughput" and figure in _OF_RUNS:
        return Metric(text)
    sample = "gap_ms" if name == "itl_ms" else name
    if name not in FIGURES and name != "itl_ms":
        known = ", ".join(sorted([*FIGURES, "itl_ms"]))
        raise UsageError(
            f"no metric {text!r}: write error_rate, cost.per_request, throughput."
            f"{_OF_RUNS[1]}, or a figure such as ttft_ms.p95 of {known}"
        )
    if figure in _QUANTILES:
        number = f"quantile_cont({sample}, {_QUANTILES[figure]})"
    elif figure in _SIMPLE:
        number = f"{_SIMPLE[figure]}({sample})"
    else:
        raise UsageError(
            f"{text!r} names no figure of {name}: add one of "
            + ", ".join(f".{one}" for one in (*_SIMPLE, *_QUANTILES))
        )
    return Metric(text, "gaps" if name == "itl_ms" else "answers", sample, number)


def analyse(
    history: History,
    rows: Sequence[RunRow],
    metric: Metric,
    by: By,
    *,
    model: str | None = None,
    provider: str | None = None,
    since: datetime | None = None,
    seed: int = 0,
) -> Analysis:
    """Look at the runs of `rows`; `model` and `provider` say which arms of experiments are meant.

    A run that does not have the metric, or of which nobody says when it was, is left out.
    """
    dated = [row for row in rows if row.started_at is not None]
    points, pooled = _told(dated, metric, by), {}
    if metric.table != "runs":
        chosen = _Chosen([row.run_id for row in dated], model, provider)
        asked = _asked(history, metric, by, chosen)
        pooled = _pooled(history, metric, by, chosen)
        measured = {point.run_id for found in asked.values() for point in found}
        for group, told in points.items():
            asked[group] += [point for point in told if point.run_id not in measured]
        points = asked
    series = [
        look(
            group,
            found,
            pooled.get(group),
            lower_is_worse=metric.lower_is_worse,
            seed=seed,
        )
        for group, found in sorted(points.items(), key=lambda item: (item[0] is None, item[0]))
        if found
    ]
    used = {point.run_id for one in series for point in one.points}
    return Analysis(
        schema=SCHEMA,
        metric=metric.text,
        worse="lower" if metric.lower_is_worse else "higher",
        by=by,
        since=since,
        runs=len(used),
        left_out=len(rows) - len(used),
        alpha=ALPHA,
        seed=seed,
        series=_by_runs(series),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    run_ids: list[str]
    model: str | None
    provider: str | None

    @property
    def where(self) -> str:
        return (
            "run_id IN (SELECT unnest(?)) AND coalesce(model, '') GLOB ?"
            " AND coalesce(provider, '') GLOB ?"
        )

    @property
    def values(self) -> list[Any]:
        return [self.run_ids, self.model or "*", self.provider or "*"]


def _asked(
    history: History, metric: Metric, by: By, chosen: _Chosen
) -> dict[str | None, list[Point]]:
    """The metric of each run, by groups, over its requests."""
    found = history.ask(_select(metric, by, chosen, "run_id, "), chosen.values)
    runs = {row.run_id: row for row in history.rows}
    points: dict[str | None, list[Point]] = defaultdict(list)
    for group, run_id, value, n in found.rows:
        at = runs[run_id].started_at
        if value is not None and at is not None:
            points[group].append(Point(run_id=run_id, at=at, value=float(value), requests=n))
    return points


def _pooled(history: History, metric: Metric, by: By, chosen: _Chosen) -> dict[str | None, float]:
    """The metric over all requests of each group."""
    found = history.ask(_select(metric, by, chosen), chosen.values)
    return {group: float(value) for group, value, _ in found.rows if value is not None}


def _select(metric: Metric, by: By, chosen: _Chosen, also: str = "") -> str:
    # Every part comes from the tables above; what a person gave stands in `chosen.values`.
    return (
        f"SELECT {_group(by)} AS grp, {also}{metric.number} AS value, {_requests(metric)} AS n"  # noqa: S608
        f" FROM (FROM {metric.table}) WHERE {chosen.where} AND {metric.sample} IS NOT NULL"
        " GROUP BY ALL"
    )


def _requests(metric: Metric) -> str:
    return "count(DISTINCT index)" if metric.table == "gaps" else "count(*)"


def _group(by: By) -> str:
    if by == "model":
        return "concat_ws('/', provider, model)"
    return "NULL::VARCHAR" if by == "none" else by


def _told(rows: Sequence[RunRow], metric: Metric, by: By) -> dict[str | None, list[Point]]:
    """What the runs' own results say: rates have no samples, and of some runs only the result is
    known."""
    points: dict[str | None, list[Point]] = defaultdict(list)
    name, _, figure = metric.text.partition(".")
    for row in rows:
        found = getattr(row, name, None)
        value = getattr(found, figure, None) if figure else found
        if value is not None and row.started_at is not None and not row.experiment:
            point = Point(run_id=row.run_id, at=row.started_at, value=float(value), requests=row.ok)
            points[_group_of(row, by)].append(point)
    return points


def _group_of(row: RunRow, by: By) -> str | None:
    if by == "model":
        return "/".join(filter(None, (row.provider, row.model)))
    found: str | None = None if by == "none" else getattr(row, by)
    return found


def _by_runs(series: list[Series]) -> list[Series]:
    """Those with most runs first."""
    return sorted(series, key=lambda one: -one.runs)
