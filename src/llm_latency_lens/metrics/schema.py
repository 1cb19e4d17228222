"""JSON Schemas of what is written, made from the types."""

from __future__ import annotations

import json
from decimal import Decimal
from inspect import cleandoc
from typing import Any

import msgspec

_DECIMAL = '{"type": "string", "format": "decimal"}'
"""What msgspec says of a decimal; here they are written as numbers."""


def encode(value: Any) -> bytes:
    """JSON in which a decimal is a number with all its digits.

    Halves of surrogate pairs, which a server can send in its JSON, become question marks.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(without_surrogates(value))


def without_surrogates(value: Any) -> Any:
    """The value in plain types, all of its texts such as UTF-8 has."""
    return _mended(msgspec.to_builtins(value, builtin_types=(Decimal,)))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return value


def schema_of(written: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of a type; the same on every Python."""
    text = json.dumps(msgspec.json.schema(written))
    schema = json.loads(text.replace(_DECIMAL, '{"type": "number"}'))
    for definition in schema["$defs"].values():
        # Until Python 3.12 a docstring keeps the indentation that it has in the source.
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_encoder = msgspec.json.Encoder(decimal_format="number")
