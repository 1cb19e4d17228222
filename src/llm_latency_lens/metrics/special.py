"""The few functions of probability that intervals need, so that no statistics library is loaded.

The incomplete beta function is evaluated by its continued fraction (NIST Digital Library of
Mathematical Functions, 8.17.22) with Lentz's method; Student's t and the Clopper-Pearson limits
follow from it.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, fabs, lgamma, log, log1p, sqrt
from statistics import NormalDist

NORMAL = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
_TINY = 1e-300
_CLOSE = 1e-14


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), for a, b > 0."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b); it converges fast for x below the mean."""
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if fabs(d) > _TINY else _TINY)
    c, value, m = 1.0, d, 0
    while True:
        m += 1
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + term * d
            d = 1.0 / (d if fabs(d) > _TINY else _TINY)
            c = 1.0 + term / c
            c = c if fabs(c) > _TINY else _TINY
            value *= c * d
        if fabs(c * d - 1.0) < _CLOSE:
            return value


@lru_cache(maxsize=4096)
def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p, to ten digits of x and of 1 - x, by halving."""
    low, high = 0.0, 1.0
    while high - low > 1e-10 * min(high, 1.0 - low):
        middle = 0.5 * (low + high)
        if middle in (low, high):  # nothing lies between two neighbouring floats
            break
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t for p in (0.5, 1), from t^2 / (df + t^2) being beta distributed."""
    x = beta_quantile(2.0 * p - 1.0, 0.5, df / 2.0)
    return sqrt(df * x / (1.0 - x))


def t_cdf(t: float, df: float) -> float:
    """P(T <= t) for Student's t."""
    beyond = 0.5 * beta_cdf(df / (df + t * t), df / 2.0, 0.5)
    return 1.0 - beyond if t > 0.0 else beyond


@lru_cache(maxsize=256)
def normal_quantile(p: float) -> float:
    """Quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(p)
