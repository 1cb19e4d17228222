"""JSON Schemas of what is written, made from the types."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import msgspec


def schema_of(written: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of a type; the same on every Python."""
    schema = msgspec.json.schema(written)
    for definition in schema["$defs"].values():
        # Until Python 3.12 a docstring keeps the indentation that it has in the source.
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
