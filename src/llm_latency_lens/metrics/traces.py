"""What pictures of a run are made of: columns of numbers, and a few requests kept whole.

Like `columns`, which a result is made of, but with what a result has no need of: when something
failed and why, at which place of an answer a gap was, and single requests to look at.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..record import Record, Status
from .columns import UNKNOWN

SAMPLE = 512
"""Requests among which the typical one is looked for."""
REQUEST = ("index", "start_ns", "ttft_ns", "e2e_ns", "events", "tokens", "cause")


@dataclass(slots=True)
class Traces:
    """First attempts of measured requests, taken apart while they come in."""

    requests: array[int] = field(default_factory=lambda: array("q"))
    """One `REQUEST` each, `UNKNOWN` where it did not get so far; `cause` is a place in `causes`."""
    causes: list[str] = field(default_factory=lambda: ["ok"])
    """`ok`, `cancelled`, and the kinds of errors that were met."""
    gaps_ns: array[int] = field(default_factory=lambda: array("q"))
    """Gaps of the answers, one answer after the other: `events` less one of each that is `ok`."""
    slowest: Record | None = None
    """The answer that took longest."""
    sample: list[Record] = field(default_factory=list)
    """Answers drawn evenly: every `every`-th."""
    every: int = 1
    answers: int = 0

    def add(self, record: Record) -> None:
        """Take one record."""
        if record.warmup or record.attempt:
            return
        ok = record.status is Status.OK
        marks = (record.start_ns, record.ttft_ns, record.e2e_ns)
        self.requests.append(record.index)
        self.requests.extend(UNKNOWN if mark is None else mark for mark in marks)
        output = record.usage.output
        self.requests.append(record.events.count or 0)
        self.requests.append(UNKNOWN if output is None else output)
        self.requests.append(self._cause(record))
        if ok:
            self.gaps_ns.extend(record.events.gaps_ns())
            self._keep(record)

    def _cause(self, record: Record) -> int:
        name: str = record.status.value
        if record.status is Status.FAILED and record.error is not None:
            name = record.error.kind.value
        if name not in self.causes:
            self.causes.append(name)
        return self.causes.index(name)

    def _keep(self, record: Record) -> None:
        if self.slowest is None or (record.e2e_ns or 0) > (self.slowest.e2e_ns or 0):
            self.slowest = record
        if self.answers % self.every == 0:
            self.sample.append(record)
            if len(self.sample) > SAMPLE:
                self.sample = self.sample[::2]
                self.every *= 2
        self.answers += 1

    def typical(self) -> Record | None:
        """The answer of the sample that is nearest to the middle in TTFT and in whole time."""
        streamed = [r for r in self.sample if r.ttft_ns is not None and r.e2e_ns is not None]
        if not streamed:
            return self.sample[len(self.sample) // 2] if self.sample else None
        away = [0.0] * len(streamed)
        for lengths in zip(*_lengths(streamed), strict=True):
            for place, distance in enumerate(_from_the_middle(lengths)):
                away[place] += distance
        return streamed[away.index(min(away))]


def _lengths(records: list[Record]) -> Iterator[tuple[int, int]]:
    for record in records:
        yield record.ttft_ns or 0, record.e2e_ns or 0


def _from_the_middle(values: tuple[int, ...]) -> list[float]:
    """How many ranks each value is away from the median."""
    order = sorted(range(len(values)), key=values.__getitem__)
    middle = (len(values) - 1) / 2
    away = [0.0] * len(values)
    for rank, place in enumerate(order):
        away[place] = abs(rank - middle)
    return away
