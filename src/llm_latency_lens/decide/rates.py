"""Whether a share, such as that of failures, is larger in one sample than in another.

Fisher's exact test, one-sided. Where failures come in bursts, both counts are scaled to the
independent requests that they are worth. An allowed increase is added to the first sample's
failures, which is careful: what is added does not vary.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, lgamma, sqrt

from ..metrics.special import normal_quantile


@dataclass(frozen=True, slots=True)
class Counts:
    """`hits` of `size` independent requests, which need not be whole numbers."""

    hits: float
    size: float

    @property
    def share(self) -> float:
        return self.hits / self.size if self.size else 0.0

    def raised(self, by: float) -> Counts:
        """The same with so much added to the share."""
        return Counts(min(self.size, self.hits + by * self.size), self.size)


def larger(a: Counts, b: Counts) -> float:
    """p-value of "the share in b is not larger than in a"."""
    size_a, size_b = int(a.size), int(b.size)
    if not size_a or not size_b or b.share <= a.share:
        return 1.0
    hits_a = min(size_a, ceil(a.share * size_a - 1e-9))
    hits_b = min(size_b, int(b.share * size_b + 1e-9))
    hits, whole = hits_a + hits_b, size_a + size_b
    most = min(hits, size_b)
    logs = [
        _log_choose(size_b, k) + _log_choose(size_a, hits - k) - _log_choose(whole, hits)
        for k in range(max(hits_b, hits - size_a), most + 1)
    ]
    return min(1.0, sum(map(exp, logs)))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def enough(a: Counts, b: Counts, change: float, alpha: float, power: float) -> float:
    """Independent requests that each sample would need, for a share that is larger by `change` to
    be found with this power (Casagrande, Pike and Smith's correction for Fisher's test)."""
    size = a.size + b.size
    low = (a.hits + b.hits + 0.5) / (size + 1.0)
    high = low + change
    if change <= 0.0 or high >= 1.0:
        return inf
    middle = (low + high) / 2.0
    reach = normal_quantile(1.0 - alpha) * sqrt(2.0 * middle * (1.0 - middle))
    reach += normal_quantile(power) * sqrt(low * (1.0 - low) + high * (1.0 - high))
    plain = reach**2 / change**2
    return plain / 4.0 * (1.0 + sqrt(1.0 + 4.0 / (plain * change))) ** 2
