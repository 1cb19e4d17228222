"""What one request adds to an objective: how many of its requests (or gaps) count, and how many of
them missed the limit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isnan

from ..metrics.columns import FIGURES, NAN
from ..metrics.objectives import COST
from ..record import Record, Status
from .sla import GAPS, RATE, Promise


def counted(promise: Promise, record: Record) -> tuple[int, int]:
    """The two numbers for a request; nobody calls this with one that its user cancelled."""
    ok = record.status is Status.OK
    gaps_ms = [gap / 1e6 for gap in record.events.gaps_ns()] if promise.figure == GAPS else ()
    return count(promise, ok=ok, value=_value(promise.figure, record) if ok else NAN, gaps=gaps_ms)


def count(
    promise: Promise, *, ok: bool, value: float | Decimal | None, gaps: Sequence[float]
) -> tuple[int, int]:
    """The same of bare numbers: `value` is the promise's figure, NaN where there is none; `gaps`
    are milliseconds."""
    if promise.figure == RATE or (not ok and promise.failures):
        return 1, not ok
    if not ok:
        return 0, 0
    if promise.figure == GAPS:
        return len(gaps), sum(not promise.limit.met(gap) for gap in gaps)
    absent = value is None or isnan(value)
    if absent and not promise.failures:
        return 0, 0
    return 1, not promise.limit.met(value)


def _value(figure: str, record: Record) -> float | Decimal | None:
    if figure == COST:
        return record.cost_usd
    return FIGURES[figure](record) if figure in FIGURES else NAN
