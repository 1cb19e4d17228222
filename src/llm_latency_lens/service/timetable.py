"""When a target is probed: pure, seeded, on the monotonic clock.

Probe n is due at `origin + n * interval`, moved by a jitter of its own that is drawn from the seed,
so that times are the same in every run and no lateness adds up. Whatever could not be begun in its
time is skipped, never made up for: a stall is not followed by a burst.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from ..clock import SECOND_NS

_GOLDEN = (math.sqrt(5) - 1) / 2


def phase(place: int) -> float:
    """Where in its interval the target that came as number `place` begins, from 0 to 1: however
    many there are, they are spread evenly, and one that joins moves none (Weyl's sequence)."""
    return place * _GOLDEN % 1.0


@dataclass(slots=True)
class Timetable:
    """The times of one target. `origin_ns` is that of probe 0; `jitter` is the share of the
    interval within which a probe is moved."""

    origin_ns: int
    interval_s: float
    jitter: float
    seed: str
    """Text, for the hash of a tuple differs between processes."""
    next: int = 0
    """The number of the next probe."""

    def due_ns(self) -> int:
        """When the next probe is to begin."""
        return self._at(self.next)

    def take(self, now_ns: int) -> int:
        """The next probe begins or is left out; gives how many behind it are missed by now."""
        self.next += 1
        return self.pass_over(now_ns)

    def pass_over(self, now_ns: int) -> int:
        """Leave out every probe that was due before now; gives their number."""
        first = self.next
        # Jitter moves a probe by less than an interval: only the last one has to be looked at.
        span_ns = self.interval_s * SECOND_NS
        self.next = max(first, math.floor((now_ns - self.origin_ns) / span_ns))
        while self._at(self.next) < now_ns:
            self.next += 1
        return self.next - first

    def _at(self, number: int) -> int:
        drawn = random.Random(f"{self.seed}/{number}").random() - 0.5 if self.jitter else 0.0
        moved = number + (drawn * self.jitter if number else 0.0)
        return self.origin_ns + round(moved * self.interval_s * SECOND_NS)
