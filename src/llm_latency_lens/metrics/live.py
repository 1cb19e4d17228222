"""A running sample for the progress display: recent values only, and no numpy."""

from __future__ import annotations

from collections import deque

from ..record import Record, Status

KEPT = 4000


class LiveSample:
    """The last few thousand first tokens and gaps of requests that succeeded."""

    __slots__ = ("_itl_ns", "_ttft_ns")

    def __init__(self, kept: int = KEPT) -> None:
        self._ttft_ns: deque[int] = deque(maxlen=kept)
        self._itl_ns: deque[int] = deque(maxlen=kept)

    def add(self, record: Record) -> None:
        """Take a record; warm-up, retries and requests that did not succeed are passed over."""
        if record.warmup or record.attempt or record.status is not Status.OK:
            return
        if record.ttft_ns is not None:
            self._ttft_ns.append(record.ttft_ns)
        self._itl_ns.extend(record.events.gaps_ns())

    def ttft_ms(self, p: float) -> float | None:
        """Quantile `p` (0 to 1) of the time to first token; None before the first sample."""
        return _quantile_ms(self._ttft_ns, p)

    def itl_ms(self, p: float) -> float | None:
        """Quantile `p` (0 to 1) of the pooled gaps; None before the first sample."""
        return _quantile_ms(self._itl_ns, p)


def _quantile_ms(values_ns: deque[int], p: float) -> float | None:
    if not values_ns:
        return None
    ordered = sorted(values_ns)
    place = p * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return (ordered[below] + (ordered[above] - ordered[below]) * (place - below)) / 1e6
