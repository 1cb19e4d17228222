"""Two Parquet tables: the requests, one row an attempt, and their tokens, one row a content event.

Both are written while the records are read, some ten thousand rows at a time. What is known of the
run as a whole stands in the metadata of both. `table_of` gives the same tables in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain, repeat
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ..metrics.result import encode
from ..record import EventKind, Record
from .exported import Exported
from .flat import Type, names, row_of

_ROWS = 1 << 15
_EVENTS = 1 << 17

_TIME = pa.timestamp("ns", "UTC")
_PLACES = 18
_SMALLEST = Decimal(1).scaleb(-_PLACES)
_TYPES = {
    Type.TEXT: pa.string(),
    Type.FLAG: pa.bool_(),
    Type.WHOLE: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.TIME: _TIME,
    Type.MONEY: pa.decimal128(38, _PLACES),
}
_KINDS = {kind: code for code, kind in enumerate(EventKind)}
_NAMED = pa.dictionary(pa.int32(), pa.string())

_TOKENS = {
    "id": _NAMED,
    "index": pa.int64(),
    "attempt": pa.int64(),
    "event": pa.int64(),
    "at": _TIME,
    "at_ms": pa.float64(),
    "gap_ms": pa.float64(),
    "kind": _NAMED,
    "characters": pa.int64(),
    "read": pa.int64(),
}


def write(exported: Exported, file: BinaryIO, *parts: BinaryIO) -> None:
    """The table of requests to `file`, that of tokens to the first of `parts`."""
    (tokens_file,) = parts
    requests = _Requests(keep_text=exported.keep_text)
    tokens = _Tokens(keep_text=exported.keep_text)
    with (
        _open(file, requests.schema) as of_requests,
        _open(tokens_file, tokens.schema) as of_tokens,
    ):
        for record in exported.records(with_result=True):
            requests.add(record)
            tokens.add(record)
            if requests.full:
                of_requests.write_batch(requests.take())
            if tokens.full:
                of_tokens.write_batch(tokens.take())
        of_requests.write_batch(requests.take())
        of_tokens.write_batch(tokens.take())
        for writer in (of_requests, of_tokens):
            writer.add_key_value_metadata(_metadata(exported))


def table_of(records: Iterable[Record], name: str, *, keep_text: bool = False) -> pa.Table:
    """The table of "requests" or of "tokens", in memory."""
    rows = _Requests(keep_text=keep_text) if name == "requests" else _Tokens(keep_text=keep_text)
    batches = []
    for record in records:
        rows.add(record)
        if rows.full:
            batches.append(rows.take())
    batches.append(rows.take())
    # One dictionary for all parts of a column: not every reader puts several together.
    return pa.Table.from_batches(batches, rows.schema).unify_dictionaries().combine_chunks()


@contextmanager
def _open(file: BinaryIO, schema: pa.Schema) -> Iterator[parquet.ParquetWriter]:
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield writer


def _metadata(exported: Exported) -> dict[str, str]:
    """The run and its result as JSON; an experiment's run has only the former."""
    context = exported.context
    run = {
        "id": context.id,
        "name": context.name,
        "started_at_unix_ns": context.started_at_unix_ns,
        "tool_version": context.tool_version,
        "mode": context.mode,
        "config": context.config,
        "host": context.host,
    }
    found = {"latency_lens.run": msgspec.json.encode(run).decode()}
    if not exported.experiment:
        found["latency_lens.result"] = encode(exported.result).decode()
    return found


class _Requests:
    """Rows of requests, until they are taken."""

    def __init__(self, *, keep_text: bool) -> None:
        self._keep_text = keep_text
        kinds = names(keep_text=keep_text)
        self.schema = pa.schema([(name, _TYPES[kind]) for name, kind in kinds.items()])
        self._money = [place for place, kind in enumerate(kinds.values()) if kind is Type.MONEY]
        self.rows: list[list[Any]] = []

    @property
    def full(self) -> bool:
        """Whether it is time to take them."""
        return len(self.rows) >= _ROWS

    def add(self, record: Record) -> None:
        row = list(row_of(record, keep_text=self._keep_text))
        for place in self._money:
            row[place] = _fitting(row[place])
        self.rows.append(row)

    def take(self) -> pa.RecordBatch:
        columns = zip(*self.rows, strict=True) if self.rows else repeat(())
        arrays = [
            _array(column, field.type) for field, column in zip(self.schema, columns, strict=False)
        ]
        self.rows = []
        return pa.record_batch(arrays, self.schema)


class _Tokens:
    """Columns of content events, until they are taken."""

    def __init__(self, *, keep_text: bool) -> None:
        fields = {**_TOKENS, "text": pa.string()} if keep_text else _TOKENS
        self.schema = pa.schema(fields)
        self._keep_text = keep_text
        self._records: list[Record] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether it is time to take them."""
        return self.count >= _EVENTS

    def add(self, record: Record) -> None:
        if record.events.count:
            self._records.append(record)
            self.count += len(record.events)

    def take(self) -> pa.RecordBatch:
        records, self._records, self.count = self._records, [], 0
        sizes = [len(record.events) for record in records]

        def spread(values: list[Any]) -> Any:
            return np.repeat(np.array(values, np.int64), sizes)

        at_ns = _joined([record.events.at_ns for record in records])
        first = np.cumsum([0, *sizes])[:-1]
        gaps_ns = np.diff(at_ns, prepend=0)
        no_gap = np.zeros(len(at_ns), np.bool_)
        no_gap[first] = True
        started_ns = spread([_or_0(record.start_ns) for record in records])
        offset_ns = spread([_or_0(r.start_unix_ns) - _or_0(r.start_ns) for r in records])
        kinds = chain.from_iterable(record.events.kind for record in records)
        arrays = [
            _dictionary(spread(list(range(len(records)))), [record.id for record in records]),
            pa.array(spread([record.index for record in records])),
            pa.array(spread([record.attempt for record in records])),
            pa.array(np.arange(len(at_ns)) - np.repeat(first, sizes)),
            pa.array(at_ns + offset_ns, _TIME),
            pa.array((at_ns - started_ns) / 1e6),
            pa.array(gaps_ns / 1e6, mask=no_gap),
            _dictionary(np.fromiter(map(_KINDS.__getitem__, kinds), np.int32), list(_KINDS)),
            pa.array(_joined([record.events.chars for record in records])),
            pa.array(_joined([record.events.read for record in records])),
        ]
        if self._keep_text:
            texts = chain.from_iterable(record.events.text for record in records)
            arrays.append(_array(list(texts), pa.string()))
        return pa.record_batch(arrays, self.schema)


def _joined(columns: list[Any]) -> Any:
    return np.concatenate([np.frombuffer(c, np.int64) for c in columns] or [np.empty(0, np.int64)])


def _dictionary(codes: Any, values: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), _array(values, pa.string()))


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        # Half a surrogate pair, which a server can send, is no text in UTF-8.
        return pa.array(list(map(_clean, values)), kind)


def _or_0(value: int | None) -> int:
    return 0 if value is None else value


def _clean(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _fitting(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_SMALLEST, ROUND_HALF_EVEN)
