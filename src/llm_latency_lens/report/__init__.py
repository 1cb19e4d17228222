"""Results made readable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from ..metrics.result import Result
from .coldstart import arm_name, coldstart
from .comparison import comparison
from .json import document, json
from .program import program
from .proxied import proxied
from .text import text
from .waterfall import failure, waterfall

__all__ = [
    "Report",
    "arm_name",
    "coldstart",
    "comparison",
    "document",
    "failure",
    "json",
    "program",
    "proxied",
    "text",
    "waterfall",
]

Report = Callable[[Result, TextIO], None]
"""Writes one result; `text` and `json` are two."""
