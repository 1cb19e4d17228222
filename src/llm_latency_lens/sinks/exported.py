"""The seam of all exports: a run's records and its result in, bytes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from ..metrics.context import Context
    from ..metrics.result import Result
    from ..record import Record


@dataclass(slots=True)
class Exported:
    """What an export is made of: one run's result and, as often as asked, its records.

    `read` gives the records anew each time. `keep_text` says whether what the model said may be
    written.
    """

    context: Context
    read: Callable[[], Iterable[Record]]
    keep_text: bool = False
    _result: Result | None = field(default=None, repr=False)

    def records(self) -> Iterable[Record]:
        """Every attempt at every request, in the order in which they ended."""
        return self.read()

    @property
    def result(self) -> Result:
        """The records, summed up: the figures of `report`, to the last digit."""
        if self._result is None:
            from ..metrics.summary import Summarizer

            summarizer = Summarizer()
            for record in self.read():
                summarizer.add(record)
            self._result = summarizer.result(self.context)
        return self._result


class Export(Protocol):
    """Writes one run in one format; `parts` are the further files of a format that has some."""

    def __call__(self, exported: Exported, file: BinaryIO, *parts: BinaryIO) -> None: ...
