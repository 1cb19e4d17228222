"""Samples counted by size, as Prometheus and OpenTelemetry want them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Example(NamedTuple):
    """One sample of a bucket, and the trace and the request to which it belongs."""

    trace_id: str
    value: float
    unix_ns: int
    request_id: str = ""


class Tally:
    """A histogram that is filled one sample after the other.

    Samples are whole numbers of `1 / scale` (nanoseconds for a scale of a billion), so that their
    sum is exact; bounds and sums that come out are in the unit itself. A bucket takes what is at
    most its bound, and the last one, which has no bound, the rest.
    """

    __slots__ = ("_bounds", "_scale", "_total", "bounds", "count", "counts", "examples", "limits")

    def __init__(self, bounds: Sequence[float], scale: int = 1_000_000_000) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.count = 0
        self.limits: tuple[float, float] | None = None
        """The smallest and the largest sample."""
        self.examples: dict[int, Example] = {}
        """The latest sample of each bucket that was given with a trace."""
        self._bounds = [round(bound * scale) for bound in bounds]
        self._scale = scale
        self._total: float = 0

    def add(
        self,
        samples: Iterable[float],
        trace_id: str = "",
        unix_ns: int = 0,
        request_id: str = "",
    ) -> None:
        """Take some samples of one request; None of them may be negative."""
        bounds, counts, latest = self._bounds, self.counts, {}
        held = list(samples)
        if not held:
            return
        for sample in held:
            place = bisect_left(bounds, sample)
            counts[place] += 1
            latest[place] = sample
        self.count += len(held)
        self._total += sum(held)
        low, high = min(held) / self._scale, max(held) / self._scale
        known = self.limits or (low, high)
        self.limits = min(low, known[0]), max(high, known[1])
        if trace_id:
            for place, sample in latest.items():
                self.examples[place] = Example(trace_id, sample / self._scale, unix_ns, request_id)

    @property
    def sum(self) -> float:
        return self._total / self._scale
