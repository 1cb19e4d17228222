"""A decision as the library gives it: readable where it is printed, a table in a notebook."""

from __future__ import annotations

from msgspec import structs

from ..decide.decision import Decision
from ..report.html.shown import decision
from ..report.spoken import plain


class Chosen(Decision, kw_only=True, frozen=True):
    """The same, shown for people."""

    @classmethod
    def of(cls, found: Decision) -> Chosen:
        return cls(**structs.asdict(found))

    def __repr__(self) -> str:
        return f"Decision({self.answer}: {self.sentence})"

    def __str__(self) -> str:
        return plain(self)

    def _repr_html_(self) -> str:
        return decision(self)
