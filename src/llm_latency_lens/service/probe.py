"""One probe that has ended: its record, and the row that is kept and shown of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import isnan

import msgspec

from ..metrics.columns import FIGURES
from ..metrics.stalls import stalls_of
from ..record import Record


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is kept of a probe: numbers and names, no text of a prompt or an answer.

    `at_unix_ns` is when the schedule wanted it to start; figures are those of the definitions,
    in milliseconds, and None where the probe did not get that far.
    """

    target: str
    id: str
    at_unix_ns: int
    provider: str
    model: str
    status: str
    region: str | None = None
    response_model: str | None = None
    fingerprint: str | None = None
    error_kind: str | None = None
    error_stage: str | None = None
    error: str | None = None
    http_status: int | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None
    ttfb_ms: float | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    send_lag_ms: float | None = None
    gaps_ms: list[float] = []
    stalls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    start_lag_ms: float | None = None
    """How late it was begun: the monitor's own lateness. `send_lag_ms` has the connection's set-up
    besides. None where nobody planned it."""
    clock_source: str = "kernel"
    clock_step_ms: float = 0.0
    asked_for: bool = False
    """Asked for by a person, through the interface, and not by the schedule."""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(frozen=True, slots=True)
class Probe:
    """What takers are told."""

    row: Row
    record: Record
    """Its `arm` is the target's name; its events carry no text."""


Taker = Callable[[Probe], None]

_FIGURES = (
    "ttft_ms", "tpot_ms", "e2e_ms", "ttfb_ms", "dns_ms", "connect_ms", "tls_ms", "send_lag_ms",
)  # fmt: skip


def row_of(
    record: Record, at_unix_ns: int, region: str | None = None, *, asked_for: bool = False
) -> Row:
    """The row of a record."""
    error = record.error.unquoted() if record.error else None
    gaps = record.events.gaps_ns()
    figures = {name: FIGURES[name](record) for name in _FIGURES}
    return Row(
        target=record.arm or "",
        id=record.id,
        at_unix_ns=at_unix_ns,
        provider=record.provider,
        model=record.model,
        status=str(record.status),
        region=region,
        response_model=record.response_model,
        fingerprint=record.fingerprint,
        error_kind=None if error is None else str(error.kind),
        error_stage=None if error is None else str(error.stage),
        error=None if error is None else error.message,
        http_status=None if error is None else error.http_status,
        **{name: None if isnan(value) else value for name, value in figures.items()},
        gaps_ms=[gap / 1e6 for gap in gaps],
        stalls=len(stalls_of(gaps)),
        input_tokens=record.usage.input,
        output_tokens=record.usage.output,
        cost_usd=record.cost_usd,
        clock_source=record.clock_source,
        clock_step_ms=record.clock_step_ns / 1e6,
        asked_for=asked_for,
    )
