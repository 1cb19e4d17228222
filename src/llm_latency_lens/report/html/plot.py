"""One chart of a run, by name: to be shown in a notebook, or saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...errors import RunError, UsageError
from ...extras import needing
from ...metrics.portraits import Portrait
from . import charts
from .charts import Chart, Sitting
from .fragment import drawing, frame
from .requests import looks
from .styles import THEMES, Theme

PlotKind = Literal["ecdf", "histogram", "timeline", "gaps", "waterfall"]
KINDS = ("ecdf", "histogram", "timeline", "gaps", "waterfall")


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart. A notebook shows it, in the colours of its theme; `save` writes it to a file."""

    title: str
    told: str
    """What it shows, in words."""
    _chart: Chart = field(repr=False)

    @classmethod
    def of(cls, chart: Chart) -> Plot:
        return cls(chart.title, chart.told, chart)

    @property
    def spec(self) -> dict[str, Any]:
        """The chart as a specification of Vega-Lite, with its data, in the light theme's colours:
        `altair.Chart.from_dict` takes it."""
        with needing("report", "a plot", "vl_convert"):
            from .svg import alone
        return alone(self._chart, "light")

    def svg(self, theme: Theme = "light") -> str:
        """The chart as an SVG document."""
        _check(theme)
        with needing("report", "a plot", "vl_convert"):
            from .svg import svg
        return svg(self._chart, theme)

    def save(self, path: str | Path, *, theme: Theme = "light") -> None:
        """Write it to a file that ends in .svg, .png or .html. An .html follows the reader's own
        theme.

        Raises UsageError for another ending, and where the extra `report` is not installed;
        RunError when the disk does not take it.
        """
        data = self._written(Path(path).suffix.lower(), theme)
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from None

    def _written(self, ending: str, theme: Theme) -> bytes:
        _check(theme)
        if ending == ".svg":
            return self.svg(theme).encode()
        if ending not in (".png", ".html"):
            raise UsageError("a plot is saved as .svg, .png or .html: give the file such an ending")
        with needing("report", "a plot", "vl_convert"):
            from .svg import png
        if ending == ".png":
            return png(self._chart, theme)
        head = '<!doctype html><html lang="en"><meta charset="utf-8">'
        return f"{head}<title>latency-lens</title><body>{self._repr_html_()}</body></html>".encode()

    def _repr_html_(self) -> str:
        return frame(drawing(self._chart))

    def _repr_svg_(self) -> str:
        return self.svg()


def plot_of(
    portraits: Sequence[Portrait], kind: PlotKind, metric: str, arm: str | None = None
) -> Plot:
    """A chart of a run, or of its arms. Raises UsageError for one that there is not."""
    if kind not in KINDS:
        raise UsageError(f"no plot {kind!r}: there are {', '.join(KINDS)}")
    chosen = [one for one in portraits if arm in (None, one.name)]
    if not chosen:
        known = ", ".join(one.name for one in portraits)
        raise UsageError(f"no candidate {arm!r}: there are {known}")
    if kind in ("gaps", "waterfall") and len(chosen) > 1:
        known = ", ".join(one.name for one in chosen)
        raise UsageError(f"{kind} draws one candidate: name it by arm, one of {known}")
    sittings = [Sitting.of(one) for one in chosen]
    chart = next(_charts(sittings, kind, metric), None)
    if chart is None:
        raise UsageError(f"there is nothing to draw as {kind}: the run has no such data")
    return Plot.of(chart)


def _charts(sittings: Sequence[Sitting], kind: PlotKind, metric: str) -> Iterator[Chart]:
    first = sittings[0]
    if kind in ("ecdf", "histogram"):
        if not charts.sampled(sittings, metric):
            known = ", ".join(name for name in charts.METRICS if charts.sampled(sittings, name))
            raise UsageError(f"there is no {metric} to draw; there is {known or 'nothing'}")
        both = list(charts.distribution(sittings, metric))
        yield both[KINDS.index(kind)]
    elif kind == "timeline":
        yield from charts.timeline(first) if len(sittings) == 1 else charts.together(sittings)
    elif kind == "gaps":
        yield from charts.gap_map(first)
    else:
        portrait = first.portrait
        found = looks(portrait.traces, portrait.result, keep_text=False)
        yield from (one.chart for one in found)


def _check(theme: Theme) -> None:
    if theme not in THEMES:
        raise UsageError(f"no theme {theme!r}: there are {' and '.join(THEMES)}")
