"""Service levels held against requests: what was kept in each window, and what is left to spend."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from ..metrics import schema
from ..record import Record, Status
from .counted import counted
from .sla import Promise, Sla

Schema = Literal["latency-lens.sla/1"]
SCHEMA: Schema = "latency-lens.sla/1"
Ints = npt.NDArray[np.int64]

_S = 10**9


class Window(msgspec.Struct, kw_only=True, frozen=True):
    """One objective over one window.

    `total` are the requests (of `itl_ms` the gaps) that counted, `missed` those that did not keep
    the limit. `burn_rate` is how many times as fast as allowed the budget was spent: 1 just lasts.
    `spent` is the share of the whole budget, that of the longest window, that went in this one.
    `covered_s` is the time between the first and the last request in the window.
    """

    window: str
    objective: str
    target: float
    total: int
    missed: int
    share: float | None
    met: bool
    burn_rate: float | None
    spent: float | None
    covered_s: float


class Budget(msgspec.Struct, kw_only=True, frozen=True):
    """The error budget of one objective over the longest window, in requests (or gaps)."""

    objective: str
    window: str
    allowed: float
    spent: int
    left: float


class Held(msgspec.Struct, kw_only=True, frozen=True):
    """What service levels came to. `until_unix_ns` is the end of the last request, where every
    window ends; `passed` says whether every objective was met in every window."""

    schema: Schema = SCHEMA
    name: str
    passed: bool
    until_unix_ns: int
    runs: list[str]
    windows: list[Window]
    budgets: list[Budget]


@dataclass(slots=True)
class Ledger:
    """Takes the records of any number of runs, in any order; none is kept."""

    sla: Sla
    _ends: array[int] = field(default_factory=lambda: array("q"))
    _counts: array[int] = field(default_factory=lambda: array("q"))
    """For each request and promise: how many counted, and how many missed."""

    def add(self, record: Record) -> None:
        """Warm-up, retries and what the user cancelled do not count."""
        at_ns = _ended_unix_ns(record)
        if record.warmup or record.attempt or record.status is Status.CANCELLED or at_ns is None:
            return
        self._ends.append(at_ns)
        for promise in self.sla.promises:
            self._counts.extend(counted(promise, record))

    def held(self, runs: Sequence[str]) -> Held:
        """All that was added, up to the last request."""
        promises = self.sla.promises
        ends = np.frombuffer(self._ends, np.int64) if self._ends else np.zeros(0, np.int64)
        counts = np.array(self._counts, np.int64).reshape(len(ends), len(promises), 2)
        until_ns = int(ends.max()) if len(ends) else 0
        longest, longest_s = list(self.sla.windows.items())[-1]
        whole = counts[ends > until_ns - longest_s * _S].sum(axis=0)
        budgets = [
            _budget(promise, longest, *map(int, whole[i])) for i, promise in enumerate(promises)
        ]
        windows = [
            _window(name, promise, budgets[i], ends[inside], counts[inside, i])
            for i, promise in enumerate(promises)
            for name, seconds in self.sla.windows.items()
            for inside in (ends > until_ns - seconds * _S,)
        ]
        return Held(
            name=self.sla.name,
            passed=all(window.met for window in windows),
            until_unix_ns=until_ns,
            runs=list(runs),
            windows=windows,
            budgets=budgets,
        )


def _ended_unix_ns(record: Record) -> int | None:
    if record.start_unix_ns is None:
        return None
    if record.start_ns is None or record.end_ns is None:
        return record.start_unix_ns
    return record.start_unix_ns + record.end_ns - record.start_ns


def _budget(promise: Promise, window: str, total: int, missed: int) -> Budget:
    allowed = (1.0 - promise.share) * total
    return Budget(
        objective=promise.text,
        window=window,
        allowed=allowed,
        spent=missed,
        left=allowed - missed,
    )


def _window(name: str, promise: Promise, budget: Budget, ends: Ints, counts: Ints) -> Window:
    total, missed = (int(count) for count in counts.sum(axis=0))
    share = 1.0 - missed / total if total else None
    return Window(
        window=name,
        objective=promise.text,
        target=promise.share,
        total=total,
        missed=missed,
        share=share,
        # A millionth of a request does not miss a target: 1 - 0.99 is no decimal.
        met=total > 0 and missed <= (1.0 - promise.share) * total + 1e-6,
        burn_rate=missed / total / (1.0 - promise.share) if total else None,
        spent=missed / budget.allowed if budget.allowed else None,
        covered_s=(int(ends.max()) - int(ends.min())) / _S if len(ends) else 0.0,
    )


def encode(held: Held) -> bytes:
    """As one JSON document without line breaks."""
    return schema.encode(held)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what service levels came to."""
    return schema.schema_of(Held)
