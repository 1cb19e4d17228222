"""The two peaks that `vllm bench serve` tells: of tokens in a second, and of requests at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..clock import SECOND_NS
from ..record import Record, Status


@dataclass(frozen=True, slots=True)
class Peaks:
    """None where no request succeeded, and where another tool kept too little to tell."""

    tokens_per_second: float | None = None
    concurrent: int | None = None


def measured(record: Record) -> bool:
    """Whether vLLM would have counted it: it knows no retries, and tells of no warm-up."""
    return not (record.warmup or record.attempt or record.status is Status.CANCELLED)


class PeakFinder:
    """Takes records one by one, as vLLM does: answers only, seconds from their first start on."""

    def __init__(self) -> None:
        self._starts, self._ends = array("q"), array("q")
        self._events, self._tokens = array("q"), array("d")
        self._all_events = self._all_starts = True

    def add(self, record: Record) -> None:
        start_ns, end_ns, events = record.start_ns, record.end_ns, record.events
        if record.status is not Status.OK or not measured(record):
            return
        if start_ns is None or end_ns is None:
            return
        self._starts.append(start_ns)
        self._ends.append(end_ns)
        self._all_events &= not events.partial
        self._all_starts &= record.start_unix_ns is not None
        self._events.extend(events.at_ns)
        share = record.tokens_per_event
        self._tokens.extend([1.0 if share is None else share] * len(events))

    def peaks(self) -> Peaks:
        if not self._starts:
            return Peaks()
        starts = np.frombuffer(self._starts, np.int64)
        ends = np.frombuffer(self._ends, np.int64)
        seconds = (np.frombuffer(self._events, np.int64) - starts.min()) // SECOND_NS
        tokens = np.bincount(seconds, np.frombuffer(self._tokens)) if len(seconds) else None
        # A request that ends when another starts is not beside it: departures come first.
        moments = np.concatenate([ends, starts])
        changes = np.repeat([-1, 1], len(starts))
        flying = np.cumsum(changes[np.argsort(moments, kind="stable")])
        return Peaks(
            tokens_per_second=(
                None if tokens is None or not self._all_events else float(tokens.max())
            ),
            concurrent=int(flying.max()) if self._all_starts else None,
        )


def peaks_of(records: Iterable[Record]) -> Peaks:
    """The peaks of all that were measured."""
    finder = PeakFinder()
    for record in records:
        finder.add(record)
    return finder.peaks()
