"""A running sample for the progress display: recent values only, and no numpy."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

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
        return _quantile_ms(sorted(self._ttft_ns), p)

    def itl_ms(self, p: float) -> float | None:
        """Quantile `p` (0 to 1) of the pooled gaps; None before the first sample."""
        return _quantile_ms(sorted(self._itl_ns), p)

    def levels_ms(self, levels: Sequence[float]) -> tuple[list[float], list[float]]:
        """Several quantiles of both at once, empty before the first sample: sorting costs most."""
        ttft, itl = sorted(self._ttft_ns), sorted(self._itl_ns)
        return (
            [found for p in levels if (found := _quantile_ms(ttft, p)) is not None],
            [found for p in levels if (found := _quantile_ms(itl, p)) is not None],
        )

    def newest_ms(self, most: int) -> tuple[list[float], list[float]]:
        """The newest first tokens and gaps, at most so many of each, the oldest first."""
        return _newest_ms(self._ttft_ns, most), _newest_ms(self._itl_ns, most)


def _newest_ms(values_ns: deque[int], most: int) -> list[float]:
    newest = [value / 1e6 for value in islice(reversed(values_ns), most)]
    return newest[::-1]


def _quantile_ms(ordered: Sequence[int], p: float) -> float | None:
    if not ordered:
        return None
    place = p * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return (ordered[below] + (ordered[above] - ordered[below]) * (place - below)) / 1e6
