"""Arrivals of an open loop. Each is worked out from its number alone: nothing drifts, and several
processes can share one schedule by asking for numbers of their own.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable
from fractions import Fraction

from ..clock import SECOND_NS
from ..errors import UsageError

Schedule = Callable[[int], int | None]
"""The n-th arrival (from 0), as nanoseconds after the start of the run; None ends the run."""


def constant(
    rate: float, *, requests: int | None = None, duration_ns: int | None = None
) -> Schedule:
    """Arrivals at even distances, the first at 0.

    The n-th is n / rate rounded to a nanosecond, exactly: the rate is taken as the decimal that
    was typed, so that 0.1 is a tenth. `rate` is in requests a second. It ends after `requests`
    arrivals and before `duration_ns`, whichever comes first, or never. Raises `UsageError` for a
    rate or an end that is not positive.
    """
    _check(rate, requests, duration_ns)
    distance = Fraction(SECOND_NS) / Fraction(repr(rate))
    twice_top, twice_bottom = 2 * distance.numerator, 2 * distance.denominator

    def arrival(n: int) -> int | None:
        if requests is not None and n >= requests:
            return None
        at_ns = (n * twice_top + distance.denominator) // twice_bottom
        return None if duration_ns is not None and at_ns >= duration_ns else at_ns

    return arrival


def poisson(
    rate: float,
    seed: int = 0,
    *,
    requests: int | None = None,
    duration_ns: int | None = None,
) -> Schedule:
    """Arrivals of a Poisson process: independent, exponentially distributed distances.

    The same seed gives the same arrivals in every process, whatever order they are asked in;
    those worked out so far are remembered, at 8 bytes each. Ends and errors are those of
    `constant`.
    """
    _check(rate, requests, duration_ns)
    # Of the random module only random() is promised to give the same numbers in later versions.
    uniform = random.Random(seed).random
    arrivals = array("q")

    def arrival(n: int) -> int | None:
        if requests is not None and n >= requests:
            return None
        while len(arrivals) <= n:
            last_ns = arrivals[-1] if arrivals else 0
            if duration_ns is not None and last_ns >= duration_ns:
                return None
            arrivals.append(last_ns + round(-math.log1p(-uniform()) / rate * SECOND_NS))
        at_ns = arrivals[n]
        return None if duration_ns is not None and at_ns >= duration_ns else at_ns

    return arrival


def _check(rate: float, requests: int | None, duration_ns: int | None) -> None:
    if not (math.isfinite(rate) and rate > 0):
        raise UsageError(f"a rate of {rate} requests a second cannot be sent: it must be above 0")
    if requests is not None and requests < 1:
        raise UsageError(f"{requests} requests cannot be sent: it must be at least 1")
    if duration_ns is not None and duration_ns < 1:
        raise UsageError(f"a duration of {duration_ns / SECOND_NS:g} s is not above 0")
