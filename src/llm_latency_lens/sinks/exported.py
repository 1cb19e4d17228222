"""The seam of all exports: a run's records and its result in, bytes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol

from ..errors import UsageError

if TYPE_CHECKING:
    from ..metrics.context import Context
    from ..metrics.result import Result
    from ..record import Record


@dataclass(slots=True)
class Exported:
    """What an export is made of: one run's records, as often as asked, and its result.

    `read` decodes the records anew each time, which takes longer than all else. A format that needs
    both reads them `with_result`, and takes the result when it is through: that costs no second
    decoding. `keep_text` says whether what the model said may be written.
    """

    context: Context
    read: Callable[[], Iterable[Record]]
    keep_text: bool = False
    _result: Result | None = field(default=None, repr=False)

    @property
    def experiment(self) -> str | None:
        """The experiment whose run this is. It has records, but no result of one benchmark."""
        return self.context.config.get("experiment")

    def records(self, *, with_result: bool = False) -> Iterator[Record]:
        """Every attempt at every request, in the order in which they ended.

        `with_result` sums them up on the way; of an experiment's there is nothing to sum up.
        """
        if self.experiment or not with_result:
            yield from self.read()
            return
        from ..metrics.summary import Summarizer

        summarizer = Summarizer()
        for record in self.read():
            summarizer.add(record)
            yield record
        self._result = summarizer.result(self.context)

    @property
    def result(self) -> Result:
        """The figures of `report`, to the last digit. Raises `UsageError` for an experiment's."""
        if self.experiment:
            raise UsageError(
                f"the run {self.context.id} is of `{self.experiment}`: it has no result of one"
                " benchmark; its requests can be exported (jsonl, csv, parquet), and"
                " `latency-lens report RUN --output FILE` writes its own result"
            )
        if self._result is None:
            for _ in self.records(with_result=True):
                pass
        assert self._result is not None
        return self._result


class Export(Protocol):
    """Writes one run in one format; `parts` are the further files of a format that has some."""

    def __call__(self, exported: Exported, file: BinaryIO, *parts: BinaryIO) -> None: ...
