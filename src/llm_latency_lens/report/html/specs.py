"""The charts as Vega-Lite specifications: plain tables of numbers, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET

from ...metrics.result import Summary
from ...metrics.shapes import Axis, Cell, Moment, OverTime
from ..figures import milliseconds, percent, seconds, short
from .drawing import Spec, chart, colored, dashes, elapsed, heights, lengths, series

Row = dict[str, Any]
Rows = list[Row]

LEVELS = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))
HEAT = (0.002, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5)
"""Shares of gaps at which the colour of the map changes."""
_ROOM = 0.22
"""For the words behind the last bar of a waterfall, as a share of its length."""


def ecdf(
    names: Sequence[str],
    curves: Sequence[Sequence[tuple[float, float]]],
    summaries: Sequence[Summary | None],
    axis: Axis,
) -> Spec:
    """Share of values up to each length, with the quantiles and their intervals on it."""
    lines = [
        {"run": name, "ms": ms, "share": share, "told": f"{percent(share)} took {_ms(ms)} or less"}
        for name, curve in zip(names, curves, strict=True)
        for ms, share in curve
        if ms <= axis.high
    ]
    points = [
        row
        for name, summary in zip(names, summaries, strict=True)
        if summary is not None
        for row in _quantiles(name, summary)
        if row["ms"] <= axis.high
    ]
    x = lengths("ms", axis)
    y = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5, "title": None},
    }
    color = series("run", names)
    tip = {"field": "told", "type": "nominal"}
    return chart(
        220,
        [
            {
                "data": {"values": lines},
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "color": color, "strokeDash": dashes("run", names)},
            },
            {
                "data": {"values": [row for row in points if "low" in row]},
                "mark": {"type": "rule", "strokeWidth": 6, "opacity": 0.35, "clip": True},
                "encoding": {
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    "y": y,
                    "color": color,
                },
            },
            {
                "data": {"values": lines},
                "mark": {"type": "point", "size": 90, "opacity": 0, "tooltip": True},
                "encoding": {"x": x, "y": y, "tooltip": tip},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": color, "tooltip": tip},
            },
        ],
    )


def histogram(
    names: Sequence[str], bins: Sequence[Sequence[tuple[float, float, float]]], axis: Axis
) -> Spec:
    """Share of values in each bin: bars of one run, outlines of several."""
    rows = [
        {
            "run": name,
            "from": low,
            "to": high,
            "share": share,
            "told": f"{percent(share)} took {_span(low, high)}",
        }
        for name, found in zip(names, bins, strict=True)
        for low, high, share in found
    ]
    y = {
        "field": "share",
        "type": "quantitative",
        "stack": None,
        "axis": {"format": "~%", "tickCount": 5, "title": None},
    }
    color = series("run", names)
    x = lengths("from", axis)
    if len(names) == 1:
        mark: Spec = {"type": "rect", "opacity": 0.8, "stroke": "var(--card)", "strokeWidth": 0.7}
        more: Spec = {
            "x2": {"field": "to"},
            "y2": {"datum": 0},
            "tooltip": {"field": "told", "type": "nominal"},
        }
        rows = [row for row in rows if row["share"]]
    else:
        mark = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.6}
        more = {"strokeDash": dashes("run", names)}
    layer = {"data": {"values": rows}, "mark": mark}
    return chart(220, [{**layer, "encoding": {"x": x, "y": y, "color": color, **more}}])


def over_time(found: OverTime, axis: Axis) -> Spec:
    """Median and 95th percentile of slices of one run, its answers as dots, and what went wrong."""
    lines = [
        {"level": level, "at": at, "ms": ms, "told": f"{level} {_ms(ms)} {words}"}
        for moment in found.moments
        for at, words in [((moment.from_s + moment.to_s) / 2, _slice(moment))]
        for level, ms in (("p50", moment.p50_ms), ("p95", moment.p95_ms))
        if ms is not None
    ]
    dots = [{"at": at, "ms": ms, "told": f"{_ms(ms)} at {seconds(at)}"} for at, ms in found.dots]
    x, y = elapsed("at"), heights("ms", axis)
    color = colored("level", {"p50": "var(--s0)", "p95": "var(--s1)"})
    return chart(
        230,
        [
            {
                "data": {"values": dots},
                "mark": {"type": "point", "filled": True, "size": 14, "color": "var(--s0)"},
                "encoding": {
                    "x": x,
                    "y": y,
                    "opacity": {"value": 0.5},
                    "tooltip": {"field": "told", "type": "nominal"},
                },
            },
            {
                "data": {"values": lines},
                "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                "encoding": {"x": x, "y": y, "color": color},
            },
            {
                "data": {"values": lines},
                "mark": {"type": "point", "size": 90, "opacity": 0, "clip": True},
                "encoding": {"x": x, "y": y, "tooltip": {"field": "told", "type": "nominal"}},
            },
            *_marks(found, x),
        ],
    )


def runs_over_time(names: Sequence[str], found: Sequence[OverTime], axis: Axis) -> Spec:
    """The medians of several runs, each from its own beginning, and where requests failed."""
    lines = [
        {
            "run": name,
            "at": (moment.from_s + moment.to_s) / 2,
            "ms": moment.p50_ms,
            "told": f"{name}: p50 {_ms(moment.p50_ms)} {_slice(moment)}",
        }
        for name, run in zip(names, found, strict=True)
        for moment in run.moments
    ]
    failures = [
        {"run": name, "at": mark.at_s, "told": f"{name}: {mark.what} at {seconds(mark.at_s)}"}
        for name, run in zip(names, found, strict=True)
        for mark in run.failures
    ]
    x, y, color = elapsed("at"), heights("ms", axis), series("run", names)
    tip = {"field": "told", "type": "nominal"}
    return chart(
        230,
        [
            {
                "data": {"values": lines},
                "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                "encoding": {"x": x, "y": y, "color": color, "strokeDash": dashes("run", names)},
            },
            {
                "data": {"values": lines},
                "mark": {"type": "point", "size": 90, "opacity": 0, "clip": True},
                "encoding": {"x": x, "y": y, "tooltip": tip},
            },
            {
                "data": {"values": failures},
                "mark": {"type": "point", "shape": _CROSS, "size": 60, "strokeWidth": 2},
                "encoding": {"x": x, "y": {"value": 7}, "color": color, "tooltip": tip},
            },
        ],
    )


def gap_map(cells: Sequence[Cell], axis: Axis) -> Spec:
    """Where in the answers gaps of which length were."""
    rows: Rows = [
        {
            "from": cell.from_event - 0.5,
            "to": cell.to_event + 0.5,
            "low": cell.low_ms,
            "high": cell.high_ms,
            "share": cell.share,
            "told": f"{_place(cell)}: {percent(cell.share)} of gaps took"
            f" {_span(cell.low_ms, cell.high_ms)}",
        }
        for cell in cells
    ]
    widest = max((cell.to_event + 0.5 for cell in cells), default=1.0)
    colors = [f"var(--h{i})" for i in range(len(HEAT) + 1)]
    return chart(
        230,
        [
            {
                "data": {"values": rows},
                "mark": {"type": "rect", "strokeWidth": 0},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "quantitative",
                        "scale": {"domain": [0.5, widest], "nice": False, "zero": False},
                        "axis": {
                            "title": "place in the answer (event)",
                            "grid": False,
                            "tickMinStep": 1,
                            "format": ",d",
                        },
                    },
                    "x2": {"field": "to"},
                    "y": {**heights("low", axis, grid=False)},
                    "y2": {"field": "high"},
                    "color": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"type": "threshold", "domain": list(HEAT), "range": colors},
                        "legend": None,
                    },
                    "tooltip": {"field": "told", "type": "nominal"},
                },
            }
        ],
    )


def under_load(points: Rows, unit: str) -> Spec:
    """TTFT of several runs against what they got done: `points` have `load` (its name), `work`,
    `level`, `ms`, and `low` and `high` where the interval is known."""
    highest = max(row["high"] if "high" in row else row["ms"] for row in points)
    axis = Axis(0.0, 1.08 * highest, log=False)
    x = {
        "field": "work",
        "type": "quantitative",
        "scale": {"zero": False, "padding": 24},
        "axis": {"title": unit, "tickCount": 6, "format": ",.6~g", "grid": False},
    }
    y = heights("ms", axis)
    color = colored("level", {"p50": "var(--s0)", "p95": "var(--s1)"})
    tip = {"field": "told", "type": "nominal"}
    return chart(
        260,
        [
            {
                "data": {"values": points},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "color": color, "order": {"field": "work"}},
            },
            {
                "data": {"values": [row for row in points if "low" in row]},
                "mark": {"type": "rule", "strokeWidth": 6, "opacity": 0.35},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "color": color,
                },
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": color, "tooltip": tip},
            },
            *(
                {
                    "data": {"values": [row for row in points if row["level"] == "p95"]},
                    "mark": {"type": "text", "dy": -14, **look},
                    "encoding": {"x": x, "y": y, "text": {"field": "load"}},
                }
                for look in (_HALO, {"color": "var(--ink)"})
            ),
        ],
    )


def waterfall(rows: Rows, ticks: Sequence[float], begin_ms: float, end_ms: float) -> Spec:
    """One request: `rows` have `name`, `from`, `to`, `time` in words and a `color`; `ticks` are
    when its events came."""
    names = [row["name"] for row in rows]
    if ticks:
        names.append("tokens")
    x: Spec = {
        "field": "from",
        "type": "quantitative",
        "scale": {"domain": [begin_ms, end_ms + _ROOM * (end_ms - begin_ms)], "nice": False},
        "axis": {"title": "ms after the start", "format": ",.6~g", "tickCount": 6},
    }
    y = {
        "field": "name",
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names, "paddingInner": 0.35, "paddingOuter": 0.2},
        "axis": {"title": None, "ticks": False, "domain": False, "labelPadding": 8},
    }
    events = [{"name": "tokens", "from": at} for at in ticks]
    return chart(
        24 * len(names),
        [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "minBandSize": 8, "cornerRadius": 2},
                "encoding": {
                    "x": x,
                    "x2": {"field": "to"},
                    "y": y,
                    "color": {"field": "color", "type": "nominal", "scale": None},
                },
            },
            {
                "data": {"values": rows},
                "mark": {"type": "text", "align": "left", "dx": 5, "color": "var(--ink)"},
                "encoding": {"x": {**x, "field": "to"}, "y": y, "text": {"field": "time"}},
            },
            {
                "data": {"values": events},
                "mark": {"type": "tick", "thickness": 1, "color": "var(--s2)", "opacity": 0.75},
                "encoding": {"x": x, "y": y},
            },
        ],
    )


_CROSS = "M-1,-1L1,1M-1,1L1,-1"
_HALO = {"color": "var(--card)", "stroke": "var(--card)", "strokeWidth": 4}
_DOWN = "M-1,-0.8L1,-0.8L0,1Z"


def _marks(found: OverTime, x: Spec) -> Iterator[Spec]:
    """Failures and stalls, along the upper edge."""
    tip = {"field": "told", "type": "nominal"}
    for marks, shape, color, height in (
        (found.failures, _CROSS, "var(--bad)", 7),
        (found.stalls, _DOWN, "var(--s3)", 20),
    ):
        rows = [
            {
                "at": mark.at_s,
                "told": f"{mark.what or f'a stall of {_ms(mark.ms)}'} at {seconds(mark.at_s)}",
            }
            for mark in marks
        ]
        if rows:
            yield {
                "data": {"values": rows},
                "mark": {
                    "type": "point",
                    "shape": shape,
                    "size": 60,
                    "strokeWidth": 2,
                    "color": color,
                    "filled": shape == _DOWN,
                    "opacity": 1,
                },
                "encoding": {"x": x, "y": {"value": height}, "tooltip": tip},
            }


def _quantiles(name: str, summary: Summary) -> Iterator[Row]:
    for level, share in LEVELS:
        ms = getattr(summary, level)
        bounds = getattr(summary.ci95, level)
        told = f"{_title(level)} {_ms(ms)}"
        row = {"run": name, "ms": ms, "share": share}
        if bounds is not UNSET:
            row |= {"low": bounds[0], "high": bounds[1]}
            told += f", 95 % interval {_span(*bounds)}"
        yield {**row, "told": told}


def _ms(ms: float) -> str:
    return milliseconds(ms)


def _span(low: float, high: float) -> str:
    if high >= 10_000:
        return f"{milliseconds(low)} to {milliseconds(high)}"
    return f"{short(low)} to {short(high)} ms"


def _slice(moment: Moment) -> str:
    return f"from {seconds(moment.from_s)} to {seconds(moment.to_s)} ({moment.answers:,} answers)"


def _place(cell: Cell) -> str:
    if cell.from_event == cell.to_event:
        return f"after event {cell.from_event:,}"
    return f"after events {cell.from_event:,} to {cell.to_event:,}"


def _title(level: str) -> str:
    return "p99.9" if level == "p999" else level
