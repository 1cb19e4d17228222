"""The columns of the tables, and records put into them.

`requests` has one row for each request, retries and warm-up included; `tokens` one for each content
event. Names are those of the definitions; times are milliseconds as doubles, money is an exact
decimal. None of them holds what was said.
"""

from __future__ import annotations

import types
import typing
from array import array
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from ...metrics.columns import FIGURES
from ...metrics.context import Context
from ...metrics.run_row import OWN, RunRow, of_arm, text, when
from ...metrics.stalls import stalls_of
from ...record import Record, Status

DOLLARS = pa.decimal128(38, 12)
_NAME = pa.dictionary(pa.int32(), pa.string())
_WHEN = pa.timestamp("us")
_PLAIN: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    Decimal: DOLLARS,
    datetime: _WHEN,
    date: pa.date32(),
}


def counted(record: Record) -> bool:
    """Whether a result's figures are of this request: it succeeded at its first attempt, after the
    warm-up."""
    return record.status is Status.OK and not (record.warmup or record.attempt)


_Read = Callable[[Record], Any]
_OF_RECORDS: dict[str, tuple[pa.DataType, _Read]] = {
    "request_id": (pa.string(), lambda record: record.id),
    "index": (pa.int64(), lambda record: record.index),
    "attempt": (pa.int32(), lambda record: record.attempt),
    "warmup": (pa.bool_(), lambda record: record.warmup),
    "counted": (pa.bool_(), counted),
    "provider": (_NAME, lambda record: record.provider or None),
    "model": (_NAME, lambda record: record.model or None),
    "response_model": (_NAME, lambda record: record.response_model),
    "operation": (_NAME, lambda record: str(record.operation)),
    "arm": (_NAME, lambda record: record.arm),
    "tag": (_NAME, lambda record: record.tag),
    "stream": (pa.bool_(), lambda record: record.stream),
    "status": (_NAME, lambda record: str(record.status)),
    "error_kind": (_NAME, lambda record: record.error and str(record.error.kind)),
    "error_stage": (_NAME, lambda record: record.error and str(record.error.stage)),
    "http_status": (pa.int32(), lambda record: record.error and record.error.http_status),
    "finish_reason": (_NAME, lambda record: record.finish_reason),
    "input_tokens": (pa.int64(), lambda record: record.usage.input),
    "output_tokens": (pa.int64(), lambda record: record.usage.output),
    "reasoning_tokens": (pa.int64(), lambda record: record.usage.reasoning),
    "cached_input_tokens": (pa.int64(), lambda record: record.usage.cached_input),
    "tokens_source": (_NAME, lambda record: record.tokens_source),
    "cost_usd": (DOLLARS, lambda record: dollars(record.cost_usd)),
    "cost_source": (_NAME, lambda record: record.cost_source),
    "clock_source": (_NAME, lambda record: record.clock_source),
    "merged_events": (pa.int64(), lambda record: record.merged_events),
}
"""Columns that a record gives by itself, beside its figures."""

REQUESTS = pa.schema(
    [
        ("run_id", _NAME),
        ("scenario", _NAME),
        ("source", _NAME),
        ("region", _NAME),
        ("started_at", _WHEN),
        ("day", pa.date32()),
        ("hour", pa.int32()),
        *((name, kind) for name, (kind, _) in _OF_RECORDS.items()),
        *((name, pa.float64()) for name in FIGURES),
        ("events", pa.int64()),
        ("median_gap_ms", pa.float64()),
        ("longest_gap_ms", pa.float64()),
        ("stalls", pa.int64()),
    ]
)
TOKENS = pa.schema(
    [
        ("run_id", _NAME),
        ("scenario", _NAME),
        ("provider", _NAME),
        ("model", _NAME),
        ("region", _NAME),
        ("source", _NAME),
        ("arm", _NAME),
        ("day", pa.date32()),
        ("hour", pa.int32()),
        ("index", pa.int64()),
        ("attempt", pa.int32()),
        ("counted", pa.bool_()),
        ("event", pa.int32()),
        ("kind", _NAME),
        ("chars", pa.int32()),
        ("at_ms", pa.float64()),
        ("gap_ms", pa.float64()),
    ]
)


