"""From the records of calls that went through a proxy to what each model comes to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from ..clock import MS_NS
from ..record import Record, Status
from .context import Context
from .proxied import Added, Proxied, Route, Times
from .sites import Line

_Key = tuple[str, str]


@dataclass(slots=True)
class _Calls:
    """What is gathered of the calls to one model."""

    line: Line = field(default_factory=Line)
    gaps_ns: array[int] = field(default_factory=lambda: array("q"))
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, record: Record) -> None:
        self.line.add(record)
        self.input_tokens += record.usage.input or 0
        self.output_tokens += record.usage.output or 0
        if record.status is Status.OK:
            self.gaps_ns.extend(record.events.gaps_ns())

    def route(self, key: _Key) -> Route:
        line = self.line
        provider, model = key
        return Route(
            provider=provider,
            model=model,
            calls=line.attempts - line.retries,
            attempts=line.attempts,
            ok=line.statuses[Status.OK],
            failed=line.statuses[Status.FAILED],
            cancelled=line.statuses[Status.CANCELLED],
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost=line.cost,
            unpriced=line.unpriced,
            ttft_ms=_times(line.ttft_ns),
            itl_ms=_times(self.gaps_ns),
            e2e_ms=_times(line.e2e_ns),
            errors=dict(line.errors.most_common()),
        )


def proxied_of(records: Iterable[Record], context: Context) -> Proxied:
    """What the calls of one run come to."""
    found: dict[_Key, _Calls] = {}
    sources: set[str] = set()
    for record in records:
        sources.add(record.clock_source)
        found.setdefault((record.provider, record.model), _Calls()).add(record)
    routes = [calls.route(key) for key, calls in found.items()]
    routes.sort(key=lambda route: (-route.attempts, route.provider, route.model))
    costs = [route.cost for route in routes if route.cost is not None]
    config, health = context.config, context.health
    return Proxied(
        name=context.name,
        upstream=str(config.get("upstream") or ""),
        wall_s=health.capture_s if health else 0.0,
        calls=sum(route.calls for route in routes),
        others=int(config.get("others") or 0),
        unkept=int(config.get("unkept") or 0),
        cost=sum(costs, Decimal(0)) if costs else None,
        unpriced=sum(route.unpriced for route in routes),
        clock_source="mixed" if len(sources) > 1 else next(iter(sources), "user"),
        added=_added(config.get("added")),
        routes=routes,
    )


def _added(kept: Any) -> Added:
    """As the run's configuration has it; a run that was killed has none."""
    return msgspec.convert(kept, Added) if kept else Added()


def _times(sample_ns: Sequence[int]) -> Times | UnsetType:
    if not len(sample_ns):
        return UNSET
    levels = np.quantile(np.asarray(sample_ns), (0.5, 0.95, 0.99, 1)) / MS_NS
    p50, p95, p99, most = (float(value) for value in levels)
    return Times(count=len(sample_ns), p50=p50, p95=p95, p99=p99, max=most)
