"""One attempt at one request as a row of plain values: what CSV and Parquet have in common.

Times are milliseconds as in the JSON of a record; the figures are the very functions that a result
sums up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from math import isnan
from typing import Any

from ..metrics.columns import FIGURES
from ..metrics.lines import texts_of
from ..metrics.stalls import stalls_of
from ..record import Record, Status


class Type(Enum):
    """What a column holds; `TIME` is Unix nanoseconds, `MONEY` a decimal of dollars."""

    TEXT = "text"
    FLAG = "flag"
    WHOLE = "whole"
    NUMBER = "number"
    TIME = "time"
    MONEY = "money"


_Read = Callable[[Record], Any]


def _own(name: str) -> _Read:
    return lambda record: getattr(record, name)


def _of(part: str, name: str) -> _Read:
    return lambda record: getattr(getattr(record, part), name)


def _of_error(name: str) -> _Read:
    return lambda record: None if record.error is None else getattr(record.error, name)


def _figure(name: str) -> _Read:
    read = FIGURES[name]

    def value(record: Record) -> float | None:
        found = read(record)
        return None if isnan(found) else found

    return value


def _counted(record: Record) -> bool:
    """Whether the figures of a result are of this one too."""
    return record.status is Status.OK and not (record.warmup or record.attempt)


def _sent_ms(record: Record) -> float | None:
    if record.sent_ns is None or record.start_ns is None:
        return None
    return (record.sent_ns - record.start_ns) / 1e6


COLUMNS: dict[str, tuple[Type, _Read]] = {
    "id": (Type.TEXT, _own("id")),
    "index": (Type.WHOLE, _own("index")),
    "attempt": (Type.WHOLE, _own("attempt")),
    "warmup": (Type.FLAG, _own("warmup")),
    "status": (Type.TEXT, _own("status")),
    "counted": (Type.FLAG, _counted),
    "provider": (Type.TEXT, _own("provider")),
    "model": (Type.TEXT, _own("model")),
    "operation": (Type.TEXT, _own("operation")),
    "arm": (Type.TEXT, _own("arm")),
    "tag": (Type.TEXT, _own("tag")),
    "stream": (Type.FLAG, _own("stream")),
    "max_tokens": (Type.WHOLE, _own("max_tokens")),
    "started_at": (Type.TIME, _own("start_unix_ns")),
    "error_kind": (Type.TEXT, _of_error("kind")),
    "error_stage": (Type.TEXT, _of_error("stage")),
    "error_message": (Type.TEXT, _of_error("message")),
    "http_status": (Type.WHOLE, _of_error("http_status")),
    "provider_code": (Type.TEXT, _of_error("provider_code")),
    "retry_after_s": (Type.NUMBER, _of_error("retry_after_s")),
    "send_ms": (Type.NUMBER, _sent_ms),
    **{name: (Type.NUMBER, _figure(name)) for name in FIGURES},
    "events": (Type.WHOLE, lambda record: record.events.count),
    "characters": (Type.WHOLE, lambda record: record.events.characters),
    "input_tokens": (Type.WHOLE, _of("usage", "input")),
    "output_tokens": (Type.WHOLE, _of("usage", "output")),
    "reasoning_tokens": (Type.WHOLE, _of("usage", "reasoning")),
    "cached_input_tokens": (Type.WHOLE, _of("usage", "cached_input")),
    "cache_write_tokens": (Type.WHOLE, _of("usage", "cache_write")),
    "tokens_source": (Type.TEXT, _own("tokens_source")),
    "cost_usd": (Type.MONEY, _own("cost_usd")),
    "billed_usd": (Type.MONEY, _own("billed_usd")),
    "cost_source": (Type.TEXT, _own("cost_source")),
    "service_tier": (Type.TEXT, _own("service_tier")),
    "finish_reason": (Type.TEXT, _own("finish_reason")),
    "response_id": (Type.TEXT, _own("response_id")),
    "response_model": (Type.TEXT, _own("response_model")),
    "fingerprint": (Type.TEXT, _own("fingerprint")),
    "connection_reused": (Type.FLAG, _of("connection", "reused")),
    "http_version": (Type.TEXT, _of("connection", "http_version")),
    "tls_version": (Type.TEXT, _of("connection", "tls_version")),
    "address": (Type.TEXT, _of("connection", "address")),
    "clock_source": (Type.TEXT, _own("clock_source")),
    "clock_step_ms": (Type.NUMBER, lambda record: record.clock_step_ns / 1e6),
    "late_events": (Type.WHOLE, _own("late_events")),
    "merged_events": (Type.WHOLE, _own("merged_events")),
    "coalesced_events": (Type.WHOLE, _own("coalesced_events")),
}
"""The type of each column, and its value; None for what there is not."""

GAPS: dict[str, tuple[Type, Callable[[Sequence[int]], Any]]] = {
    "longest_gap_ms": (Type.NUMBER, lambda gaps_ns: max(gaps_ns) / 1e6 if gaps_ns else None),
    "stalls": (Type.WHOLE, lambda gaps_ns: len(stalls_of(gaps_ns))),
}
"""The same for columns that are made of the gaps, which are reckoned once."""

TEXTS = ("text", "reasoning_text", "refusal_text", "tool_text")
"""Columns of what the model said, there only where texts are kept."""


def names(*, keep_text: bool) -> dict[str, Type]:
    """The columns of a row, in their order."""
    known = {name: kind for name, (kind, _) in (*COLUMNS.items(), *GAPS.items())}
    return known | dict.fromkeys(TEXTS, Type.TEXT) if keep_text else known


def row_of(record: Record, *, keep_text: bool) -> Iterator[Any]:
    """The values of a row."""
    if record.error is not None and not keep_text:
        record = replace(record, error=record.error.unquoted())
    for _, read in COLUMNS.values():
        yield read(record)
    gaps_ns = record.events.gaps_ns()
    for _, reckon in GAPS.values():
        yield reckon(gaps_ns)
    if keep_text:
        texts = texts_of(record.events)
        yield from (texts.get(name) for name in TEXTS)
