"""Limits that a single request meets or misses: `ttft_ms<800`, `e2e_ms<=1.5s`.

The grammar is the one of every limit in this project, without the part that names a quantile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError

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
)
_GRAMMAR = re.compile(
    r"\s*(?P<metric>[a-z0-9_]+)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[0-9]+(?:\.[0-9]+)?)"
    r"\s*(?P<unit>us|ms|s|m)?\s*"
)
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit; `limit` is in the metric's own unit."""

    text: str
    metric: str
    sign: str
    limit: float

    def met(self, value: float) -> bool:
        """Whether this value keeps the limit; a value that does not exist (NaN) does not."""
        if self.sign == "<":
            return value < self.limit
        if self.sign == "<=":
            return value <= self.limit
        return value > self.limit if self.sign == ">" else value >= self.limit


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
    limit = float(found["limit"]) * _MS[unit or "ms"]
    return Objective(text.strip(), metric, found["sign"], limit)
