"""Columns in, summaries out: the figures of a result with their intervals."""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from .columns import FIGURES, OF_OPEN_LOOP
from .intervals import Floats, Found, Values, of_gaps, of_requests, quantile
from .result import Intervals, Summary

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

NS_A_MS = 1e6
_BLOCK = 1 << 18


def of_figures(table: Floats, *, open_loop: bool) -> dict[str, Summary]:
    """Summaries of `FIGURES`: one row an answer, in the order of the starts, NaN for no value."""
    summaries = {}
    for column, name in enumerate(FIGURES):
        if name in OF_OPEN_LOOP and not open_loop:
            continue
        values = table[:, column]
        values = values[~np.isnan(values)]
        if len(values):
            ordered = np.sort(values)
            summaries[name] = _summary(ordered, len(values), of_requests(values, ordered), 1.0)
    return summaries


def of_itl(gaps_ns: Ints, begins: Indices, order: Indices) -> Summary | None:
    """The pooled gaps in milliseconds; `intervals.of_gaps` explains the arguments."""
    if not len(gaps_ns):
        return None
    ordered = np.sort(gaps_ns)
    return _summary(ordered, len(begins), of_gaps(gaps_ns, begins, order, ordered), NS_A_MS)


def _summary(ordered: Values, requests: int, found: Found, unit: float) -> Summary:
    """`unit` divides every value. One value has a standard deviation of 0: it was not spread."""
    mean = float(ordered.sum()) / len(ordered)
    return Summary(
        count=len(ordered),
        requests=requests,
        mean=mean / unit,
        stddev=_deviation(ordered, mean) / unit,
        min=float(ordered[0]) / unit,
        p50=quantile(ordered, 0.50) / unit,
        p90=quantile(ordered, 0.90) / unit,
        p95=quantile(ordered, 0.95) / unit,
        p99=quantile(ordered, 0.99) / unit,
        p999=quantile(ordered, 0.999) / unit,
        max=float(ordered[-1]) / unit,
        ci95=Intervals(**{k: (low / unit, high / unit) for k, (low, high) in found.limits.items()}),
        ci_method=found.method if found.limits else "none",
    )


def _deviation(values: Values, mean: float) -> float:
    """Standard deviation (n - 1), block by block: millions of gaps are not copied once more."""
    n, squares = len(values), 0.0
    for begin in range(0, n, _BLOCK):
        apart = values[begin : begin + _BLOCK] - mean
        squares += float(apart @ apart)
    return sqrt(squares / (n - 1)) if n > 1 else 0.0
