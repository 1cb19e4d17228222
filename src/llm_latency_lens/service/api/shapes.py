"""What the interface answers, as types: programs depend on these names. Times are Unix seconds, and
what is unknown is null."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from ...engine.host import public_url
from ..alerts import Incident, Note, Silence
from ..config import TargetConfig
from ..history import Bin
from ..live import TargetNow
from ..probe import Row
from .watched import Stands


class Problem(Struct, kw_only=True, frozen=True):
    """Why there is no answer, in one line."""

    error: str
    status: int


class Brief(Struct, kw_only=True, frozen=True):
    """A probe that has ended, in short."""

    target: str
    id: str
    at_unix_s: float
    status: str
    ttft_ms: float | None
    tpot_ms: float | None
    e2e_ms: float | None
    cost_usd: Decimal | None
    error_kind: str | None
    error_stage: str | None
    http_status: int | None
    asked_for: bool


class Target(Struct, kw_only=True, frozen=True):
    """One target as it is configured. `base_url` is without what may be secret in it, and null
    where it is the provider's own."""

    name: str
    provider: str
    model: str
    region: str | None
    base_url: str | None
    labels: dict[str, str]
    interval_s: float
    timeout_s: float
    max_tokens: int
    stream: bool
    objectives: list[str]
    max_cost_usd_per_day: Decimal | None


class Schedule(Struct, kw_only=True, frozen=True):
    """How a target stands with the schedule. `held_until_unix_s` is the end of a rate limit that
    the provider asks for; one that is out of money is asked again after midnight, UTC."""

    next_unix_s: float
    held_until_unix_s: float | None
    spent_usd_today: Decimal
    out_of_money: bool


class Budget(Struct, kw_only=True, frozen=True):
    """The error budget of one objective: the `share` of requests (or gaps) that must keep it, what
    is left of the budget (below 0 it is overdrawn), and by windows how many times as fast as
    allowed it is spent."""

    objective: str
    share: float
    left: float
    burn_rates: dict[str, float]


class Targets(Struct, kw_only=True, frozen=True):
    """All targets."""

    targets: list[Target]


class TargetFound(Struct, kw_only=True, frozen=True):
    """One target: as configured, as it stands now, with its schedule and its error budgets; what is
    not known of one that was added just now is null."""

    target: Target
    now: TargetNow | None
    schedule: Schedule | None
    budgets: list[Budget]


class Latest(Struct, kw_only=True, frozen=True):
    """How every target stands at this moment."""

    at_unix_s: float
    targets: list[TargetNow]


class Series(Struct, kw_only=True, frozen=True):
    """Steps of time, those without a probe left out. `since` and `until` are those that were asked
    for, widened to whole steps."""

    target: str
    since_unix_s: float
    until_unix_s: float
    step_s: float
    points: list[Bin]


class Probes(Struct, kw_only=True, frozen=True):
    """Probes of one target, the latest first; `more` says whether there were more in that time."""

    target: str
    probes: list[Row]
    more: bool


class Incidents(Struct, kw_only=True, frozen=True):
    """Incidents, the latest first."""

    incidents: list[Incident]


class Notes(Struct, kw_only=True, frozen=True):
    """Notes, the latest first."""

    notes: list[Note]


class Silences(Struct, kw_only=True, frozen=True):
    """Silences that hold."""

    silences: list[Silence]


class SilenceWanted(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What nobody is to be told of: `matchers` are patterns (`*` and `?`) of an incident's target,
    kind, provider, model, region, severity, what, or label.NAME, that must all fit; `lasts` is for
    how long, such as 4h."""

    matchers: dict[str, str]
    lasts: str
    comment: str = ""


class ProbeWanted(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Whom to probe, at once."""

    target: str


class Opened(Struct, kw_only=True, frozen=True):
    """The incidents that are open, by their ids."""

    open: list[str]


class Reloaded(Struct, kw_only=True, frozen=True):
    """The last time that the configuration was read, and why it was refused, if it was."""

    at_unix_s: float
    error: str | None


Happened = Opened | Reloaded
EVENTS = (Brief, Opened, Reloaded)
"""What the events carry."""


def brief_of(row: Row) -> Brief:
    return Brief(
        target=row.target,
        id=row.id,
        at_unix_s=row.at_unix_ns / 1e9,
        status=row.status,
        ttft_ms=row.ttft_ms,
        tpot_ms=row.tpot_ms,
        e2e_ms=row.e2e_ms,
        cost_usd=row.cost_usd,
        error_kind=row.error_kind,
        error_stage=row.error_stage,
        http_status=row.http_status,
        asked_for=row.asked_for,
    )


def target_of(one: TargetConfig) -> Target:
    return Target(
        name=one.name,
        provider=one.provider,
        model=one.model,
        region=one.region,
        base_url=one.base_url and public_url(one.base_url),
        labels=dict(one.labels),
        interval_s=one.interval_s,
        timeout_s=one.timeout_s,
        max_tokens=one.max_tokens,
        stream=one.stream,
        objectives=[promise.text for promise in one.promises],
        max_cost_usd_per_day=one.max_cost_usd_per_day,
    )


def budgets_of(one: TargetConfig, rates: Iterable[tuple[str, str, float]]) -> list[Budget]:
    """From the burn rates, of which each objective's whole window is the last."""
    by_objective: dict[str, dict[str, float]] = {}
    for objective, window, rate in rates:
        by_objective.setdefault(objective, {})[window] = rate
    return [
        Budget(
            objective=promise.text,
            share=promise.share,
            left=1.0 - [*found.values()][-1],
            burn_rates=found,
        )
        for promise in one.promises
        if (found := by_objective.get(promise.text))
    ]


def schedule_of(one: Stands | None) -> Schedule | None:
    if one is None:
        return None
    return Schedule(
        next_unix_s=one.next_unix_s,
        held_until_unix_s=one.held_until_unix_s,
        spent_usd_today=one.spent_usd_today,
        out_of_money=one.out_of_money,
    )
