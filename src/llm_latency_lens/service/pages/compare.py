"""Several targets on the same axes, and which of them to take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ...errors import LensError, UsageError
from ...pricing import dollars
from ...report.figures import milliseconds, percent, short
from ..api.deciding import Wanted
from ..api.desk import Desk
from . import charting, telling
from .rendering import island
from .spans import WHOLE_S, Span, span_of
from .telling import NOTHING

if TYPE_CHECKING:
    from ...decide.decision import Decision, Option
    from ..history import Bin

MOST = 8
"""Lines that can be told apart."""
FIGURES = {
    "ttft_ms": "TTFT",
    "itl_ms": "ITL",
    "tpot_ms": "time per token",
    "e2e_ms": "whole answer (E2E)",
}
PROFILES = {
    "interactive": "chats: soon and steady",
    "batch": "batches: cheap and fast",
    "cheapest": "the least money",
}
_LEAST_S = 30.0
"""Between two looks at all of the targets."""
_MOODS = {"decided": "", "not enough data": "doubtful", "nobody": "invalid"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be compared, as the page's address says it."""

    names: tuple[str, ...]
    figure: str
    range: str | None
    decide: str | None


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart with a line for each target."""

    title: str
    how: str
    told: str
    figure: str
    level: str
    blank: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One target in numbers."""

    name: str
    cells: list[str]


def chosen_of(given: Sequence[tuple[str, str]]) -> Chosen:
    """Raises UsageError."""
    known = ("target", "figure", "range", "decide")
    if unknown := [name for name, _ in given if name not in known]:
        raise UsageError(f"there is no parameter {unknown[0]!r}: known are {', '.join(known)}")
    rest = {name: value for name, value in given if name != "target"}
    figure = rest.get("figure") or "ttft_ms"
    if figure not in FIGURES:
        raise UsageError(f"there is no figure {figure!r}: choose {', '.join(FIGURES)}")
    if rest.get("decide") and rest["decide"] not in PROFILES:
        raise UsageError(f"there is no profile {rest['decide']!r}: choose {', '.join(PROFILES)}")
    names = tuple(dict.fromkeys(value for name, value in given if name == "target"))
    return Chosen(names, figure, rest.get("range"), rest.get("decide"))


async def compare(desk: Desk, chosen: Chosen) -> dict[str, Any]:
    """What the page shows. Raises UsageError for what there is not."""
    configs = [desk.target(name) for name in chosen.names[:MOST]]
    slowest_s = max((one.interval_s for one in configs), default=60.0)
    span = span_of(chosen.range, desk.now_unix_s, slowest_s)
    each, wholes = await _read(desk, [one.name for one in configs], span)
    drawn = charting.of_targets(span, each, chosen.figure)
    most = f"Only the first {MOST} are shown: more lines cannot be told apart."
    return {
        "title": "Compare",
        # A page with a decision on it stays as it is: the next one would take as long again.
        "every": 0 if chosen.decide else max(_LEAST_S, span.every_s),
        "all": [one.name for one in desk.targets],
        "chosen": set(chosen.names),
        "most": MOST,
        "figure": chosen.figure,
        "choices": list(FIGURES.items()),
        "profiles": list(PROFILES.items()),
        "problem": most if len(chosen.names) > MOST else "",
        "range": span.name,
        "range_link": lambda one: _link(chosen, one),
        "span_told": f"{span.told}, by {span.step}",
        "charts": _charts(chosen.figure, span, each),
        "rows": [Row(name, _cells(wholes[name])) for name in each],
        "island": island(drawn) if each else "",
        **(await _decided(desk, chosen, span)),
    }


async def _read(
    desk: Desk, names: Sequence[str], span: Span
) -> tuple[dict[str, list[Bin | None]], dict[str, Bin | None]]:
    since, until = span.since_unix_s, span.until_unix_s
    found = await asyncio.gather(
        *(desk.series(name, since, until, span.step_s) for name in names),
        *(desk.series(name, since, until, WHOLE_S) for name in names),
    )
    bins, wholes = found[: len(names)], found[len(names) :]
    each = {n: charting.placed(span, one) for n, one in zip(names, bins, strict=True)}
    return each, {n: telling.whole(one) for n, one in zip(names, wholes, strict=True)}


def _link(chosen: Chosen, range_name: str) -> str:
    given = [("target", name) for name in chosen.names]
    return "/compare?" + urlencode([*given, ("figure", chosen.figure), ("range", range_name)])


def _charts(figure: str, span: Span, each: Mapping[str, Sequence[Bin | None]]) -> list[Chart]:
    name = FIGURES[figure]
    over = f"{len(each)} targets over {span.told}"
    found = [
        (f"Median {name}", "Half of the probes of each step took as long or less.", figure, "p50"),
        (f"{name}, p95", "All but one in twenty took as long or less.", figure, "p95"),
        ("Failed", "Share of the probes of each step that failed.", "failed", "share"),
    ]
    return [
        Chart(title, how, f"{title} of {over}", of, level, _is_blank(each, of))
        for title, how, of, level in found
    ]


def _is_blank(each: Mapping[str, Sequence[Bin | None]], figure: str) -> bool:
    if figure == "failed":
        return not any(one for steps in each.values() for one in steps)
    return not any(one and getattr(one, figure) for steps in each.values() for one in steps)


def _cells(whole: Bin | None) -> list[str]:
    if whole is None or not whole.count:
        return ["0", *[NOTHING] * 7]
    cost = None if whole.cost_usd is None else whole.cost_usd / whole.count
    return [
        f"{whole.count:,}",
        telling.share(whole.ok / whole.count),
        telling.level(whole.ttft_ms, "p50"),
        telling.level(whole.ttft_ms, "p95"),
        telling.level(whole.itl_ms, "p50"),
        telling.level(whole.itl_ms, "p99"),
        telling.level(whole.e2e_ms, "p50"),
        telling.usd(cost),
    ]


# --- which one to take ----------------------------------------------------------------------


async def _decided(desk: Desk, chosen: Chosen, span: Span) -> dict[str, Any]:
    if not chosen.decide:
        return {"decision": None, "undecided": ""}
    wanted = Wanted(targets=list(chosen.names[:MOST]), profile=chosen.decide)
    try:
        found = await desk.decision(wanted, span.since_unix_s, span.until_unix_s)
    except LensError as error:
        return {"decision": None, "undecided": f"There is no decision: {error}."}
    return {"decision": _shown(found), "undecided": ""}


def _shown(found: Decision) -> dict[str, Any]:
    metrics = [one.metric for one in found.criteria]
    ordered = sorted(found.candidates, key=lambda one: one.rank or MOST + 1)
    return {
        "sentence": found.sentence,
        "answer": found.answer,
        "mood": _MOODS[found.answer],
        "share": f"First in {percent(found.share)} of {found.resamples:,} resamples, for"
        f" {PROFILES.get(found.profile or '', 'your wishes')}.",
        "metrics": metrics,
        "rows": [_candidate(one, metrics) for one in ordered],
        "notes": found.notes,
    }


def _candidate(one: Option, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "name": one.name,
        "rank": NOTHING if one.rank is None else str(one.rank),
        "first": percent(one.first_share),
        "figures": [_figure(name, one.figures[name].value) for name in metrics],
        "reason": one.reason,
    }


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    if metric.startswith("cost."):
        from decimal import Decimal

        return dollars(Decimal(repr(value)))
    return milliseconds(value) if "_ms" in metric else short(value)
