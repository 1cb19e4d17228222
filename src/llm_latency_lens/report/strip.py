"""Series of times as characters: bars that begin where a phase begins, and a strip of gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_LEVELS = "▁▂▃▄▅▆▇█"
_TALLEST = 4.0
"""Times the median; whatever is longer is as high, or one freeze would flatten all the rest."""


def bar(begin: float, length: float, total: float, width: int) -> str:
    """A bar of `length` that begins at `begin`, where `width` columns are `total`."""
    if total <= 0:
        return ""
    first = min(int(begin / total * width), width - 1)
    columns = round(length / total * width)
    return " " * first + ("█" * min(columns, width - first) if columns else "▏")


def hill(shares: Sequence[float]) -> str:
    """A character for each share, as high as it is beside the largest; a blank for none at all."""
    top = max(shares)
    return "".join(
        _LEVELS[math.ceil(share / top * len(_LEVELS)) - 1] if share else " " for share in shares
    )


@dataclass(frozen=True, slots=True)
class Strip:
    """Each of `columns` is a character whose height stands for the longest of `per_column`
    values, up to `top`; the columns in `over` stand for more than that."""

    columns: str
    over: frozenset[int]
    per_column: int
    top: float


def strip(values: Sequence[float], width: int) -> Strip:
    """Draw values of 0 or more in at most `width` columns; there must be one above 0."""
    per_column = math.ceil(len(values) / width)
    longest = [max(values[i : i + per_column]) for i in range(0, len(values), per_column)]
    top = min(max(longest), _TALLEST * median(longest)) or max(longest)
    columns = "".join(
        _LEVELS[min(int(value / top * len(_LEVELS)), len(_LEVELS) - 1)] for value in longest
    )
    over = frozenset(i for i, value in enumerate(longest) if value > top)
    return Strip(columns, over, per_column, top)


def histogram(values: Sequence[float], width: int) -> str:
    """`width` bars, from the least value to the greatest; a blank where no value lies. There must
    be one, and none may be infinite."""
    low, high = min(values), max(values)
    counts = [0] * width
    for value in values:
        share = (value - low) / (high - low) if high > low else 0.0
        counts[min(int(share * width), width - 1)] += 1
    return hill(counts)
