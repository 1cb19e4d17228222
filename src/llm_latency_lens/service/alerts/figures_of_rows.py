"""Figures of objectives, from the row that is kept of a probe."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ...decide.sla import GAPS, RATE
from ...metrics.columns import NAN
from ...metrics.objectives import COST
from ..probe import Row


def tells(figure: str) -> bool:
    """Whether a row can say what the figure was."""
    return figure in _TOLD or figure in _DERIVED


def figure_of(figure: str, row: Row) -> float | Decimal | None:
    """NaN where the probe had none."""
    if figure == COST:
        return row.cost_usd
    value = _DERIVED[figure](row) if figure in _DERIVED else getattr(row, figure, None)
    return NAN if value is None else float(value)


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _cold_ttft(row: Row) -> float | None:
    return _sum(row.connect_ms, row.dns_ms or 0.0, row.tls_ms or 0.0, row.ttft_ms)


def _tokens_per_second(row: Row) -> float | None:
    return 1e3 / row.tpot_ms if row.tpot_ms else None


_TOLD = frozenset({COST, GAPS, RATE, *Row.__struct_fields__})
_DERIVED: dict[str, Callable[[Row], float | None]] = {
    "cold_ttft_ms": _cold_ttft,
    "corrected_ttft_ms": lambda row: _sum(row.send_lag_ms, row.ttft_ms),
    "corrected_e2e_ms": lambda row: _sum(row.send_lag_ms, row.e2e_ms),
    "output_tokens_per_second": _tokens_per_second,
}
