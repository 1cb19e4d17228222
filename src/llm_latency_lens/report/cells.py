"""Rows of values as CSV and JSON, for other programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, TextIO

import msgspec

from ..metrics.schema import encode
from .json import document


def write_json(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """A list of objects, one a row."""
    document(encode([dict(zip(columns, map(_of_json, row), strict=True)) for row in rows]), out)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """One line a row under a line of names; an unknown value is empty."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)


def cell(value: Any) -> str:
    """A value as text: moments in ISO 8601, what has parts as JSON."""
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return encode(_of_json(value)).decode()
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Parts of values as columns of their own, named as in limits: `ttft_ms.p95`."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[prefix + name] = " ".join(map(str, value))
        else:
            found[prefix + name] = value
    return found


def _of_json(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _of_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_of_json(part) for part in value]
    try:
        return msgspec.to_builtins(value, builtin_types=(Decimal,))
    except TypeError:
        return str(value)
