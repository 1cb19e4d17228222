"""One series of runs, looked at: its trend, its changes, its hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import numpy as np

from ..metrics.analysis import Answer, Change, Hour, Hours, Point, Series, Trend
from . import changes, hours, trends

ALPHA = changes.ALPHA
_DAY_S = 86_400.0


def look(
    group: str | None,
    points: Sequence[Point],
    value: float | None,
    *,
    lower_is_worse: bool = False,
    seed: int = 0,
) -> Series:
    """What the runs of a group say, oldest first. `value` is the metric over all of them."""
    runs = sorted(points, key=lambda point: (point.at, point.run_id))
    found = _changes(runs, lower_is_worse, seed)
    enough = len(runs) >= changes.FEWEST
    return Series(
        group=group,
        runs=len(runs),
        requests=sum(point.requests for point in runs),
        value=value,
        trend=_trend(runs),
        changed=_answer(bool(found)) if enough else "unknown",
        changes=found,
        hours=_hours(runs, seed),
        points=runs,
    )


def _trend(runs: Sequence[Point]) -> Trend:
    days = np.array([point.at.timestamp() / _DAY_S for point in runs])
    found = trends.trend(days - days[0], np.array([point.value for point in runs]))
    if found is None:
        return Trend(found="unknown")
    return Trend(
        found=_answer(found.p < ALPHA),
        per_day=found.slope,
        ci95=(found.low, found.high),
        tau=found.tau,
        p=found.p,
    )


def _changes(runs: Sequence[Point], lower_is_worse: bool, seed: int) -> list[Change]:
    return [
        Change(
            last_before=runs[change.at - 1].run_id,
            first_after=runs[change.at].run_id,
            at=runs[change.at].at,
            before=change.before,
            after=change.after,
            ratio=change.after / change.before if change.before else None,
            worse=(change.after < change.before) == lower_is_worse,
            p=change.p,
        )
        for change in changes.changes([point.value for point in runs], seed=seed)
    ]


def _hours(runs: Sequence[Point], seed: int) -> Hours:
    by_hour: dict[int, list[float]] = defaultdict(list)
    for point in runs:
        by_hour[point.at.hour].append(point.value)
    p = hours.differ([point.at.hour for point in runs], [point.value for point in runs], seed=seed)
    return Hours(
        differ="unknown" if p is None else _answer(p < ALPHA),
        p=p,
        hours=[
            Hour(hour=hour, runs=len(values), value=median(values))
            for hour, values in sorted(by_hour.items())
        ],
    )


def _answer(found: bool) -> Answer:
    return "yes" if found else "no"
