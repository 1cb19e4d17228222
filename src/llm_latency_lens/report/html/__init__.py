"""The page of a run, for a browser: one file that needs no network.

It is drawn by Vega-Lite, which vl-convert-python brings along as a script, and laid out by jinja2:
both are in the extra `report`.
"""

from __future__ import annotations

from .page import html

__all__ = ["html"]
