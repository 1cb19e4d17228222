"""Limits: the one grammar in which they are written wherever there is one.

    ttft_ms<800   e2e_ms<=1.5s                      of a single request
    ttft_ms.p95<800   error_rate<1%   cost.per_request<0.05      of a result (`decide.thresholds`)

A time may carry its unit, a share its percent sign; money is compared as decimals.
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
    r"\s*(?P<metric>[A-Za-z_]\w*(?:\.[\w-]+)*)\s*(?P<sign><=|>=|<|>)"
    r"\s*(?P<limit>-?[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>%|us|ms|s|m|h)?\s*",
    re.ASCII,
)
_KEEPS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SHARES = frozenset({"error_rate", "share", "share_of_time"})
_NO_TIMES = frozenset({"count", "requests"})
"""How many samples a figure has, whatever it is a figure of."""


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


def parse_limit(text: str, wrong: Callable[[str], str | None]) -> Objective:
    """A limit on a figure, in the unit that the figure's name says; `wrong` tells what is the
    matter with a name. Raises UsageError."""
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no objective: write a metric, a sign, a limit: ttft_ms<800")
    metric, unit = found["metric"], found["unit"]
    if matter := wrong(metric):
        raise UsageError(f"{text!r} is no objective: {matter}")
    limit = Decimal(found["limit"])
    if unit == "%":
        if metric.split(".")[-1] not in _SHARES:
            raise UsageError(f"{text!r} is no objective: {metric} is no share and takes no %")
        limit /= 100
    elif unit:
        own = unit_of(metric)
        if own is None:
            raise UsageError(f"{text!r} is no objective: {metric} is no time and takes no unit")
        limit = limit * _NS[unit] / _NS[own]
    is_money = metric.startswith("cost.")
    return Objective(text.strip(), metric, found["sign"], limit if is_money else float(limit))


def unit_of(metric: str) -> str | None:
    """The unit of time in a figure's name: `ms` of `ttft_ms.p95`; None where it is no time."""
    parts = metric.split(".")
    if parts[-1] in _NO_TIMES:
        return None
    ends = (part.rpartition("_")[2] for part in reversed(parts) if "_" in part)
    return next((end for end in ends if end in ("ns", "us", "ms", "s")), None)


def parse_objective(text: str) -> Objective:
    """A limit on a single request. Raises UsageError for what is none."""
    return parse_limit(text, _wrong)


def _wrong(metric: str) -> str | None:
    return None if metric in METRICS else f"one request has no {metric}, but {', '.join(METRICS)}"
