"""From a run on the disk to its records and its result: the one way to every number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..providers import decode
from ..record import Record
from ..timeline import Timeline
from .frames import key
from .runs import Run

if TYPE_CHECKING:
    from ..metrics.result import Result

CountTokens = Callable[[str], int]


def records(
    run: Run, unsaved: Iterable[Timeline] = (), count_tokens: CountTokens | None = None
) -> Iterator[Record]:
    """Every request of the run. `unsaved` timelines stand in for what the disk did not take."""
    instead = {key(timeline): timeline for timeline in unsaved}
    for record in run.records():
        if key(record) not in instead:
            yield _counted(record, count_tokens)
    for timeline in instead.values():
        yield _counted(decode(timeline), count_tokens)


def summarise(
    run: Run, unsaved: Iterable[Timeline] = (), count_tokens: CountTokens | None = None
) -> Result:
    """Recompute every number of the run."""
    from ..metrics.summary import Summarizer

    summarizer = Summarizer()
    for record in records(run, unsaved, count_tokens):
        summarizer.add(record)
    return summarizer.result(run.file.context)


def _counted(record: Record, count_tokens: CountTokens | None) -> Record:
    """Fill in the output tokens from a tokenizer where the provider gave no count."""
    if count_tokens and record.usage.output is None and record.events.text:
        record.usage.output = count_tokens("".join(record.events.text))
        record.tokens_source = "tokenizer"
    return record
