"""The result as JSON, for other programs; its schema is published with the documentation."""

from __future__ import annotations

from typing import TextIO

import msgspec

from ..metrics.result import Result, encode


def json(result: Result, out: TextIO) -> None:
    """Write the result as one indented JSON document that ends with a line feed."""
    document(encode(result), out)


def document(data: bytes, out: TextIO) -> None:
    """Write one JSON document, indented, and a line feed."""
    out.write(msgspec.json.format(data, indent=2).decode() + "\n")
