"""Limits that a single request meets or misses: `ttft_ms<800`, `e2e_ms<=1.5s`.

The grammar is the one of every limit in this project, without the part that names a quantile.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import UsageError

COST = "cost.per_request"
METRICS = (
    "ttft_ms",
    "answer_ms",
    "ttfb_ms",
    "e2e_ms",
    "tpot_ms",
    "cold_ttft_ms",
    "send_lag_ms",
    "corrected_ttft_ms",
    "corrected_e2e_ms",
    "output_tokens_per_second",
    COST,
)
_GRAMMAR = re.compile(
    r"\s*(?P<metric>[a-z0-9_]+(?:\.per_request)?)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[0-9]+(?:\.[0-9]+)?)"
    r"\s*(?P<unit>us|ms|s|m)?\s*"
)
_KEEPS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit; `limit` is in the metric's own unit, a decimal for money."""

    text: str
    metric: str
    sign: str
    limit: float | Decimal

    def met(self, value: float | Decimal | None) -> bool:
        """Whether this value keeps the limit; one that does not exist (NaN, None) does not."""
        return value is not None and _KEEPS[self.sign](value, self.limit)


def parse_objective(text: str) -> Objective:
    """Raises UsageError for what is no limit on a request."""
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no objective: write a metric, a sign, a limit: ttft_ms<800")
    metric, unit = found["metric"], found["unit"]
    if metric not in METRICS:
        known = ", ".join(METRICS)
        raise UsageError(f"{text!r} is no objective: one request has no {metric}, but {known}")
    if unit and not metric.endswith("_ms"):
        raise UsageError(f"{text!r} is no objective: {metric} is no time and takes no unit")
    if metric == COST:
        return Objective(text.strip(), metric, found["sign"], Decimal(found["limit"]))
    limit = float(found["limit"]) * _MS[unit or "ms"]
    return Objective(text.strip(), metric, found["sign"], limit)
