"""What was measured: one request, or many with their result, and whatever is made of them.

What draws or writes is loaded when it is asked for: none of it is needed to measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from .errors import UsageError
from .extras import needing
from .metrics.lines import encode, to_line
from .pricing import Pricer
from .record import EventKind, Record
from .sinks import Exported, frames
from .sinks.files import save, whole_file
from .sinks.frames import Kind
from .store.runs import Run
from .store.understand import CountTokens, records
from .timeline import Timeline

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from .decide.gate import Gate
    from .decide.sample import Sample
    from .metrics.portraits import Portrait
    from .metrics.result import Result
    from .report.html.plot import Plot, PlotKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
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

    def to_arrow(self, table: Kind = "requests", *, keep_text: bool = False) -> pa.Table:
        """The request as a table of one row, or its "tokens": see `Trial.to_arrow`."""
        return frames.arrow([self.record], table, keep_text=keep_text)

    def to_pandas(self, table: Kind = "requests", *, keep_text: bool = False) -> pd.DataFrame:
        """The same for pandas."""
        return frames.pandas([self.record], table, keep_text=keep_text)

    def to_polars(self, table: Kind = "requests", *, keep_text: bool = False) -> pl.DataFrame:
        """The same for Polars."""
        return frames.polars([self.record], table, keep_text=keep_text)

    def plot(self) -> Plot:
        """Where the time of the request went, as a waterfall.

        Raises UsageError where it was never sent.
        """
        from .report.html.plot import plot_of

        return plot_of([self._portrait()], "waterfall", "ttft_ms")

    def __repr__(self) -> str:
        record = self.record
        times = ", ".join(
            f"{name} {value:.4g} ms"
            for name, value in (("TTFT", self.ttft_ms), ("E2E", self.e2e_ms))
            if value is not None
        )
        told = ", ".join(filter(None, (record.status.value, times)))
        return f"Profile({record.provider}/{record.model}: {told})"

    def __str__(self) -> str:
        """What the command line prints: a waterfall and the gaps."""
        from .report.spoken import one_request

        return one_request(self.record, self._result())

    def _repr_html_(self) -> str:
        from .report.html.shown import request

        return request(self.record, self._result())

    def _result(self) -> Result:
        return self._portrait().result

    def _portrait(self) -> Portrait:
        from .metrics.portraits import Portrait
        from .metrics.summary import Summarizer
        from .metrics.traces import Traces

        summarizer, traces = Summarizer(), Traces()
        summarizer.add(self.record)
        traces.add(self.record)
        return Portrait("", summarizer.result(self.run.file.context), traces)


@dataclass(frozen=True, slots=True, repr=False)
class Trial(Generic[T]):
    """Many requests that were measured: what they come to, and the run from which it can be
    computed again. Printed, it is what the command line prints; a notebook shows tables and
    charts."""

    result: T
    run: Run
    _unsaved: Sequence[Timeline] = ()
    _count_tokens: CountTokens | None = None
    _pricer: Pricer | None = None
    _drawn: list[Portrait] = field(default_factory=list, compare=False)

    @property
    def run_dir(self) -> Path:
        return self.run.path

    def records(self) -> Iterator[Record]:
        """Each request, decoded again from what was captured."""
        return records(self.run, self._unsaved, self._count_tokens, self._pricer)

    # -- as tables ----------------------------------------------------------------------------

    def to_arrow(self, table: Kind = "requests", *, keep_text: bool = False) -> pa.Table:
        """One row an attempt at a request, or one a content event (`table="tokens"`).

        The columns are those of the Parquet export; `keep_text` adds what the model said. Raises
        UsageError for another table, and where the extra `store` is not installed.
        """
        return frames.arrow(self.records(), table, keep_text=keep_text)

    def to_pandas(self, table: Kind = "requests", *, keep_text: bool = False) -> pd.DataFrame:
        """The same for pandas. Raises UsageError where the extra `pandas` is not installed."""
        return frames.pandas(self.records(), table, keep_text=keep_text)

    def to_polars(self, table: Kind = "requests", *, keep_text: bool = False) -> pl.DataFrame:
        """The same for Polars. Raises UsageError where the extra `polars` is not installed."""
        return frames.polars(self.records(), table, keep_text=keep_text)

    # -- as pictures --------------------------------------------------------------------------

    def plot(
        self, kind: PlotKind = "ecdf", metric: str = "ttft_ms", *, arm: str | None = None
    ) -> Plot:
        """One chart: "ecdf" or "histogram" of `metric` ("ttft_ms", "itl_ms" or "e2e_ms"),
        "timeline", "gaps" (long ones by their place in the answer), or "waterfall" (a typical
        request).

        Candidates are drawn together, or the one that `arm` names. Raises UsageError for a chart
        that there is not.
        """
        from .report.html.plot import plot_of

        return plot_of(self._portraits(), kind, metric, arm)

    def report(self, path: str | Path, *, keep_text: bool = False) -> None:
        """Write the page with all charts and tables, in one file that needs no network.

        Raises UsageError where the extra `report` is not installed, RunError when the disk does
        not take it.
        """
        with needing("report", "report()", "jinja2", "markupsafe", "vl_convert"):
            from .report.html.page import html
        from io import StringIO

        from .report.spoken import sentences

        said, out = sentences(self.result), StringIO()
        html(self._portraits(), out, said=said, keep_text=keep_text)
        with whole_file(str(path), private=keep_text) as file:
            file.write(out.getvalue().encode())

    def export(self, to: str, output: str | Path, *, keep_text: bool = False) -> None:
        """Write the run in the format of another program: see `export`."""
        save(self._exported(keep_text), to, str(output))

    def _exported(self, keep_text: bool) -> Exported:
        return Exported(self.run.file.context, self.records, keep_text)

    def _portraits(self) -> list[Portrait]:
        """Of the run, or of the arms of an experiment; the records are read once for all."""
        if not self._drawn:
            from .metrics.portraits import Portraits
            from .metrics.result import Result
            from .report import arm_name

            portraits = Portraits()
            for record in self.records():
                portraits.add(record)
            whole = self.result if isinstance(self.result, Result) else None
            found = portraits.of(whole, self.run.file.context)
            self._drawn.extend(replace(one, name=arm_name(one.name)) for one in found)
        return self._drawn

    # -- as text ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        from .report.spoken import brief

        return f"{type(self).__name__}({brief(self.result)}, run {self.run.file.context.id})"

    def __str__(self) -> str:
        from .report.spoken import plain

        return plain(self.result)

    def _repr_html_(self) -> str:
        from .report.html.shown import runs
        from .report.spoken import sentences

        return runs(self._portraits(), sentences(self.result))


class Benchmark(Trial["Result"]):
    """A benchmark that has ended."""

    __slots__ = ()

    def gate(
        self,
        *thresholds: str,
        baseline: str | Path | Benchmark | None = None,
        allow: Sequence[str] = (),
        metrics: Sequence[str] = (),
        alpha: float = 0.05,
        require_data: bool = False,
        allow_invalid: bool = False,
    ) -> Gate:
        """Hold it to limits such as "ttft_ms.p95<800", and to a baseline that it must not be worse
        than: a file that `baseline` made, or another benchmark.

        `passed` of what comes says whether it may pass. `allow` is how much worse a figure may be
        ("itl_ms.p99:10%"), `metrics` which are tested in place of the usual ones, `alpha` how
        often a run that is no worse may be called worse; `require_data` fails where the data are
        too few for an answer. Raises UsageError for what is no limit, StoreError for what is no
        baseline, and RunError where its own verdict is invalid, unless `allow_invalid`.
        """
        from .decide.gate import Limits, check_valid, gate
        from .decide.regressions import parse_allowed, parse_metric
        from .decide.thresholds import parse_threshold
        from .report.faces import Judged, facing
        from .store.baselines import read_baseline

        limits = Limits(
            thresholds=list(map(parse_threshold, thresholds)),
            metrics=list(map(parse_metric, metrics)),
            allowed=list(map(parse_allowed, allow)),
            alpha=alpha,
            require_data=require_data,
        )
        if baseline is None:
            before = None
        elif isinstance(baseline, Benchmark):
            before = baseline._sample()
        else:
            before = read_baseline(baseline)
        if not thresholds and before is None:
            raise UsageError("there is nothing to hold the run to: give limits or a baseline")
        if not allow_invalid:
            check_valid(self.result)
        found = gate(self.result, limits, self._sample() if before else None, before)
        return facing(Judged, found)

    def baseline(self, path: str | Path) -> None:
        """Write a file that later runs can be held against: times and costs of each request, no
        text, no address, no key. An older file is replaced.

        Raises UsageError where no request succeeded, RunError when the disk does not take it.
        """
        from .decide.baseline import encode

        sample = self._sample()
        if not sample.answers:
            raise UsageError(f"the run {self.result.run.id} has no request that succeeded")
        with whole_file(str(path), private=False) as file:
            file.write(encode(sample))

    def _sample(self) -> Sample:
        from .decide.sample import sample_of

        return sample_of(self.records(), self.run.file.context)


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / 1e6
