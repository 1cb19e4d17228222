"""The result as JSON, for other programs; its schema is published with the documentation."""

from __future__ import annotations

from typing import TextIO

import msgspec

from ..metrics.result import Result, encode


def json(result: Result, out: TextIO) -> None:
    """Write the result as one indented JSON document that ends with a line feed."""
    out.write(msgspec.json.format(encode(result), indent=2).decode() + "\n")
