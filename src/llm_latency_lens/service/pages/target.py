"""One target: how it did over a span of time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from math import floor
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ...report.figures import count, short
from ..api.desk import Desk
from ..api.shapes import Budget
from ..config import DAY_S, TargetConfig
from . import charting, telling
from .drawing import bar, strip
from .rendering import island, target_link
from .spans import WHOLE_S, Span, span_of
from .telling import Figure

if TYPE_CHECKING:
    from ..history import Bin
    from ..live import TargetNow
    from ..probe import Row

DAYS = 14
_LISTED = 10
_FAILED = 200
_NOTES = 20
_KEYS = (("s0", "p50"), ("s2", "p90"), ("s4", "p95"), ("s1", "p99"))
_MARKS = (("note", "note"), ("span", "incident"), ("fail", "failures"))
_LOW, _MUCH = 0.25, 10.0
"""Of a budget: what is left when it is worth a warning, and overdrawn beyond measure."""
_FAST = 1.0
_MANY = 100
"""Probes, below which a p99 lies between the two slowest."""
_LEVELS = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of time in the table of all figures."""

    at_unix_s: float
    count: int
    failed: int
    values: list[str]
    cost: str


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One objective; `rates` are burn rates with what they are."""

    objective: str
    share: str
    rates: list[tuple[str, str]]
    left: str
    mood: str
    bar: Markup


@dataclass(frozen=True, slots=True)
class Read:
    """What the history knows of one target."""

    steps: list[Bin | None]
    whole: Bin | None
    days: dict[str, Any]
    newest: list[Row]
    failed: list[Row]


async def target(desk: Desk, name: str, chosen: str | None) -> dict[str, Any]:
    """What the page shows. Raises UsageError for a target or a range that there is not."""
    config, now = desk.target(name), desk.now(name)
    span = span_of(chosen, desk.now_unix_s, config.interval_s)
    read = await _read(desk, name, span, now.cost_today_usd if now else None)
    alerts = desk.monitor.alerts
    notes = alerts.notes(name, span.since_unix_s, span.until_unix_s)[::-1]
    incidents = [
        one
        for one in alerts.incidents()
        if one.target == name and (one.resolved_unix_s or span.until_unix_s) >= span.since_unix_s
    ]
    shown, budgets = read.whole is not None, desk.budgets(name)
    drawn = charting.of_target(span, read.steps, read.days, incidents, notes)
    return {
        "title": name,
        "name": name,
        "only": name,
        "every": span.every_s,
        "range": span.name,
        "range_link": lambda one: f"{target_link(name)}?range={one}",
        "span_told": span.told,
        "step": span.step,
        "few": _few(span.step_s / config.interval_s),
        "days": f"{DAYS} days",
        "since_unix_s": span.since_unix_s,
        "until_unix_s": span.until_unix_s,
        **_standing(desk, config, now),
        "figures": list(_figures(read.whole, now, span)),
        "keys": [*_KEYS, *_MARKS],
        "blanks": _blanks(read),
        **_told(read.whole, span),
        "strip": strip(_shares(read.steps), f"availability by {span.step}"),
        "budgets": [_budget(one) for one in budgets],
        "windows": [*budgets[0].burn_rates] if budgets else [],
        "incidents": telling.incidents(desk, incidents),
        "notes": notes[:_NOTES],
        "failures": [*islice(telling.failures(read.failed), _LISTED)],
        "probes": [telling.line(row) for row in read.newest],
        "bins": [_step_line(one) for one in reversed(read.steps) if one] if shown else [],
        "island": island(drawn) if shown else "",
    }


async def _read(desk: Desk, name: str, span: Span, today_usd: Decimal | None) -> Read:
    since, until = span.since_unix_s, span.until_unix_s
    bins, wholes, days, newest = await asyncio.gather(
        desk.series(name, since, until, span.step_s),
        desk.series(name, since, until, WHOLE_S),
        desk.days(name, DAYS),
        desk.rows(name, since, until, newest=_LISTED),
    )
    whole = telling.whole(wholes)
    failed = (
        await desk.rows(name, since, until, newest=_FAILED, failed=True)
        if whole is not None and whole.failed
        else []
    )
    return Read(
        steps=charting.placed(span, bins),
        whole=whole,
        days=_days(days, desk.now_unix_s, today_usd),
        newest=newest[::-1],
        failed=failed[::-1],
    )


def _days(bins: Sequence[Bin], now_unix_s: float, today_usd: Decimal | None) -> dict[str, Any]:
    """What each day cost; of today it is known to the last probe."""
    today = floor(now_unix_s / DAY_S) * DAY_S
    costs = {round(one.at_unix_s): one.cost_usd for one in bins}
    costs[today] = costs.get(today) if today_usd is None else today_usd
    places = [today - back * DAY_S for back in reversed(range(DAYS))]
    found = (costs.get(place) for place in places)
    return {"at": places, "cost": [None if cost is None else float(cost) for cost in found]}


def _few(probes: float) -> str:
    """A warning of quantiles that are the slowest of a few."""
    return f", about {probes:.0f}: p99 is near the slowest of them" if probes < _MANY else ""


def _standing(desk: Desk, config: TargetConfig, now: TargetNow | None) -> dict[str, Any]:
    stands = desk.monitor.standing(config.name)
    since = ""
    if stands is not None and stands.out_of_money:
        since = "asked no more today: its money is spent"
    elif stands is not None and stands.held_until_unix_s is not None:
        left_s = stands.held_until_unix_s - desk.now_unix_s
        since = f"a rate limit holds it back for {telling.lasted(left_s)}"
    elif now is not None and now.failed_in_a_row:
        since = f"{count(now.failed_in_a_row, 'failure')} in a row"
    return {
        "state": now.state if now else "unknown",
        "word": telling.word(now),
        "since": since,
        "whom": telling.whom(config),
        "interval": telling.length(config.interval_s),
        "labels": telling.pairs(config.labels),
    }


def _budget(one: Budget) -> BudgetLine:
    mood = "bad" if one.left <= 0.0 else "warn" if one.left < _LOW else ""
    cells = [(short(rate), "bad" if rate >= _FAST else "") for rate in one.burn_rates.values()]
    left = f"{short(100 * one.left)} %" if one.left > -_MUCH else "overdrawn"
    return BudgetLine(
        one.objective, telling.share(one.share), cells, left, mood, bar(one.left, mood)
    )


def _figures(whole: Bin | None, now: TargetNow | None, span: Span) -> Iterator[Figure]:
    ttft, itl = (whole.ttft_ms, whole.itl_ms) if whole else (None, None)
    yield Figure("TTFT p50", telling.level(ttft, "p50"), span.told)
    yield Figure("TTFT p95", telling.level(ttft, "p95"), f"p99 {telling.level(ttft, 'p99')}")
    yield Figure("ITL p50", telling.level(itl, "p50"), f"p99 {telling.level(itl, 'p99')}")
    e2e = whole.e2e_ms if whole else None
    yield Figure("E2E p50", telling.level(e2e, "p50"), f"p95 {telling.level(e2e, 'p95')}")
    available = whole.ok / whole.count if whole and whole.count else None
    failed = f"{whole.failed:,} of {count(whole.count, 'probe')} failed" if whole else ""
    yield Figure("available", telling.share(available), failed, telling.mood_of(available))
    today = f"{telling.usd(now.cost_today_usd)} today" if now and now.cost_today_usd else ""
    yield Figure("cost", telling.usd(whole.cost_usd if whole else None), today or span.told)


def _blanks(read: Read) -> dict[str, str]:
    """Why a chart has nothing to draw; empty where it has."""
    whole = read.whole
    streamed = whole is not None and whole.itl_ms is not None
    timed = whole is not None and whole.ttft_ms is not None
    paid = any(one is not None for one in read.days["cost"])
    return {
        "ttft_ms": "" if timed else "No probe succeeded in this time.",
        "itl_ms": "" if streamed else "No answer came in more than one piece.",
        "cost": "" if paid else "No cost of these probes is known.",
    }


def _told(whole: Bin | None, span: Span) -> dict[str, str]:
    """The charts in words."""
    ok, total = (whole.ok, whole.count) if whole else (0, 0)
    return {
        "ttft_told": telling.spoken("TTFT", whole.ttft_ms if whole else None, span.told),
        "itl_told": telling.spoken("Gaps", whole.itl_ms if whole else None, span.told),
        "cost_told": f"Cost of each of the last {DAYS} days",
        "availability_told": f"{ok:,} of {count(total, 'probe')} were answered. By {span.step}."
        + _causes(whole),
    }


def _causes(whole: Bin | None) -> str:
    if whole is None or not whole.errors:
        return ""
    causes = sorted(whole.errors.items(), key=lambda item: -item[1])
    told = ", ".join(f"{number:,} {kind.replace('_', ' ')}" for kind, number in causes)
    return f" Failures: {told}."


def _shares(steps: Sequence[Bin | None]) -> list[float | None]:
    return [None if one is None or not one.count else one.failed / one.count for one in steps]


def _step_line(one: Bin) -> StepLine:
    values = [telling.level(of, name) for of in (one.ttft_ms, one.itl_ms) for name in _LEVELS]
    return StepLine(one.at_unix_s, one.count, one.failed, values, telling.usd(one.cost_usd))
