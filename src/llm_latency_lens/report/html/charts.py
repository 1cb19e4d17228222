"""Which charts a page has, and what stands beside each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from ...metrics.intervals import Floats
from ...metrics.portraits import Portrait
from ...metrics.result import Result, Summary
from ...metrics.shapes import OverTime, Shapes, axis_of, ecdf, histogram, log_axis
from ..figures import count, milliseconds, short
from . import specs
from .drawing import SERIES, Spec
from .words import load_of

_SHARES = {"under 1 %": 1, "3 to 7 %": 3, "15 to 30 %": 5, "50 % and more": 7}
"""Some of the colours of the map of gaps, as `specs.HEAT` has them."""


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: a mark (`line`, `dash`, `dot`, `box`, `cross`, `down`), its colour."""

    name: str
    color: str
    mark: str = "line"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, how to read it, and what it shows in words for those who cannot see it."""

    title: str
    caption: str
    told: str
    spec: Spec
    legend: list[Key] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sitting:
    """A run with its shapes, which are reckoned once."""

    portrait: Portrait
    shapes: Shapes
    ttft_ms: Floats
    itl_ms: Floats
    e2e_ms: Floats
    over_time: OverTime

    @classmethod
    def of(cls, portrait: Portrait) -> Sitting:
        shapes = Shapes(portrait.traces)
        return cls(
            portrait,
            shapes,
            shapes.ttft_ms(),
            shapes.itl_ms(),
            shapes.e2e_ms(),
            shapes.over_time(),
        )

    @property
    def first_ms(self) -> Floats:
        """TTFT, or whole answers where nothing was streamed."""
        return self.ttft_ms if len(self.ttft_ms) else self.e2e_ms


_SAMPLES: Mapping[str, Callable[[Sitting], Floats]] = {
    "ttft_ms": lambda one: one.ttft_ms,
    "itl_ms": lambda one: one.itl_ms,
    "e2e_ms": lambda one: one.e2e_ms,
}
METRICS = tuple(_SAMPLES)
_TITLES = {
    "ttft_ms": "Time to first token (TTFT)",
    "itl_ms": "Gaps between tokens (ITL)",
    "e2e_ms": "Whole answers (E2E)",
}


def distributions(sittings: Sequence[Sitting]) -> Iterator[Chart]:
    """Of each kind of latency: how much of it is how long."""
    names = [name for name in METRICS if sampled(sittings, name)]
    for name in names:
        if name != "e2e_ms" or "ttft_ms" not in names:
            yield from distribution(sittings, name)


def sampled(sittings: Sequence[Sitting], metric: str) -> bool:
    """Whether there is something to draw of a kind of latency."""
    return metric in _SAMPLES and any(len(_SAMPLES[metric](one)) for one in sittings)


def distribution(sittings: Sequence[Sitting], metric: str) -> Iterator[Chart]:
    """One kind of latency, cumulative and as a histogram."""
    names = [one.portrait.name for one in sittings]
    keys = legend(names) if len(names) > 1 else []
    samples = [_SAMPLES[metric](one) for one in sittings]
    summaries = [_metric(one.portrait.result, metric) for one in sittings]
    yield from _pair(_TITLES[metric], names, samples, summaries, keys)


def _pair(
    what: str,
    names: list[str],
    samples: list[Floats],
    summaries: list[Summary | None],
    keys: list[Key],
) -> Iterator[Chart]:
    axis = axis_of(samples)
    told = "; ".join(
        f"{name}: p50 {milliseconds(summary.p50)}, p95 {milliseconds(summary.p95)},"
        f" p99 {milliseconds(summary.p99)}"
        for name, summary in zip(names, summaries, strict=True)
        if summary is not None
    )
    yield Chart(
        title=f"{what}, cumulative",
        caption="Which share took so long or less. Dots are p50, p90, p95, p99 and p99.9; the bars"
        " through them are 95 % intervals, where the sample gives one.",
        told=f"Cumulative distribution. {told}.",
        spec=specs.ecdf(names, list(map(ecdf, samples)), summaries, axis),
        legend=keys,
    )
    bins = [histogram(values, axis) for values in samples]
    yield Chart(
        title=f"{what}, histogram",
        caption="Share of all in each bin"
        + (", on a logarithmic axis." if axis.log else ".")
        + " What lies beyond an end of the axis is in its last bin.",
        told=f"Histogram. {told}.",
        spec=specs.histogram(names, bins, axis),
        legend=keys,
    )


def timeline(sitting: Sitting) -> Iterator[Chart]:
    """How one run went."""
    found = sitting.over_time
    if not (found.dots or found.failures):
        return
    streamed = bool(len(sitting.ttft_ms))
    keys = [Key("p50", "var(--s0)")] if found.moments else []
    if any(moment.p95_ms is not None for moment in found.moments):
        keys.append(Key("p95", "var(--s1)"))
    if found.dots:
        keys.append(Key("single answers", "var(--s0)", "dot"))
    if found.failed:
        keys.append(Key(count(found.failed, "failure"), "var(--bad)", "cross"))
    if found.stalled:
        keys.append(Key(count(found.stalled, "stall"), "var(--s3)", "down"))
    thin = max(found.failed, found.stalled) > len(found.failures) + len(found.stalls)
    yield Chart(
        title=f"{'Time to first token' if streamed else 'Whole answers'} over the run",
        caption="Each answer at its start. Failures and stalls are marked along the upper edge"
        + (", evenly drawn from all of them." if thin else "."),
        told=f"Latency over time: {count(found.failed, 'failure')},"
        f" {count(found.stalled, 'stall')}.",
        spec=specs.over_time(found, axis_of([sitting.first_ms])),
        legend=keys,
    )


def together(sittings: Sequence[Sitting]) -> Iterator[Chart]:
    """How several runs went, beside one another; and what load did to them."""
    names = [one.portrait.name for one in sittings]
    found = [one.over_time for one in sittings]
    if any(run.moments for run in found):
        axis = axis_of([one.first_ms for one in sittings])
        failed = any(run.failed for run in found)
        yield Chart(
            title="Medians over the runs",
            caption="Each run from its own first request on."
            + (" Crosses along the upper edge are failures." if failed else ""),
            told="Medians over time of each run.",
            spec=specs.runs_over_time(names, found, axis),
            legend=legend(names),
        )
    points, unit = _points([one.portrait.result for one in sittings])
    if len({row["load"] for row in points}) > 1:
        yield Chart(
            title="Latency against throughput",
            caption="Each pair of dots is a run at the load that stands above it; bars are 95 %"
            " intervals.",
            told="; ".join(row["told"] for row in points),
            spec=specs.under_load(points, unit),
            legend=[Key("TTFT p50", "var(--s0)"), Key("TTFT p95", "var(--s1)")],
        )


def gap_map(sitting: Sitting) -> Iterator[Chart]:
    """Where in the answers the long gaps are."""
    if not len(sitting.itl_ms) or not sitting.itl_ms[-1]:
        return
    axis = log_axis([sitting.itl_ms])
    yield Chart(
        title="Gaps by their place in the answer",
        caption="Each column is a place in the answers, each row a length, on a logarithmic axis:"
        " the stronger the colour, the larger the share of the gaps there that took so long.",
        told="Heat map of gaps by place in the answer and length.",
        spec=specs.gap_map(sitting.shapes.gap_map(axis), axis),
        legend=[Key(name, f"var(--h{place})", "box") for name, place in _SHARES.items()],
    )


def legend(names: Sequence[str]) -> list[Key]:
    """The runs and their colours."""
    return [
        Key(name, f"var(--s{i % SERIES})", "dash" if i >= SERIES else "line")
        for i, name in enumerate(names)
    ]


def _metric(result: Result, name: str) -> Summary | None:
    found: Summary | UnsetType = getattr(result.metrics, name)
    return None if isinstance(found, UnsetType) else found


def _points(results: Sequence[Result]) -> tuple[specs.Rows, str]:
    """TTFT of each run, by the tokens that it got out of the server, or by its answers."""
    by_tokens = all(one.throughput.output_tokens_per_second is not None for one in results)
    unit = "output tokens a second, all requests together" if by_tokens else "answers a second"
    rows: specs.Rows = []
    for result in results:
        work = result.throughput
        done = work.output_tokens_per_second if by_tokens else work.requests_per_second
        summary, load = _metric(result, "ttft_ms"), load_of(result)
        if summary is None or done is None or not load:
            continue
        for level in ("p50", "p95"):
            ms, bounds = getattr(summary, level), getattr(summary.ci95, level)
            row = {"load": load, "work": done, "level": level, "ms": ms}
            if bounds is not UNSET:
                row |= {"low": bounds[0], "high": bounds[1]}
            told = f"{load}: {short(done)} {unit.partition(',')[0]}, {level} {milliseconds(ms)}"
            rows.append({**row, "told": told})
    return rows, unit
