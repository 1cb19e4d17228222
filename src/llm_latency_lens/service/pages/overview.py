"""All targets at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup

from ...errors import UsageError
from ...report.figures import count
from ..api.desk import Desk
from . import telling
from .drawing import spark
from .telling import Figure

if TYPE_CHECKING:
    from ..live import TargetNow

EVERY_S = 5
_TROUBLED = ("down", "unknown", "up")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which targets are shown, and in which order; empty is all."""

    q: str = ""
    provider: str = ""
    label: str = ""
    state: str = ""
    sort: str = ""

    @property
    def narrows(self) -> bool:
        return bool(self.q or self.provider or self.label or self.state)

    def fits(self, one: TargetNow) -> bool:
        words = self.q.casefold().split()
        text = " ".join((one.name, one.provider, one.model, one.region or "")).casefold()
        return (
            all(word in text for word in words)
            and self.provider in ("", one.provider)
            and self.state in ("", one.state)
            and (not self.label or self.label in _labels(one))
        )

    def link(self, sort: str) -> str:
        given = {"q": self.q, "provider": self.provider, "label": self.label, "state": self.state}
        return "/?" + urlencode({**{k: v for k, v in given.items() if v}, "sort": sort})


@dataclass(frozen=True, slots=True)
class Line:
    """One target in the table."""

    name: str
    whom: str
    state: str
    word: str
    incidents: int
    spark: Markup
    p50: str
    p95: str
    availability: str
    mood: str
    cost: str
    at_unix_s: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    key: str = ""
    classes: str = ""
    link: str = ""
    sorted: str = ""


_COLUMNS = (
    Column("Target", "name", "left"),
    Column("State", "state", "left"),
    Column("TTFT, last probes", "", "left"),
    Column("p50", "p50", "third"),
    Column("p95", "p95"),
    Column("Available", "availability", "second"),
    Column("Cost today", "cost", "second"),
    Column("Last probe", "", "second"),
)
_Key = Callable[["TargetNow"], Any]
_ORDERS: dict[str, _Key] = {
    "name": lambda one: one.name,
    "state": lambda one: _TROUBLED.index(one.state),
    "p50": lambda one: -(one.p50_ms or 0.0),
    "p95": lambda one: -(one.p95_ms or 0.0),
    "availability": lambda one: 2.0 if one.availability_24h is None else one.availability_24h,
    "cost": lambda one: -(one.cost_today_usd or Decimal(0)),
}


def filter_of(given: Iterable[tuple[str, str]]) -> Filter:
    """Raises UsageError."""
    found = dict(given)
    if unknown := [name for name in found if name not in Filter.__slots__]:
        raise UsageError(f"there is no filter {unknown[0]!r}")
    if found.get("sort", "") not in ("", *_ORDERS):
        raise UsageError(f"targets are not sorted by {found['sort']!r}: {', '.join(_ORDERS)}")
    return Filter(**found)


def overview(desk: Desk, chosen: Filter) -> dict[str, Any]:
    """What the page shows."""
    every = desk.monitor.live.overview()
    opened = desk.monitor.alerts.incidents(open_only=True)
    troubled = Counter(one.target for one in opened)
    order = _ORDERS[chosen.sort or "state"]
    shown = sorted((one for one in every if chosen.fits(one)), key=order)
    return {
        "title": "Targets",
        "every": EVERY_S,
        "figures": list(_figures(every, len(opened))),
        "incidents": telling.incidents(desk, opened),
        "filter": chosen,
        "filtered": chosen.narrows,
        "of": len(every),
        "providers": sorted({one.provider for one in every}),
        "labels": sorted({label for one in every for label in _labels(one)}),
        "columns": [_column(one, chosen) for one in _COLUMNS],
        "rows": [_line(one, troubled[one.name]) for one in shown],
    }


def _labels(one: TargetNow) -> list[str]:
    return [f"{name}={value}" for name, value in telling.pairs(one.labels)]


def _column(one: Column, chosen: Filter) -> Column:
    if not one.key:
        return one
    sort = chosen.sort or "state"
    rising = "ascending" if one.key in ("name", "state", "availability") else "descending"
    return Column(
        one.name, one.key, one.classes, chosen.link(one.key), rising if sort == one.key else ""
    )


def _figures(every: Sequence[TargetNow], opened: int) -> Iterable[Figure]:
    states = Counter(one.state for one in every)
    silent = f"{states['unknown']} not known" if states["unknown"] else "each was asked lately"
    yield Figure("up", f"{states['up']} of {len(every)}", silent if every else "")
    down = states["down"]
    yield Figure("down", str(down), "as far as is known", "bad" if down else "")
    yield Figure("open incidents", str(opened), "", "warn" if opened else "")
    known = [one.availability_1h for one in every if one.availability_1h is not None]
    probes = sum(one.probes_1h for one in every)
    mean = sum(known) / len(known) if known else None
    yield Figure("available, last hour", telling.share(mean), count(probes, "probe"),
                 telling.mood_of(mean))  # fmt: skip
    costs = [one.cost_today_usd for one in every if one.cost_today_usd is not None]
    unknown = len(every) - len(costs)
    note = "since midnight UTC"
    if costs and unknown:
        note = f"without {unknown} of unknown cost"
    yield Figure("cost today", telling.usd(sum(costs, Decimal(0)) if costs else None), note)


def _line(one: TargetNow, incidents: int) -> Line:
    return Line(
        name=one.name,
        whom=telling.whom(one),
        state=one.state,
        word=telling.word(one),
        incidents=incidents,
        spark=spark(one.sparkline),
        p50=telling.ms(one.p50_ms),
        p95=telling.ms(one.p95_ms),
        availability=telling.share(one.availability_24h),
        mood=telling.mood_of(one.availability_24h),
        cost=telling.usd(one.cost_today_usd),
        at_unix_s=one.last.at_unix_ns / 1e9 if one.last else None,
        reason=telling.reason(one.last),
    )
