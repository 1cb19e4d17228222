"""What was measured: one request, or many with their result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .metrics.lines import encode, to_line
from .pricing import Pricer
from .record import EventKind, Record
from .store.runs import Run
from .store.understand import CountTokens, records
from .timeline import Timeline

if TYPE_CHECKING:
    from .metrics.result import Result


@dataclass(frozen=True, slots=True)
class Profile:
    """One request, measured. Times are milliseconds; None where the request did not get so far."""

    record: Record
    run: Run
    keep_text: bool = False

    @property
    def run_dir(self) -> Path:
        return self.run.path

    @property
    def ttft_ms(self) -> float | None:
        return _ms(self.record.ttft_ns)

    @property
    def answer_ms(self) -> float | None:
        return _ms(self.record.answer_ns)

    @property
    def e2e_ms(self) -> float | None:
        return _ms(self.record.e2e_ns)

    @property
    def tpot_ms(self) -> float | None:
        return _ms(self.record.tpot_ns)

    @property
    def text(self) -> str:
        """The answer, without reasoning and tool calls."""
        events = self.record.events
        pairs = zip(events.kind, events.text, strict=True)
        return "".join(text for kind, text in pairs if kind is EventKind.TEXT)

    def to_dict(self) -> dict[str, Any]:
        """One line of `--records`, as the documentation's page on records describes it."""
        line = encode(to_line(self.record, keep_text=self.keep_text))
        return msgspec.json.decode(line, type=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Many requests, measured: the result, and the run from which it can be computed again."""

    result: Result
    run: Run
    _unsaved: Sequence[Timeline] = ()
    _count_tokens: CountTokens | None = field(default=None, repr=False)
    _pricer: Pricer | None = field(default=None, repr=False)

    @property
    def run_dir(self) -> Path:
        return self.run.path

    def records(self) -> Iterator[Record]:
        """Each request, decoded again from what was captured."""
        return records(self.run, self._unsaved, self._count_tokens, self._pricer)


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / 1e6
