"""One JSON line for each request, as `--records` writes it."""

from __future__ import annotations

from typing import BinaryIO

from ..metrics import lines
from .exported import Exported


def write(exported: Exported, file: BinaryIO) -> None:
    """A line for each attempt, in the order in which they ended."""
    for record in exported.records():
        file.write(lines.encode(lines.to_line(record, keep_text=exported.keep_text)) + b"\n")
