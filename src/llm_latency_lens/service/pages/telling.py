"""Figures and states as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from ...pricing import dollars
from ...report.figures import milliseconds, percent, seconds
from ..alerts.silences import silenced
from ..api.desk import Desk
from ..probe import Row

if TYPE_CHECKING:
    from ..alerts import Incident
    from ..config import TargetConfig
    from ..history import Bin, Quantiles
    from ..live import TargetNow

NOTHING = "–"
_GOOD, _FAIR = 0.99, 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in large print; `mood` is `bad`, `warn`, or nothing to speak of."""

    name: str
    value: str
    note: str = ""
    mood: str = ""


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """A probe in a table."""

    at_unix_s: float
    ok: bool
    outcome: str
    ttft: str
    itl: str
    e2e: str
    connection: str
    tokens: str
    cost: str
    asked_for: bool


@dataclass(frozen=True, slots=True)
class FailureLine:
    """Failures that came one after the other for the same reason, the last of them first."""

    at_unix_s: float
    since_unix_s: float
    count: int
    why: str
    stage: str
    message: str


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident in a list."""

    id: str
    since_unix_s: float
    open: bool
    mood: str
    severity: str
    target: str
    told: str
    ending: str
    lasted: str
    silenced: bool


def ms(value: float | None) -> str:
    return NOTHING if value is None else milliseconds(value)


def usd(value: Decimal | None) -> str:
    return NOTHING if value is None else dollars(value)


def share(value: float | None) -> str:
    """A share that is nearly all: never rounded up to 100 %."""
    if value is None:
        return NOTHING
    if value in (0.0, 1.0):
        return percent(value)
    shown = f"{min(value, 0.9999) * 100:.2f}".rstrip("0").rstrip(".")
    return f"{shown} %"


def mood_of(availability: float | None) -> str:
    if availability is None or availability >= _GOOD:
        return ""
    return "warn" if availability >= _FAIR else "bad"


def level(found: Quantiles | None, name: str) -> str:
    return NOTHING if found is None else milliseconds(getattr(found, name))


def length(value_s: float) -> str:
    """`1 min`, `24 h`, `30 days`: lengths that somebody has chosen."""
    if value_s >= 2 * 86_400 and value_s % 86_400 == 0:
        return f"{value_s / 86_400:g} days"
    if value_s >= 3600 and value_s % 3600 == 0:
        return f"{value_s / 3600:g} h"
    return f"{value_s / 60:g} min" if value_s >= 60 and value_s % 60 == 0 else f"{value_s:g} s"


def lasted(value_s: float) -> str:
    if value_s < 48 * 3600:
        return seconds(max(0.0, value_s))
    return f"{value_s / 86_400:.0f} days"


def whom(one: TargetConfig | TargetNow) -> str:
    """Who is asked: `openai gpt-4o · eu-west`."""
    asked = f"{one.provider} {one.model}"
    return f"{asked} · {one.region}" if one.region else asked


def reason(row: Row | None) -> str:
    """Why a probe failed, in three words; empty where it did not."""
    if row is None or row.ok:
        return ""
    if row.error_kind is None:
        return row.status
    status = f" {row.http_status}" if row.http_status and row.http_status >= 400 else ""
    return f"{row.error_kind.replace('_', ' ')}{status}"


def line(row: Row) -> ProbeLine:
    setup = [one for one in (row.dns_ms, row.connect_ms, row.tls_ms) if one is not None]
    return ProbeLine(
        at_unix_s=row.at_unix_ns / 1e9,
        ok=row.ok,
        outcome=reason(row) or row.status,
        ttft=ms(row.ttft_ms),
        itl=ms(median(row.gaps_ms)) if row.gaps_ms else NOTHING,
        e2e=ms(row.e2e_ms),
        connection=milliseconds(sum(setup)) if setup else NOTHING,
        tokens=NOTHING if row.output_tokens is None else f"{row.output_tokens:,}",
        cost=usd(row.cost_usd),
        asked_for=row.asked_for,
    )


def failures(newest_first: Iterable[Row]) -> Iterator[FailureLine]:
    """What failed, in as few lines as say it."""
    for (why, stage, message), alike in groupby(newest_first, _cause):
        rows = list(alike)
        last, first = (rows[place].at_unix_ns / 1e9 for place in (0, -1))
        yield FailureLine(last, first, len(rows), why, stage, message)


def _cause(row: Row) -> tuple[str, str, str]:
    return reason(row), row.error_stage or "", row.error or ""


def word(now: TargetNow | None) -> str:
    """How a target stands."""
    if now is None or now.last is None:
        return "no probe yet"
    return "silent" if now.state == "unknown" else now.state


def incidents(desk: Desk, found: Iterable[Incident]) -> list[IncidentLine]:
    """The same for people."""
    now_unix_s, silences = desk.now_unix_s, desk.monitor.alerts.silences()
    return [_incident(one, silenced(one, silences, now_unix_s), now_unix_s) for one in found]


def _incident(one: Incident, silent: bool, now_unix_s: float) -> IncidentLine:
    end = one.resolved_unix_s
    told = lasted((now_unix_s if end is None else end) - one.since_unix_s)
    return IncidentLine(
        id=one.id,
        since_unix_s=one.since_unix_s,
        open=one.open,
        mood=one.severity if one.open else "up",
        severity=one.severity,
        target=one.target,
        told=one.sentence,
        ending=one.ending,
        lasted=f"for {told}" if one.open else f"lasted {told}",
        silenced=silent,
    )


def whole(found: list[Bin]) -> Bin | None:
    """The one step that a whole span was asked as."""
    return found[0] if found else None


def spoken(name: str, found: Quantiles | None, over: str) -> str:
    """A chart for those who do not see it."""
    if found is None:
        return f"{name}: nothing in {over}"
    half, most = milliseconds(found.p50), milliseconds(found.p95)
    return f"{name} over {over}: median {half}, 95 in 100 within {most}"


def pairs(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(labels.items())
