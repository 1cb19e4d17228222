"""Candidates by two figures, as an SVG: who is out, who is on the front, how sure each is."""

from __future__ import annotations

from typing import Any

import vl_convert

from ..decide.decision import Decision, Option
from ..errors import UsageError
from ..metrics.objectives import COST
from .decision import title

_COLORS = {"recommended": "#00796b", "on the front": "#3f6fb5", "dominated": "#8a8f98",
           "out": "#c0392b"}  # fmt: skip
_SHAPES = ("diamond", "circle", "circle", "cross")


def pareto(found: Decision) -> str:
    """The picture, of the two criteria that count most, cost along the bottom. Raises
    UsageError where there are no two figures to draw."""
    by_weight = sorted(found.criteria, key=lambda one: -one.weight)
    named = dict.fromkeys([one.metric for one in by_weight] + list(found.candidates[0].figures))
    metrics = [metric for metric in named if any(_value(o, metric) is not None
                                                 for o in found.candidates)]  # fmt: skip
    if len(metrics) < 2:
        raise UsageError("a picture needs two figures: name one more criterion or requirement")
    y, x = metrics[:2] if metrics[0] != COST else metrics[1::-1]
    rows = [row for row in (_row(found, one, x, y) for one in found.candidates) if row]
    return vl_convert.vegalite_to_svg(_spec(rows, x, y))


def _value(option: Option, metric: str) -> float | None:
    return option.figures[metric].value


def _row(found: Decision, option: Option, x: str, y: str) -> dict[str, Any] | None:
    across, up = option.figures[x], option.figures[y]
    if across.value is None or up.value is None:
        return None
    low, high = across.ci95 or (across.value, across.value)
    bottom, top = up.ci95 or (up.value, up.value)
    return {
        "name": option.name,
        "kind": _kind(found, option),
        "x": across.value,
        "y": up.value,
        "low": low,
        "high": high,
        "bottom": bottom,
        "top": top,
    }


def _kind(found: Decision, option: Option) -> str:
    if not option.eligible:
        return "out"
    if option.name == found.recommended:
        return "recommended"
    return "dominated" if option.dominated_by else "on the front"


def _spec(rows: list[dict[str, Any]], x: str, y: str) -> dict[str, Any]:
    kinds = list(_COLORS)
    color = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": kinds, "range": list(_COLORS.values())},
        "legend": {"title": None, "orient": "top"},
    }
    shape = {**color, "scale": {"domain": kinds, "range": list(_SHAPES)}}
    across = {"field": "x", "type": "quantitative", "scale": {"zero": False, "padding": 20},
              "axis": {"title": f"{title(x)}{_unit(x)}", "tickCount": 6}}  # fmt: skip
    up = {**across, "field": "y", "axis": {"title": f"{title(y)}{_unit(y)}", "tickCount": 6}}
    front = [row for row in rows if row["kind"] in ("recommended", "on the front")]
    rule = {"mark": {"type": "rule", "opacity": 0.45, "strokeWidth": 2}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": 360,
        "background": "white",
        "data": {"values": rows},
        "layer": [
            {
                "data": {"values": front},
                "mark": {"type": "line", "color": "#3f6fb5", "strokeDash": [4, 3], "opacity": 0.6},
                "encoding": {"x": across, "y": up, "order": {"field": "x"}},
            },
            {**rule, "encoding": {"x": {**across, "field": "low"}, "x2": {"field": "high"},
                                  "y": up, "color": color}},
            {**rule, "encoding": {"y": {**up, "field": "bottom"}, "y2": {"field": "top"},
                                  "x": across, "color": color}},
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": across, "y": up, "color": color, "shape": shape},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 9, "dy": -9, "fontSize": 12},
                "encoding": {"x": across, "y": up, "text": {"field": "name", "type": "nominal"}},
            },
        ],
    }  # fmt: skip


def _unit(metric: str) -> str:
    return ", ms" if metric.split(".", maxsplit=1)[0].endswith("_ms") else ""
