"""What the rules of the verdict see, and how they write a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .columns import Lengths
from .context import Context
from .load import Load
from .result import Reason, Result


@dataclass(slots=True, kw_only=True)
class Facts:
    """A result without its verdict, and what is known beside it."""

    result: Result
    context: Context
    load: Load
    lengths: Lengths
    unknown_tokens: int
    """Answers of which nobody counted the output tokens."""
    trend: float
    """See `load.trend`."""


Rule = Callable[[Facts], Iterator[Reason]]


def percent(part: float) -> str:
    """A share for a sentence: two digits are enough."""
    return f"{part * 100:.2g} %" if part < 0.1 else f"{part * 100:.0f} %"


def some(number: int, of: int, what: str) -> str:
    """`3 of 200 requests`."""
    return f"{number:,} of {of:,} {what}"
