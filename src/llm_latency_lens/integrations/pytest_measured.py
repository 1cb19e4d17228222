"""What one test has measured: all its requests together, as one result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ..decide.gate import Gate, Limits, gate
from ..decide.sample import Sample, sample_of
from ..decide.thresholds import parse_threshold
from ..errors import UsageError
from ..experiments.party import new_context
from ..metrics.columns import FIGURES
from ..metrics.context import Context, Health
from ..metrics.objectives import COST
from ..metrics.result import Result
from ..metrics.summary import Summarizer
from ..record import Record, Status
from ..report import gate as pages
from ..report.distribution import distribution
from ..report.page import Page

GAPS = "itl_ms"


@dataclass(slots=True)
class Measured:
    """The runs of one test, in their order, and what they were held to."""

    test: str
    contexts: list[Context] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    folder: Path | None = None
    gate: Gate | None = None
    no_baseline: bool = False
    _result: Result | None = None

    def add(self, context: Context, records: Iterable[Record], path: Path) -> None:
        """One more run; requests keep numbers of their own."""
        self.folder = path.parent if self.folder else path
        self._add(context, records)

    def watch(self, seen: Sequence[Record], health: Health) -> Context | None:
        """What other clients asked; None where they asked nothing."""
        records = list(seen)
        if not records:
            return None
        stamped = sum(record.clock_source == "kernel" for record in records)
        if stamped:
            health.clock_source = "kernel" if stamped == len(records) else "mixed"
        told = _common([{"provider": one.provider, "model": one.model} for one in records])
        context = new_context(self.test, told)
        context.planned, context.health = len(records), health
        self._add(context, records)
        return context

    def _add(self, context: Context, records: Iterable[Record]) -> None:
        first = max((record.index for record in self.records), default=-1) + 1
        self.records += [replace(record, index=first + record.index) for record in records]
        self.contexts.append(context)
        self._result = None

    def clear(self) -> None:
        """Forget what was measured before the test began."""
        self.contexts.clear()
        self.records.clear()
        self.folder = None
        self._result = None

    @property
    def context(self) -> Context:
        """Of all runs together. Raises UsageError where there is none."""
        if not self.contexts:
            raise UsageError(f"{self.test} has measured nothing yet")
        return together(self.contexts, self.test)

    @property
    def result(self) -> Result:
        """Every figure. Raises UsageError where nothing was measured."""
        if self._result is None:
            summarizer = Summarizer()
            for record in self.records:
                summarizer.add(record)
            self._result = summarizer.result(self.context)
        return self._result

    def sample(self) -> Sample:
        """What a test for a regression needs."""
        return sample_of(self.records, self.context)

    def expect(self, objectives: Sequence[str]) -> None:
        """Fail unless each is kept. Raises UsageError for what is none."""
        __tracebackhide__ = True
        found = gate(self.result, Limits(thresholds=[parse_threshold(one) for one in objectives]))
        if not found.passed:
            pytest.fail(f"{headline(found)}\n\n{self.explained(found)}")

    def explained(self, found: Gate) -> str:
        """What a gate found, with the distribution of each figure that is to blame."""
        out = StringIO()
        page = Page(out, color=False)
        pages.details(found, page)
        blamed = [one.metric for one in found.missed] + [one.metric for one in found.worse]
        for name in dict.fromkeys(metric.split(".")[0] for metric in blamed):
            values = self.values(COST if name == "cost" else name)
            if values:
                page.line()
                distribution(page, name, values)
        page.line()
        for example in self.result.requests.error_examples:
            words = f"{example.count:,} x {example.kind} ({example.stage}): {example.message}"
            page.paragraph("failed", words, indent=8)
        if self.folder:
            page.line(f"kept in {self.folder}")
        return out.getvalue().rstrip()

    def values(self, figure: str) -> list[float]:
        """One value an answer, or every gap; in the unit of the figure's name."""
        answers = [
            record
            for record in self.records
            if record.status is Status.OK and not (record.warmup or record.attempt)
        ]
        if figure == GAPS:
            return [gap / 1e6 for record in answers for gap in record.events.gaps_ns()]
        if figure == COST:
            return [float(one.cost_usd) for one in answers if one.cost_usd is not None]
        read = FIGURES.get(figure)
        found = map(read, answers) if read else ()
        return [value for value in found if value == value]  # noqa: PLR0124  (NaN is none)


def headline(found: Gate) -> str:
    """What is to blame, in one line: pytest's short summary shows no more."""
    missed = [f"{one.threshold}: {pages.told(one)}" for one in found.missed]
    return "; ".join(
        [*missed, *(f"{one.metric} is worse than the baseline" for one in found.worse)]
    )


def together(contexts: Sequence[Context], name: str) -> Context:
    """One context for several runs: what they have in common, and how the worst of them fared."""
    first = contexts[0]
    if len(contexts) == 1:
        return first
    planned = [context.planned for context in contexts]
    known = [count for count in planned if count is not None]
    return replace(
        first,
        name=name,
        config=_common([context.config for context in contexts]),
        mode="open" if all(context.mode == "open" for context in contexts) else "closed",
        offered_rate=None,
        planned=sum(known) if len(known) == len(planned) else None,
        warmup=sum(context.warmup for context in contexts),
        interrupted=any(context.interrupted for context in contexts),
        stopped_early=next(filter(None, (one.stopped_early for one in contexts)), None),
        unsent=sum(context.unsent for context in contexts),
        health=_health([context.health for context in contexts]),
    )


def _common(configs: Sequence[Any]) -> dict[str, Any]:
    first, *others = configs
    return {
        name: value
        for name, value in first.items()
        if all(name in one and one[name] == value for one in others)
    }


def _health(found: Sequence[Health | None]) -> Health | None:
    known = [one for one in found if one is not None]
    return reduce(_both, known) if len(known) == len(found) else None


def _both(a: Health, b: Health) -> Health:
    delays = (a.run_delay_s, b.run_delay_s)
    return Health(
        capture_s=a.capture_s + b.capture_s,
        cpu_s=a.cpu_s + b.cpu_s,
        run_delay_s=None if None in delays else sum(filter(None, delays)),
        loop_stall_ms_max=max(a.loop_stall_ms_max, b.loop_stall_ms_max),
        loop_stalls=a.loop_stalls + b.loop_stalls,
        suspended_s=a.suspended_s + b.suspended_s,
        clock_step_ms=max(a.clock_step_ms, b.clock_step_ms, key=abs),
        clock_source=a.clock_source if a.clock_source == b.clock_source else "mixed",
        reads=a.reads + b.reads,
        spool_bytes=a.spool_bytes + b.spool_bytes,
        gc_disabled=a.gc_disabled and b.gc_disabled,
        progress_decode_ms=a.progress_decode_ms + b.progress_decode_ms,
    )
