"""Results as the library gives them: what they were, and readable where they are printed or shown.

The types themselves are data, below everything that makes something of it.
"""

# ruff: noqa: PLW1641  (they hold lists, and were never hashable)

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct, structs

from ..decide.budgets import Held
from ..decide.decision import Decision
from ..decide.gate import Gate
from ..metrics.analysis import Analysis
from ..metrics.coldstart import Coldstart
from ..metrics.comparison import Comparison
from .figures import count
from .gate import headline
from .html import shown
from .spoken import brief, plain

S = TypeVar("S", bound=Struct)


def facing(face: type[S], found: Struct) -> S:
    """The same values with this face."""
    return face(**structs.asdict(found))


def same(one: Struct, other: object) -> bool:
    """Whether they hold the same, with a face or without."""
    if not isinstance(other, Struct) or type(one).__base__ not in type(other).__mro__:
        return False
    return structs.astuple(one) == structs.astuple(other)


class Compared(Comparison, kw_only=True, frozen=True):
    """A comparison with a face."""

    def __repr__(self) -> str:
        return f"Comparison({brief(self)})"

    __str__ = plain
    __eq__ = same

    def _repr_html_(self) -> str:
        return shown.comparison(self)


class Cooled(Coldstart, kw_only=True, frozen=True):
    """A search for cold starts with a face."""

    def __repr__(self) -> str:
        return f"Coldstart({brief(self)})"

    __str__ = plain
    __eq__ = same

    def _repr_html_(self) -> str:
        return shown.printed(self.sentence, plain(self))


class Chosen(Decision, kw_only=True, frozen=True):
    """A decision with a face."""

    def __repr__(self) -> str:
        return f"Decision({self.answer}: {brief(self)})"

    __str__ = plain
    __eq__ = same

    def _repr_html_(self) -> str:
        return shown.decision(self)


class Judged(Gate, kw_only=True, frozen=True):
    """A gate's verdict with a face."""

    def __repr__(self) -> str:
        return f"Gate({'passed' if self.passed else 'missed'}: {headline(self)})"

    __str__ = plain
    __eq__ = same

    def _repr_html_(self) -> str:
        return shown.printed(headline(self), plain(self))


class Analysed(Analysis, kw_only=True, frozen=True):
    """An analysis of many runs with a face."""

    def __repr__(self) -> str:
        groups = ", ".join(str(one.group) for one in self.series)
        return f"Analysis({self.metric} of {count(self.runs, 'run')}: {groups})"

    __str__ = plain
    __eq__ = same

    def _repr_html_(self) -> str:
        return shown.printed(f"{self.metric} over {count(self.runs, 'run')}", plain(self))


class Upheld(Held, kw_only=True, frozen=True):
    """What became of service levels, with a face."""

    def __repr__(self) -> str:
        return f"Held({'kept' if self.passed else 'missed'}, {count(len(self.runs), 'run')})"

    __str__ = plain
    __eq__ = same

    def _repr_html_(self) -> str:
        return shown.printed("Service levels", plain(self))
