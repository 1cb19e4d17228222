"""Styles, scripts and pictures, each under an address that changes with its content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

UPLOT = "1.6.32"
_OWN = files(__package__).joinpath("static")
_PLOT = _OWN.joinpath(f"uplot-{UPLOT}")
_REPORT = files("llm_latency_lens.report").joinpath("html")
_FILES = {
    "report.css": _REPORT.joinpath("page.css"),
    "monitor.css": _OWN.joinpath("monitor.css"),
    "icon.svg": _OWN.joinpath("icon.svg"),
    **{
        name: _OWN.joinpath(name)
        for name in ("theme.js", "main.js", "live.js", "charts.js", "times.js")
    },
    "uPlot.iife.min.js": _PLOT.joinpath("uPlot.iife.min.js"),
    "uPlot.min.css": _PLOT.joinpath("uPlot.min.css"),
}
"""By the names under which they are asked for."""
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}


def address(name: str) -> str:
    return f"/static/{_digest()}/{name}"


async def asset(request: Request) -> Response:
    """One file. An address of another version is not kept: it says what this one has."""
    name = request.path_params["name"]
    if name not in _FILES:
        return Response("there is no such file\n", 404, media_type="text/plain")
    kept = request.path_params["version"] == _digest()
    kind = _KINDS[name.rpartition(".")[2]]
    return Response(_content(name), headers=_FOR_EVER if kept else {}, media_type=kind)


@cache
def _content(name: str) -> bytes:
    return _FILES[name].read_bytes()


@cache
def _digest() -> str:
    """Of all files together: modules import each other by names that are beside them."""
    whole = hashlib.sha256()
    for name in sorted(_FILES):
        whole.update(_content(name))
    return whole.hexdigest()[:12]
