"""From a run on the disk to its records and its result: the one way to every number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from ..errors import StoreError
from ..metrics import Metric
from ..pricing import Pricer
from ..providers import decode
from ..record import Record
from ..timeline import Timeline
from .frames import key
from .runs import Run, write_private

if TYPE_CHECKING:
    from ..metrics.result import Result

CountTokens = Callable[[str], int]

TOKENS = "tokens.json"


def records(
    run: Run,
    unsaved: Iterable[Timeline] = (),
    count: CountTokens | None = None,
    pricer: Pricer | None = None,
) -> Iterator[Record]:
    """Every request of the run. `unsaved` timelines stand in for what the disk did not take.

    Answers for which the provider gave no count have the one that was kept with the run, or the
    one that `count` finds now. `pricer` says what each cost.
    """
    held = list(unsaved)
    return priced(lambda: _counted(run, held, count), pricer)


def priced(read: Callable[[], Iterable[Record]], pricer: Pricer | None) -> Iterator[Record]:
    """The records with what they cost. They are read twice where a server's time is shared out."""
    if pricer is None:
        yield from read()
        return
    if pricer.by_the_second:
        for record in read():
            pricer.observe(record)
    yield from map(pricer.price, read())


def _counted(run: Run, unsaved: Iterable[Timeline], count: CountTokens | None) -> Iterator[Record]:
    kept = {} if count else _kept_counts(run)
    instead = {key(timeline): timeline for timeline in unsaved}
    for record in run.records():
        if key(record) not in instead:
            yield counted(record, count, kept)
    for timeline in instead.values():
        yield counted(decode(timeline), count, kept)


def summarise(
    run: Run,
    unsaved: Iterable[Timeline] = (),
    count: CountTokens | None = None,
    pricer: Pricer | None = None,
    also: Iterable[Metric] = (),
) -> Result:
    """Recompute every number of the run; `also` are given each record too."""
    from ..metrics.summary import Summarizer

    summarizer = Summarizer()
    others = [metric.add for metric in also]
    for record in records(run, unsaved, count, pricer):
        summarizer.add(record)
        for add in others:
            add(record)
    return summarizer.result(run.file.context)


def keep_counts(run: Run, unsaved: Iterable[Timeline], count: CountTokens) -> None:
    """Count once and keep the numbers with the run, so that it needs no tokenizer later.

    Raises StoreError.
    """
    found = {
        record.id: record.usage.output
        for record in records(run, unsaved, count)
        if record.tokens_source == "tokenizer"
    }
    write_private(run.path / TOKENS, msgspec.json.encode(found))


def counted(
    record: Record, count: CountTokens | None, kept: Mapping[str, int] = MappingProxyType({})
) -> Record:
    """The record with its output tokens filled in, where the provider gave no count."""
    if record.tokens_source != "events":
        return record
    found = kept.get(record.id)
    if found is None and count and (text := "".join(record.events.text)):
        found = count(text)
    if found is not None:
        record.usage.output = found
        record.tokens_source = "tokenizer"
    return record


def _kept_counts(run: Run) -> Mapping[str, int]:
    path = run.path / TOKENS
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # msgspec's own, or bytes that are no UTF-8
        raise StoreError(f"{path}: {error}") from None
