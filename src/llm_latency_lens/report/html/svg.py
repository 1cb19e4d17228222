"""Charts drawn here, without a browser: SVG and PNG by vl-convert."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import vl_convert

from .charts import Chart, Key
from .drawing import CONFIG, Spec
from .styles import Theme, resolved

_WIDTH = 640
_SCALE = 2.0


def inline(chart: Chart, width: int) -> str:
    """The chart for a page whose style sheet has the colours."""
    drawn = vl_convert.vegalite_to_svg(_sized(chart.spec, width), config=CONFIG)
    # Several drawings on one page must not share the names of their parts.
    own = hashlib.sha256(drawn.encode()).hexdigest()[:8]
    return re.sub(r'(\bid="|url\(#)', rf"\g<1>l{own}-", drawn)


def alone(chart: Chart, theme: Theme) -> Spec:
    """The specification of a chart that stands for itself: with title, legend and colours."""
    spec = {
        **_sized(chart.spec, _WIDTH),
        "config": {**CONFIG, "background": "var(--card)"},
        "padding": 16,
    }
    spec["title"] = {"text": chart.title, "anchor": "start", "color": "var(--ink)", "offset": 18}
    if chart.legend:
        spec["layer"] = [_legend(chart.legend), *spec["layer"]]
        spec["resolve"] = {"scale": {"color": "independent", "strokeDash": "independent"}}
    found: Spec = json.loads(resolved(json.dumps(spec), theme))
    return found


def svg(chart: Chart, theme: Theme) -> str:
    """The chart as a file of its own."""
    drawn: str = vl_convert.vegalite_to_svg(alone(chart, theme))
    return drawn


def png(chart: Chart, theme: Theme) -> bytes:
    """The same in pixels, twice as many as the SVG has units."""
    drawn: bytes = vl_convert.vegalite_to_png(alone(chart, theme), scale=_SCALE)
    return drawn


def _sized(spec: Spec, width: int) -> Spec:
    """Of a certain width, and without what only a pointer finds."""
    layers = [one for one in spec["layer"] if one["mark"].get("opacity") != 0]
    return {**spec, "width": width, "layer": layers}


def _legend(keys: Sequence[Key]) -> dict[str, Any]:
    """A layer that draws nothing but the legend, which the page has in its own way."""
    names = [key.name for key in keys]
    scale = {"domain": names, "range": [key.color for key in keys]}
    legend = {
        "title": None,
        "orient": "top",
        "offset": 26,
        "symbolType": "square",
        "symbolOpacity": 1,
        "labelColor": "var(--ink)",
        "labelLimit": 300,
    }
    return {
        "data": {"values": [{"name": name} for name in names]},
        "mark": {"type": "point", "filled": True, "opacity": 0},
        "encoding": {
            "color": {"field": "name", "type": "nominal", "scale": scale, "legend": legend}
        },
    }
