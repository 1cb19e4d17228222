"""Which target to take, by what the monitor has measured of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ...engine.host import public_url
from ...errors import UsageError
from ...experiments.growing import Choice, wishes_of_choice
from ...metrics.context import Context
from ...record import EventKind, Events, Record, Status, Usage
from ...timeline import Connection
from ..config import TargetConfig
from ..probe import Row

if TYPE_CHECKING:
    from ...decide.decision import Decision
    from ...decide.resample import Candidate

_ORIGIN = ("provider", "model", "base_url", "region", "project", "api_version")


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is wanted of targets, and from which time on their probes count: see `latency-lens
    optimize`. Every field may be left out; `targets` are all then, and `since` is a day ago."""

    targets: list[str] = []
    since: str = "24h"
    until: str = "now"
    require: list[str] = []
    minimise: list[str] = []
    maximise: list[str] = []
    weights: dict[str, float] = {}
    scores: dict[str, dict[str, float]] = {}
    profile: str | None = None
    current: str | None = None
    confidence: float = 0.95
    seed: int = 0


def decide(
    targets: Sequence[TargetConfig], rows: Mapping[str, Sequence[Row]], wanted: Wanted
) -> Decision:
    """The decision; takes seconds where there are many rows. Raises UsageError for what is no
    choice."""
    from ...decide.choosing import How, choose

    names = [one.name for one in targets]
    choice = cast(Choice, msgspec.structs.asdict(wanted))
    wishes = wishes_of_choice(choice, names)
    if not 0.5 < wanted.confidence < 1.0:
        raise UsageError(f"confidence must be between 0.5 and 1, not {wanted.confidence:g}")
    candidates = [_candidate(name, rows.get(name, ()), wanted) for name in names]
    if not any(one.sample.answers for one in candidates):
        raise UsageError(f"no probe since {wanted.since} succeeded: ask for a longer time")
    how = How(
        current=wanted.current,
        confidence=wanted.confidence,
        seed=wanted.seed,
        origins={one.name: _origin(one) for one in targets},
    )
    return choose(candidates, wishes, how)


def _candidate(name: str, rows: Iterable[Row], wanted: Wanted) -> Candidate:
    from ...decide.resample import Candidate
    from ...decide.sample import Sampler

    sampler = Sampler()
    for index, row in enumerate(rows):
        sampler.add(record_of(row, index))
    return Candidate(name, sampler.sample(_CONTEXT), wanted.scores.get(name, {}))


_CONTEXT = Context(id="monitor", mode="open")


def _origin(target: TargetConfig) -> dict[str, Any]:
    found = {key: getattr(target, key) for key in _ORIGIN}
    if found["base_url"]:
        found["base_url"] = public_url(found["base_url"])
    return found


def record_of(row: Row, index: int = 0) -> Record:
    """A record that has the row's figures; of its events the times alone are known."""
    start_ns = row.at_unix_ns + _ns(row.send_lag_ms)
    events = Events()
    if row.ttft_ms is not None:
        at_ns = start_ns + _ns(row.ttft_ms)
        events.at_ns = array("q", [at_ns])
        for gap_ms in row.gaps_ms:
            at_ns += _ns(gap_ms)
            events.at_ns.append(at_ns)
        events.chars = array("q", [0]) * len(events)
        events.kind = [EventKind.TEXT] * len(events)
    return Record(
        id=row.id,
        index=index,
        status=Status(row.status),
        provider=row.provider,
        model=row.model,
        arm=row.target,
        planned_ns=row.at_unix_ns,
        start_ns=start_ns,
        start_unix_ns=start_ns,
        first_byte_ns=_after(start_ns, row.ttfb_ms),
        end_ns=_after(start_ns, row.e2e_ms),
        events=events,
        usage=Usage(input=row.input_tokens, output=_streamed(row)),
        connection=Connection(
            dns_ns=_after(0, row.dns_ms),
            connect_ns=_after(0, row.connect_ms),
            tls_ns=_after(0, row.tls_ms),
            reused=row.connect_ms is None,
        ),
        cost_usd=row.cost_usd,
        clock_source=row.clock_source,
    )


def _streamed(row: Row) -> int | None:
    """Tokens that came one by one: the row's time of each says how many they were."""
    if not row.tpot_ms or not row.gaps_ms:
        return None
    return round(sum(row.gaps_ms) / row.tpot_ms) + 1


def _after(start_ns: int, length_ms: float | None) -> int | None:
    return None if length_ms is None else start_ns + _ns(length_ms)


def _ns(length_ms: float | None) -> int:
    return round((length_ms or 0.0) * 1e6)
