"""From the records of a program's calls to what each of its lines waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from msgspec import UNSET, UnsetType

from ..clock import MS_NS, SECOND_NS
from ..record import Record, Status
from .context import Context
from .program import Program, Site, Spread

_Key = tuple[str | None, str, str]
_Span = tuple[int, int]


@dataclass(slots=True)
class Line:
    """What is gathered of one line's calls to one model, or of all calls to one."""

    attempts: int = 0
    retries: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    ttft_ns: list[int] = field(default_factory=list)
    e2e_ns: list[int] = field(default_factory=list)
    spans: list[_Span] = field(default_factory=list)
    cost: Decimal | None = None
    unpriced: int = 0

    def add(self, record: Record) -> None:
        self.attempts += 1
        self.retries += record.attempt > 0
        self.statuses[record.status] += 1
        if record.error is not None:
            self.errors[str(record.error.kind)] += 1
        if record.start_ns is not None and record.end_ns is not None:
            self.spans.append((record.start_ns, record.end_ns))
        if record.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost = (self.cost or Decimal(0)) + record.cost_usd
        if record.status is Status.OK:
            self._answered(record)

    def _answered(self, record: Record) -> None:
        if record.ttft_ns is not None:
            self.ttft_ns.append(record.ttft_ns)
        if record.e2e_ns is not None:
            self.e2e_ns.append(record.e2e_ns)

    def site(self, key: _Key, wall_s: float) -> Site:
        waited = covered_s(self.spans)
        return Site(
            site=key[0],
            provider=key[1],
            model=key[2],
            calls=self.attempts - self.retries,
            attempts=self.attempts,
            ok=self.statuses[Status.OK],
            failed=self.statuses[Status.FAILED],
            cancelled=self.statuses[Status.CANCELLED],
            waited_s=waited,
            share=_share(waited, wall_s),
            cost=self.cost,
            unpriced=self.unpriced,
            ttft_ms=_spread(self.ttft_ns),
            e2e_ms=_spread(self.e2e_ns),
            errors=dict(self.errors.most_common()),
        )


def program_of(records: Iterable[Record], context: Context) -> Program:
    """What the calls of one run come to."""
    lines: dict[_Key, Line] = {}
    for record in records:
        key = (record.tag, record.provider, record.model)
        lines.setdefault(key, Line()).add(record)
    wall_s = context.health.capture_s if context.health else 0.0
    sites = [line.site(key, wall_s) for key, line in lines.items()]
    sites.sort(key=lambda site: (-site.waited_s, site.site or ""))
    waited = covered_s(span for line in lines.values() for span in line.spans)
    costs = [site.cost for site in sites if site.cost is not None]
    return Program(
        name=context.name or str(context.config.get("command") or ""),
        wall_s=wall_s,
        calls=sum(site.calls for site in sites),
        waited_s=waited,
        share=_share(waited, wall_s),
        cost=sum(costs, Decimal(0)) if costs else None,
        unpriced=sum(site.unpriced for site in sites),
        clock_source=context.health.clock_source if context.health else "user",
        sites=sites,
    )


def covered_s(spans: Iterable[_Span]) -> float:
    """How long at least one of these spans of nanoseconds was under way, in seconds."""
    return sum(end - begin for begin, end in _joined(spans)) / SECOND_NS


def _joined(spans: Iterable[_Span]) -> Iterator[_Span]:
    """The spans with those that overlap made one."""
    ordered = sorted(spans)
    if not ordered:
        return
    begin, end = ordered[0]
    for its_begin, its_end in ordered[1:]:
        if its_begin > end:
            yield begin, end
            begin, end = its_begin, its_end
        else:
            end = max(end, its_end)
    yield begin, end


def _share(part_s: float, whole_s: float) -> float:
    return min(1.0, part_s / whole_s) if whole_s else 0.0


def _spread(sample_ns: list[int]) -> Spread | UnsetType:
    if not sample_ns:
        return UNSET
    p50, p95, most = (float(value) for value in np.quantile(sample_ns, (0.5, 0.95, 1)) / MS_NS)
    return Spread(count=len(sample_ns), p50=p50, p95=p95, max=most)