class Rows:
    """Takes the records of one run and gives them back as tables, a part at a time."""

    def __init__(self, context: Context) -> None:
        self._config = context.config
        self._started = when(context.started_at_unix_ns)
        self._of_run = {
            "run_id": context.id,
            "scenario": text(context.name),
            "source": text((context.source or {}).get("tool")) or OWN,
        }
        self._regions: dict[str | None, str | None] = {}
        self._clear()

    def _clear(self) -> None:
        self._requests: list[dict[str, Any]] = []
        self._told: list[int] = []
        """Of the requests since the last time, the places of those with tokens."""
        self._sizes: list[int] = []
        self._starts: list[int] = []
        self._at_ns = array("q")
        self._chars = array("q")
        self._kinds: list[str] = []

    @property
    def waiting(self) -> int:
        """Rows of both tables that were not taken yet."""
        return len(self._requests) + len(self._kinds)

    def add(self, record: Record) -> None:
        """Take one record."""
        started = when(record.start_unix_ns) or self._started
        row: dict[str, Any] = {
            **self._of_run,
            "region": self._region(record.arm),
            "started_at": _plain(when(record.start_unix_ns)),
            "day": started.date() if started else None,
            "hour": started.hour if started else None,
            **{name: read(record) for name, (_, read) in _OF_RECORDS.items()},
            **{name: _known(read(record)) for name, read in FIGURES.items()},
            **_gaps(record),
        }
        events, start_ns = record.events, record.start_ns
        if len(events) and start_ns is not None and not events.partial:
            self._told.append(len(self._requests))
            self._sizes.append(len(events))
            self._starts.append(start_ns)
            self._at_ns += events.at_ns
            self._chars += events.chars
            self._kinds += events.kind
        self._requests.append(row)

    def take(self) -> tuple[pa.Table, pa.Table]:
        """What was added since the last time: requests, and tokens."""
        requests = pa.Table.from_pylist(self._requests, schema=REQUESTS)
        tokens = self._tokens(requests)
        self._clear()
        return requests, tokens

    def _region(self, arm: str | None) -> str | None:
        if arm not in self._regions:
            self._regions[arm] = text(of_arm(self._config, arm).get("region"))
        return self._regions[arm]

    def _tokens(self, requests: pa.Table) -> pa.Table:
        sizes = np.array(self._sizes, np.int64)
        begins = np.cumsum(sizes) - sizes
        at_ns = np.frombuffer(self._at_ns, np.int64)
        gaps = np.full(len(at_ns), np.nan)
        gaps[1:] = np.diff(at_ns) / 1e6
        gaps[begins] = np.nan
        own = {
            "event": np.arange(len(at_ns)) - np.repeat(begins, sizes),
            "kind": self._kinds,
            "chars": np.frombuffer(self._chars, np.int64),
            "at_ms": (at_ns - np.repeat(np.array(self._starts, np.int64), sizes)) / 1e6,
            "gap_ms": gaps,
        }
        places = pa.array(np.repeat(np.array(self._told, np.int64), sizes))
        columns = [
            pa.array(own[field.name], from_pandas=True).cast(field.type)
            if field.name in own
            else requests[field.name].combine_chunks().take(places)
            for field in TOKENS
        ]
        return pa.Table.from_arrays(columns, schema=TOKENS)


def dollars(amount: Decimal | None) -> Decimal | None:
    """A sum to a millionth of a microdollar, as the columns hold it."""
    return None if amount is None else amount.quantize(Decimal("1e-12"))


def runs_table(rows: list[RunRow]) -> pa.Table:
    """The rows of runs as a table."""
    listed = [msgspec.to_builtins(row, builtin_types=(datetime, date, Decimal)) for row in rows]
    for row in listed:
        row["started_at"] = _plain(row["started_at"])
        row["cost"] = {name: dollars(amount) for name, amount in row["cost"].items()}
    return pa.Table.from_pylist(listed, schema=RUNS)


def _plain(moment: datetime | None) -> datetime | None:
    """Without its zone, which is UTC everywhere here."""
    return moment.replace(tzinfo=None) if moment else None


def _known(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  (NaN is no number)


def _gaps(record: Record) -> dict[str, Any]:
    gaps = record.events.gaps_ns()
    partial = record.events.partial
    if not gaps:
        none = None if partial else 0
        events = None if partial else len(record.events)
        return {"events": events, "median_gap_ms": None, "longest_gap_ms": None, "stalls": none}
    return {
        "events": len(record.events),
        "median_gap_ms": float(np.median(gaps)) / 1e6,
        "longest_gap_ms": max(gaps) / 1e6,
        "stalls": len(stalls_of(gaps)),
    }


def _arrow(kind: Any) -> pa.DataType:
    """The type of a column that holds values of this type."""
    if isinstance(kind, types.UnionType):
        (kind,) = (one for one in typing.get_args(kind) if one is not types.NoneType)
    if typing.get_origin(kind) is list:
        return pa.list_(_arrow(typing.get_args(kind)[0]))
    return _PLAIN[kind] if kind in _PLAIN else pa.struct(_fields(kind))


def _fields(struct: Any) -> list[pa.Field]:
    return [pa.field(name, _arrow(kind)) for name, kind in typing.get_type_hints(struct).items()]


RUNS = pa.schema(_fields(RunRow))
