"""The result as one JSON document; its schema is published with the documentation."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from ..metrics.result import encode
from .exported import Exported


def write(exported: Exported, file: BinaryIO) -> None:
    """One indented document and a line feed."""
    file.write(msgspec.json.format(encode(exported.result), indent=2) + b"\n")
