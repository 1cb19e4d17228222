"""How values are spread: quantiles, and a histogram in one line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics.intervals import quantile
from .figures import fixed, places
from .page import Page
from .strip import histogram

_LEVELS = (("min", 0.0), ("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
_WIDTH = 40


def distribution(page: Page, name: str, values: Sequence[float]) -> None:
    """Print it of some values, in the unit that the name says; there must be one."""
    ordered = np.sort(np.array(values))
    decimals = places(quantile(ordered, 0.5))
    shown = [(head, fixed(quantile(ordered, level), decimals)) for head, level in _LEVELS]
    page.line(f"{name}, {len(values):,} values")
    page.line("  " + "  ".join(f"{head} {value}" for head, value in shown))
    low, high = shown[0][1], shown[-1][1]
    page.line(f"  {low} {histogram(values, _WIDTH)} {high}")
