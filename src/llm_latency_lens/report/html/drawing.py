"""How charts are drawn, whatever they show: sizes, axes and colours, in the words of Vega-Lite.

Colours are variables of the page's style sheet, so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...metrics.shapes import Axis

Spec = dict[str, Any]

SERIES = 8
"""Colours that can be told apart; a ninth run has the first again, dashed."""
CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    # Each chart is one picture to a screen reader, with words of its own.
    "mark": {"aria": False},
    "view": {"stroke": None},
    "axis": {
        "aria": False,
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": "var(--grid)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "tickSize": 4,
        "labelOverlap": "greedy",
        "labelSeparation": 8,
    },
    "axisY": {
        "domain": False,
        "ticks": False,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "start",
        "titleX": 0,
        "titleY": -10,
    },
    "text": {"fontSize": 12},
}
"""What all charts have in common."""
_DASHES = ([1, 0], [6, 3], [2, 2])
_MOST_TICKS = 8


def series(field: str, names: Sequence[str]) -> Spec:
    """A colour for each run."""
    colors = [f"var(--s{place % SERIES})" for place in range(len(names))]
    return colored(field, dict(zip(names, colors, strict=True)))


def chart(height: int, layers: list[Spec]) -> Spec:
    """Layers over one another, as wide as the page has room; those without data are left out."""
    return {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": [layer for layer in layers if layer["data"]["values"]],
    }


def lengths(field: str, axis: Axis) -> Spec:
    """Lengths of time along the bottom."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": _scale(axis),
        "axis": {"title": "milliseconds", **_ticks(axis), "labelFlush": True},
    }


def heights(field: str, axis: Axis, *, grid: bool = True) -> Spec:
    """Lengths of time along the side."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": _scale(axis),
        "axis": {"title": "ms", **_ticks(axis), "grid": grid},
    }


def elapsed(field: str) -> Spec:
    """Moments of a run along the bottom."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"zero": True, "nice": False},
        "axis": {"title": "seconds after the first start", "grid": False, "format": ",.6~g"},
    }


def _scale(axis: Axis) -> Spec:
    ends = {"domain": [axis.low, axis.high], "nice": False, "clamp": True}
    return {"type": "log", **ends} if axis.log else {"type": "linear", "zero": False, **ends}


def _ticks(axis: Axis) -> Spec:
    shown = {"format": ",.10~g"}
    return {**shown, "values": log_ticks(axis)} if axis.log else {**shown, "tickCount": 6}


def log_ticks(axis: Axis) -> list[float]:
    """1, 2, 5, 10 and so on within the axis; 1, 10, 100 where that would be too many."""
    first, last = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [
            float(f"{step}e{power}")
            for power in range(first, last + 1)
            for step in steps
            if axis.low <= float(f"{step}e{power}") <= axis.high
        ]
        if len(found) <= _MOST_TICKS:
            break
    return found


def colored(field: str, colors: dict[str, str]) -> Spec:
    """These colours, by value. The page has a legend of its own: it wraps on a phone."""
    scale = {"domain": list(colors), "range": list(colors.values())}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}


def dashes(field: str, names: Sequence[str]) -> Spec:
    """A whole line for each run as long as its colour is its own."""
    strokes = [_DASHES[place // SERIES % len(_DASHES)] for place in range(len(names))]
    scale = {"domain": list(names), "range": strokes}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}
