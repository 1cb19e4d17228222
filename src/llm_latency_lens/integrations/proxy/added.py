"""How late the proxy itself was: from the kernel's stamp of what came in to its being handed on.

Counted in microseconds, exactly up to a bound; of what is above it the longest is known.
"""

from __future__ import annotations

from array import array

from ...metrics.proxied import Delay

_BOUND_US = 1 << 16


class Lateness:
    """Delays, counted. Memory does not grow."""

    __slots__ = ("_counts", "count", "most_ns")

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * (_BOUND_US + 1)))
        self.count = 0
        self.most_ns = 0

    def add(self, delay_ns: int) -> None:
        """One delay. The hot path; the real clock may have been stepped back meanwhile."""
        delay_us = delay_ns // 1000
        self._counts[0 if delay_us < 0 else delay_us if delay_us < _BOUND_US else _BOUND_US] += 1
        self.count += 1
        if delay_ns > self.most_ns:  # noqa: PLR1730  (`max` takes three times as long)
            self.most_ns = delay_ns

    def quantile_ms(self, share: float) -> float | None:
        """The delay that this share of them does not exceed; None without any."""
        if not self.count:
            return None
        rank, passed = share * self.count, 0
        for delay_us, number in enumerate(self._counts):
            passed += number
            if number and passed >= rank:
                # A count holds delays up to the next microsecond.
                found = self.most_ns if delay_us == _BOUND_US else (delay_us + 1) * 1000
                return min(found, self.most_ns) / 1e6
        return self.most_ns / 1e6

    def told(self) -> Delay | None:
        """What they come to; None without any."""
        p50, p99 = self.quantile_ms(0.5), self.quantile_ms(0.99)
        if p50 is None or p99 is None:
            return None
        return Delay(count=self.count, p50=p50, p99=p99, max=self.most_ns / 1e6)
