"""Whether a mean is larger in one sample than in another: a one-sided two-sample test.

Welch's t with Hall's transformation, which takes the skewness of both samples out of it: latencies
have a long right tail, and the plain t would call a run worse too often where the baseline is the
smaller sample. What a sample is worth (`metrics.intervals`) stands where its size would.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from ..metrics.intervals import Floats
from ..metrics.special import normal_quantile, t_cdf


@dataclass(frozen=True, slots=True)
class Moments:
    """A mean, and the moments of what it was made of."""

    mean: float
    variance: float
    third: float
    """Third central moment."""
    worth: float

    @classmethod
    def of(cls, values: Floats, worth: float) -> Moments:
        return cls.about(float(values.mean()), values - values.mean(), worth)

    @classmethod
    def about(cls, mean: float, residuals: Floats, worth: float) -> Moments:
        """From what each request leaves beside the mean; of a ratio, linearized."""
        n = len(residuals)
        return cls(
            mean,
            float(np.square(residuals).sum()) / max(n - 1, 1),
            float((residuals**3).mean()),
            worth,
        )

    def scaled(self, factor: float, shift: float = 0.0) -> Moments:
        return Moments(
            self.mean * factor + shift,
            self.variance * factor**2,
            self.third * factor**3,
            self.worth,
        )


def larger(a: Moments, b: Moments) -> float:
    """p-value of "the mean of b is not larger than that of a"."""
    apart = b.mean - a.mean
    squares = a.variance / a.worth, b.variance / b.worth
    error = sqrt(sum(squares))
    if error <= 1e-12 * max(abs(a.mean), abs(b.mean)):
        return 0.0 if apart > 1e-9 * abs(a.mean) else 1.0
    skewness = (b.third / b.worth**2 - a.third / a.worth**2) / error**3
    t = _unskewed(apart / error, skewness)
    parts = (
        square**2 / max(one.worth - 1.0, 1e-9) for square, one in zip(squares, (a, b), strict=True)
    )
    return 1.0 - t_cdf(t, error**4 / sum(parts))


def _unskewed(t: float, skewness: float) -> float:
    """Hall's transformation of a t with the skewness of its numerator."""
    return t + skewness * t**2 / 3.0 + skewness**2 * t**3 / 27.0 + skewness / 6.0


def enough(a: Moments, b: Moments, change: float, alpha: float, power: float) -> float:
    """Independent observations that each sample would need to be worth, for a change of the mean
    by so much to be found with this power."""
    if change <= 0.0:
        return inf
    reach = normal_quantile(1.0 - alpha) + normal_quantile(power)
    return reach**2 * (a.variance + b.variance) / change**2 + 2.0
