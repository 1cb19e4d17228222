"""Questions to the history: to its tables, its journal and what waits for room there, as one.

One is answered at a time, so that the memory for it is needed once. What is of one target is
picked out of the journal by how its lines begin; everything else is left to DuckDB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from ...clock import SECOND_NS
from ...metrics import schema
from ..config import DAY_S
from ..probe import Row
from . import tables
from .bins import TIMES, Bin, Sum
from .parts import Part
from .tending import Files

Span = tuple[int, int]
"""From when until before when, Unix nanoseconds."""

_HOUR_NS = 3600 * SECOND_NS
_LONG_NS = 2 * DAY_S * SECOND_NS
"""Spans beyond it are told by hours, where the steps are that long."""
_CHUNK = 2_000
_SORTED = 20_000
"""Rows that are sorted together, about."""

_row = msgspec.json.Decoder(Row)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one step of time of one target came to, in short."""

    target: str
    at_unix_s: float
    ok: int
    failed: int
    cost_usd: Decimal | None


class Questions:
    """Asks the files; `waiting` gives the lines that wait for room on the disk."""

    def __init__(self, files: Files, waiting: Callable[[], list[bytes]]) -> None:
        self.lock = threading.Lock()
        """Held while a question is answered, and while files are exchanged."""
        self._files = files
        self._waiting = waiting

    def rows(
        self, span: Span, target: str | None = None, *, newest: int | None, failed: bool
    ) -> list[Row]:
        """Rows, oldest first."""
        order = "" if newest is None else f" ORDER BY at_unix_ns DESC LIMIT {newest:d}"
        with self.lock:
            found = list(self._table_rows(span, target, failed=failed, order=order))
            found += self._journal_rows(span, target, failed=failed)
        found.sort(key=attrgetter("at_unix_ns", "target"))
        return found if newest is None else found[max(0, len(found) - newest) :]

    def each(self, span: Span) -> Iterator[Row]:
        """Rows without their gaps, one at a time: one file after the other, and of each the oldest
        first."""
        order = " ORDER BY at_unix_ns, target"
        with self.lock:
            for part in self._files.live()[1]:
                for some in self._spans(part, span):
                    yield from self._rows_of([part], some, without="gaps_ms", order=order)
            yield from self._journal_rows(span)

    def _spans(self, part: Part, span: Span) -> Iterator[Span]:
        """A span of time cut so that a file has not too many rows in each piece."""
        with self._files.engine.session() as database:
            ((count, first, last),) = database.ask(
                f"SELECT count(*), min(at_unix_ns), max(at_unix_ns) FROM"
                f" {tables.table_of([part.path])} WHERE at_unix_ns >= ? AND at_unix_ns < ?",
                span,
            )
        if count:
            step = (last - first) // -(-count // _SORTED) + 1
            for begin in range(first, last + 1, step):
                yield begin, min(begin + step, last + 1)

    def series(self, target: str, span: Span, step_ns: int) -> list[Bin]:
        """What each step came to."""
        with self.lock, self._files.engine.session() as database:
            found = self._summed(database, target, span, step_ns)
        return [found[place].bin(place * step_ns / SECOND_NS) for place in sorted(found)]

    def tallies(self, span: Span, step_ns: int) -> list[Tally]:
        """Counts and costs of all targets."""
        with self.lock, self._files.engine.session() as database:
            source = self._everything()
            if source is None:
                return []
            found = database.ask(
                f"SELECT target, at_unix_ns // {step_ns} AS step,"
                " count(*) FILTER (status = 'ok'), count(*) FILTER (status = 'failed'),"
                f" sum(cost_usd) FROM ({source})"
                " WHERE at_unix_ns >= ? AND at_unix_ns < ? GROUP BY ALL ORDER BY step, target",
                span,
            )
        return [
            Tally(target, step * step_ns / SECOND_NS, ok, failed, cost)
            for target, step, ok, failed, cost in found
        ]

    def _everything(self) -> str | None:
        """SELECT of all probes that are on the disk."""
        segments, probes, _ = self._files.live()
        found = []
        if segments:
            lines = tables.lines_of(part.path for part in segments)
            found.append(tables.from_lines(lines))
        if probes:
            columns = ", ".join(tables.PROBES)
            source = tables.table_of(part.path for part in probes)
            found.append(f"SELECT {columns} FROM {source}")
        return " UNION ALL BY NAME ".join(found) or None

    def _journal_lines(self, target: str | None) -> Iterator[bytes]:
        """Whole lines of the journal, and those that wait for room on the disk."""
        start = b"{" if target is None else b'{"target":' + schema.encode(target) + b","
        segments, _, _ = self._files.live()
        for segment in segments:
            with segment.path.open("rb") as file:
                for line in file:
                    if line.startswith(start) and line.endswith(b"}\n"):
                        yield line
        for line in self._waiting():
            if line.startswith(start):
                yield line

    def _journal_rows(
        self, span: Span, target: str | None = None, *, failed: bool = False
    ) -> Iterator[Row]:
        for line in self._journal_lines(target):
            with suppress(msgspec.DecodeError):
                row = _row.decode(line)
                if span[0] <= row.at_unix_ns < span[1] and not (failed and row.status != "failed"):
                    yield row

    def _table_rows(
        self, span: Span, target: str | None, *, failed: bool, order: str
    ) -> Iterator[Row]:
        _, probes, _ = self._files.live()
        if probes:
            yield from self._rows_of(probes, span, target, failed=failed, order=order)

    def _rows_of(
        self,
        probes: list[Part],
        span: Span,
        target: str | None = None,
        *,
        failed: bool = False,
        without: str = "",
        order: str = "",
    ) -> Iterator[Row]:
        asked = " AND target = ?" if target is not None else ""
        asked += " AND status = 'failed'" if failed else ""
        source = tables.table_of(part.path for part in probes)
        sql = (
            f"SELECT {tables.back(without)} FROM {source}"
            f" WHERE at_unix_ns >= ? AND at_unix_ns < ?{asked}{order}"
        )
        values: Sequence[Any] = (*span, *([target] if target is not None else []))
        with self._files.engine.session() as database:
            for some in database.parts(sql, values, _CHUNK):
                for (line,) in some:
                    yield _row.decode(line)

    def _summed(
        self, database: tables.Database, target: str, span: Span, step_ns: int
    ) -> dict[int, Sum]:
        """Sums by the number of their step."""
        _, probes, hours = self._files.live()
        coarse = step_ns >= _HOUR_NS and span[1] - span[0] > _LONG_NS
        if not coarse:
            hours = [part for part in hours if not any(part.touches(one) for one in probes)]
        self._gather(database, target, span, [] if coarse else probes)
        keys = {"step": f"at_unix_ns // {step_ns}"}
        exact = [] if coarse else database.named(tables.exact(keys, "probes"))
        told = {one["step"]: one for one in exact}
        sums: dict[int, Sum] = {}
        for one in database.named(tables.summed(keys, "probes")):
            _add(sums, one, told.get(one["step"], {}))
        for one in self._hours(database, target, span, step_ns, hours):
            _add(sums, one, {})
        return sums

    def _gather(
        self, database: tables.Database, target: str, span: Span, probes: list[Part]
    ) -> None:
        """Make a table of the probes in the journal, and of those in tables."""
        lines = [line.decode() for line in self._journal_lines(target)]
        source = f"({tables.from_lines(tables.lines_given())})"
        inside = f"at_unix_ns >= {span[0]} AND at_unix_ns < {span[1]}"
        chosen = f"SELECT {tables.SUMMED} FROM {source} WHERE {inside}"
        database.ask(f"CREATE TEMP TABLE probes AS {chosen}", [lines])
        if probes:
            source = tables.table_of(part.path for part in probes)
            chosen = f"SELECT {tables.SUMMED} FROM {source} WHERE target = ? AND {inside}"
            database.ask(f"INSERT INTO probes {chosen}", [target])

    def _hours(
        self,
        database: tables.Database,
        target: str,
        span: Span,
        step_ns: int,
        hours: list[Part],
    ) -> list[dict[str, Any]]:
        """Sums of hours; the one in which the span begins is told whole."""
        if not hours:
            return []
        source = tables.table_of(part.path for part in hours)
        first_s = span[0] // _HOUR_NS * 3600
        return database.named(
            f"SELECT *, hour_unix_s * {SECOND_NS} // {step_ns} AS step FROM {source}"
            " WHERE target = ? AND hour_unix_s >= ? AND hour_unix_s < ?",
            (target, first_s, -(-span[1] // SECOND_NS)),
        )


def _add(sums: dict[int, Sum], one: dict[str, Any], told: dict[str, Any]) -> None:
    """Add a row of sums to those of its step; `told` are its exact quantiles, as far as known."""
    total = sums.setdefault(one["step"], Sum())
    total.ok += one["ok"]
    total.failed += one["failed"]
    total.errors.update(one["errors"] or {})
    if one["cost_usd"] is not None:
        total.cost_usd = one["cost_usd"] + (total.cost_usd or 0)
    for name in TIMES:
        samples = told.get(f"{name}_exact")
        total.times[name].add(one[f"{name}_histogram"], one[f"{name}_max"], samples)


def _span(since_unix_s: float, until_unix_s: float) -> Span:
    return round(since_unix_s * SECOND_NS), round(until_unix_s * SECOND_NS)
