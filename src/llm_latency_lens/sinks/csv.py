"""Comma-separated values by RFC 4180: a line of names, then one line for each attempt.

Numbers keep all their digits, times of day are ISO 8601 with nanoseconds, what there is not is
empty.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO

from .exported import Exported
from .flat import Type, names, row_of


def write(exported: Exported, file: BinaryIO) -> None:
    """All attempts, in the order in which they ended."""
    # Half a surrogate pair, which a server can send, is no text in UTF-8.
    out = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    columns = names(keep_text=exported.keep_text)
    writer = csv.writer(out)
    writer.writerow(columns)
    kinds = list(columns.values())
    for record in exported.records():
        row = row_of(record, keep_text=exported.keep_text)
        writer.writerow(map(_cell, row, kinds))
    out.detach()


def _cell(value: Any, kind: Type) -> Any:
    if value is None:
        return None
    match kind:
        case Type.FLAG:
            return "true" if value else "false"
        case Type.TIME:
            return iso(value)
        case Type.MONEY:
            return digits(value)
    return value


def iso(unix_ns: int) -> str:
    """ISO 8601 in UTC, to the nanosecond."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09}Z"


def digits(amount: Decimal) -> str:
    """Without an exponent, which a spreadsheet may not know."""
    return format(amount, "f")
