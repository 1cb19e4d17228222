"""How the load went: the measured window, the rate that was reached, and who was late for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .columns import UNKNOWN
from .context import Context
from .intervals import Floats, quantile
from .result import Lateness

Ints = npt.NDArray[np.int64]

TREND_FEWEST = 50
TREND_CORRELATION = 0.5


@dataclass(slots=True)
class Load:
    """What the marks of all measured requests say of the load."""

    window_s: float = 0.0
    """First start to last end."""
    achieved_rate: float | None = None
    """Starts per second, from the first to the last."""
    planned_rate: float | None = None
    """The same of the plan, as it was drawn."""
    arrivals: int = 0
    """Requests of an open loop that had a planned time and were started."""
    slot_waits: int = 0
    """Of these, requests that found all slots taken when their time came."""
    tool_lag_ms: Lateness | None = None
    """Lateness of the others, less the set-up of their connection: the program's own."""
    tool_share: float = 0.0
    """Largest part of a corrected figure (mean, p50, p95, p99) that this lateness makes up."""
    tool_part_ms: float = 0.0
    """That part itself."""


def measure_load(rows: dict[str, Ints], context: Context) -> Load:
    """`rows` are columns of `columns.ROW`, of first attempts of measured requests."""
    starts = rows["start_ns"][rows["start_ns"] != UNKNOWN]
    ends = rows["end_ns"][rows["end_ns"] != UNKNOWN]
    load = Load()
    if len(starts) and len(ends):
        load.window_s = max(0, int(ends.max()) - int(starts.min())) / 1e9
    stated_s = (context.source or {}).get("window_s")
    if stated_s is not None:
        load.window_s = float(stated_s)
    if context.mode == "open":
        planned = (rows["planned_ns"] != UNKNOWN) & (rows["start_ns"] != UNKNOWN)
        _measure_arrivals(load, {name: column[planned] for name, column in rows.items()}, context)
    return load


def _measure_arrivals(load: Load, rows: dict[str, Ints], context: Context) -> None:
    load.arrivals = len(rows["start_ns"])
    load.achieved_rate = _rate(rows["start_ns"])
    load.planned_rate = _rate(rows["planned_ns"])
    due_ns = _let_go(rows, context.holds_ns)
    free = _found_a_slot(due_ns, rows["end_ns"], context.concurrency)
    load.slot_waits = int((~free).sum())
    setup = np.where(rows["setup_ns"] == UNKNOWN, 0, rows["setup_ns"])
    lag_ns = np.where(free, np.maximum(rows["start_ns"] - due_ns - setup, 0), 0)
    load.tool_lag_ms = lateness(lag_ns[free] / 1e6)
    _weigh_lag(load, rows, lag_ns)


def _weigh_lag(load: Load, rows: dict[str, Ints], lag_ns: Ints) -> None:
    """What the corrected figures would have been, had the program sent on time."""
    ok = rows["ok"] != 0
    told = ok & (rows["first_token_ns"] != UNKNOWN)
    mark, chosen = ("first_token_ns", told) if told.any() else ("end_ns", ok)
    if not chosen.any():
        return
    corrected = (rows[mark] - rows["planned_ns"])[chosen]
    for with_ns, without_ns in zip(
        _levels(corrected), _levels(corrected - lag_ns[chosen]), strict=True
    ):
        if with_ns > 0 and (with_ns - without_ns) / with_ns > load.tool_share:
            load.tool_share = (with_ns - without_ns) / with_ns
            load.tool_part_ms = (with_ns - without_ns) / 1e6


def _levels(values: Ints) -> list[float]:
    ordered = np.sort(values)
    return [float(ordered.mean()), *(quantile(ordered, level) for level in (0.5, 0.95, 0.99))]


def _rate(times_ns: Ints) -> float | None:
    if len(times_ns) < 2:
        return None
    span_ns = int(times_ns.max()) - int(times_ns.min())
    return (len(times_ns) - 1) * 1e9 / span_ns if span_ns else None


def _let_go(rows: dict[str, Ints], holds_ns: Sequence[tuple[int, int]]) -> Ints:
    """The planned times, or when the hold ended that stood between one and its start."""
    due_ns, starts = rows["planned_ns"].copy(), rows["start_ns"]
    for _, end_ns in holds_ns:
        due_ns[(due_ns < end_ns) & (starts >= end_ns)] = end_ns
    return due_ns


def _found_a_slot(due_ns: Ints, ends: Ints, slots: int | None) -> npt.NDArray[np.bool_]:
    """Whether fewer requests than there are slots were wanted or under way when one was due."""
    if slots is None:
        return np.ones(len(due_ns), np.bool_)
    wanted = np.searchsorted(np.sort(due_ns), due_ns, side="left")
    done = np.searchsorted(np.sort(ends[ends != UNKNOWN]), due_ns, side="right")
    found: npt.NDArray[np.bool_] = wanted - done < slots
    return found


def lateness(values: Floats) -> Lateness | None:
    """Quantiles of how late the program was; None without a value."""
    if not len(values):
        return None
    ordered = np.sort(values)
    return Lateness(p50=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), max=float(ordered[-1]))


def trend(values: Floats) -> float:
    """Median of the second half over that of the first, where a figure rises or falls throughout.

    1 where it does not: fewer than 50 values, or a rank correlation with time within 0.5 of zero.
    """
    n = len(values)
    if n < TREND_FEWEST:
        return 1.0
    ordered = np.sort(values)
    ranks = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")
    if not ranks.std():
        return 1.0
    if abs(float(np.corrcoef(ranks, np.arange(n))[0, 1])) < TREND_CORRELATION:
        return 1.0
    first, second = np.sort(values[: n // 2]), np.sort(values[n // 2 :])
    before = quantile(first, 0.5)
    return quantile(second, 0.5) / before if before > 0.0 else 1.0
