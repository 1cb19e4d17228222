"""The tables of the history as DuckDB makes them: every probe, and what an hour's came to.

Names are those of the history of runs where a column means the same. Whole work on rows is done in
SQL: DuckDB lets the event loop's thread run meanwhile, and needs a fifth of the time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from ...errors import StoreError
from .bins import RATIO, ZERO

_MEMORY = "96MB"
_ROW_GROUP = 20_480
"""Small, so that a question of one target reads little else."""

LINE = {
    "target": "VARCHAR",
    "id": "VARCHAR",
    "at_unix_ns": "BIGINT",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "status": "VARCHAR",
    "region": "VARCHAR",
    "response_model": "VARCHAR",
    "fingerprint": "VARCHAR",
    "error_kind": "VARCHAR",
    "error_stage": "VARCHAR",
    "error": "VARCHAR",
    "http_status": "INTEGER",
    "ttft_ms": "DOUBLE",
    "tpot_ms": "DOUBLE",
    "e2e_ms": "DOUBLE",
    "ttfb_ms": "DOUBLE",
    "dns_ms": "DOUBLE",
    "connect_ms": "DOUBLE",
    "tls_ms": "DOUBLE",
    "send_lag_ms": "DOUBLE",
    "start_lag_ms": "DOUBLE",
    "gaps_ms": "DOUBLE[]",
    "stalls": "INTEGER",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "VARCHAR",
    "clock_source": "VARCHAR",
    "clock_step_ms": "DOUBLE",
    "asked_for": "BOOLEAN",
}
"""The fields of a row's line, which leaves out what is usual."""

_SAME = (
    *("target", "at_unix_ns", "provider", "model", "response_model", "region", "fingerprint"),
    *("status", "error_kind", "error_stage", "error", "http_status"),
    *("ttft_ms", "tpot_ms", "e2e_ms", "ttfb_ms", "dns_ms", "connect_ms", "tls_ms", "send_lag_ms"),
    *("start_lag_ms", "input_tokens", "output_tokens"),
)
_STARTED = "make_timestamp((at_unix_ns + coalesce(send_lag_ms, 0) * 1e6)::BIGINT // 1000)"
PROBES = {
    "request_id": "id",
    **{name: name for name in _SAME},
    "started_at": _STARTED,
    "day": f"{_STARTED}::DATE",
    "hour": f"hour({_STARTED})::INTEGER",
    "counted": "status = 'ok'",
    "gaps_ns": "[round(gap * 1e6)::BIGINT FOR gap IN coalesce(gaps_ms, [])]",
    "stalls": "coalesce(stalls, 0)",
    "cost_usd": "TRY_CAST(cost_usd AS DECIMAL(38, 12))",
    "clock_source": "coalesce(clock_source, 'kernel')",
    "clock_step_ms": "coalesce(clock_step_ms, 0)",
    "asked_for": "coalesce(asked_for, false)",
}
"""Columns of the table of probes, and what they are of a line."""

_BACK = {
    **dict.fromkeys(LINE),
    "id": "request_id",
    "gaps_ms": "[gap / 1e6 FOR gap IN gaps_ns]",
    "cost_usd": "cost_usd::VARCHAR",
}
"""What a line's fields are of the columns, where they are not the same."""

SUMMED = ", ".join(
    (
        *("at_unix_ns", "status", "counted", "error_kind", "ttft_ms", "e2e_ms", "tpot_ms"),
        *("gaps_ns", "stalls", "input_tokens", "output_tokens", "cost_usd"),
    )
)
"""Columns that sums are made of."""

_HOUR_NS = 3_600_000_000_000
_OF_HOURS = ("target", "provider", "model", "region")
_FIGURES = ("ttft_ms", "e2e_ms", "tpot_ms")


def bucket(sample: str) -> str:
    return (
        f"CASE WHEN {sample} > 0 THEN ceil(ln({sample}) / ln({RATIO!r}))::INTEGER ELSE {ZERO} END"
    )


def summed(keys: dict[str, str], source: str) -> str:
    """SELECT of what the probes of `source` came to, by `keys` (expressions by their names).

    Times are of the probes that succeeded; each has its samples by bucket, and the largest.
    """
    named = ", ".join(f"{expression} AS {name}" for name, expression in keys.items())
    names = ", ".join(keys)
    times = ", ".join(
        f"histogram({bucket(name)}) FILTER (counted AND {name} IS NOT NULL) AS {name}_histogram,"
        f" max({name}) FILTER (counted) AS {name}_max"
        for name in _FIGURES
    )
    joined = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in keys)
    return f"""
        SELECT a.*, b.itl_ms_histogram, b.itl_ms_max FROM (
            SELECT {named},
                count(*) FILTER (status = 'ok') AS ok,
                count(*) FILTER (status = 'failed') AS failed,
                count(*) FILTER (cost_usd IS NULL) AS unpriced,
                sum(cost_usd)::DECIMAL(38, 12) AS cost_usd,
                sum(input_tokens)::BIGINT AS input_tokens,
                sum(output_tokens)::BIGINT AS output_tokens,
                sum(stalls)::BIGINT AS stalls,
                histogram(error_kind) FILTER (status = 'failed') AS errors,
                {times}
            FROM {source} GROUP BY ALL
        ) a LEFT JOIN (
            SELECT {names}, histogram({bucket("gap")}) AS itl_ms_histogram, max(gap) AS itl_ms_max
            FROM (SELECT {named}, unnest(gaps_ns) / 1e6 AS gap FROM {source} WHERE counted)
            GROUP BY {names}
        ) b ON {joined}"""


def exact(keys: dict[str, str], source: str) -> str:
    """SELECT of exact quantiles of the times, by `keys`."""
    named = ", ".join(f"{expression} AS {name}" for name, expression in keys.items())
    names = ", ".join(keys)
    shares = "[0.5, 0.9, 0.95, 0.99]"
    times = ", ".join(f"quantile_cont({name}, {shares}) AS {name}_exact" for name in _FIGURES)
    return f"""
        SELECT a.*, b.itl_ms_exact FROM (
            SELECT {named}, {times} FROM {source} WHERE counted GROUP BY {names}
        ) a LEFT JOIN (
            SELECT {names}, quantile_cont(gap, {shares}) AS itl_ms_exact
            FROM (SELECT {named}, unnest(gaps_ns) / 1e6 AS gap FROM {source} WHERE counted)
            GROUP BY {names}
        ) b USING ({names})"""


def hourly(source: str) -> str:
    """SELECT of the table of hours."""
    keys = {name: name for name in _OF_HOURS}
    return summed({**keys, "hour_unix_s": f"at_unix_ns // {_HOUR_NS} * 3600"}, source)


def from_lines(source: str) -> str:
    """SELECT of the table of probes from lines."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in PROBES.items())
    return (
        f"SELECT {columns} FROM {source} WHERE target IS NOT NULL AND at_unix_ns IS NOT NULL"
        " AND status IS NOT NULL"
    )


def lines_of(paths: Iterable[Path]) -> str:
    """Whole lines of journals; what is torn is a row of nothing."""
    fields = ", ".join(f"{name}: '{kind}'" for name, kind in LINE.items())
    return (
        f"read_json({quoted(paths)}, format = 'newline_delimited', columns = {{{fields}}},"
        " ignore_errors = true, maximum_object_size = 1048576)"
    )


def lines_given() -> str:
    """Lines that are given as a parameter, a list of texts."""
    fields = {
        name: [kind.removesuffix("[]")] if kind.endswith("[]") else kind
        for name, kind in LINE.items()
    }
    shape = str(fields).replace("'", '"')
    found = f"SELECT CASE WHEN json_valid(line) THEN from_json(line, '{shape}') END AS row"
    return f"(SELECT row.* FROM ({found} FROM (SELECT unnest(?::VARCHAR[]) AS line)))"


def back(without: str = "") -> str:
    """A row's line, from the table of probes, `without` one of its fields."""
    fields = ", ".join(
        f"'{name}': {expression or name}" for name, expression in _BACK.items() if name != without
    )
    return f"to_json({{{fields}}})"


def table_of(paths: Iterable[Path]) -> str:
    return f"read_parquet({quoted(paths)}, union_by_name = true)"


def quoted(paths: Iterable[Path]) -> str:
    """A list of files in SQL."""
    texts = ("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"[{', '.join(texts)}]"


def copy(select: str, path: Path) -> str:
    """Statement that writes a table to a file."""
    text = str(path).replace("'", "''")
    return (
        f"COPY ({select}) TO '{text}'"
        f" (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE {_ROW_GROUP})"
    )


class Database:
    """DuckDB with little memory and one thread, for a few statements."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of the answer."""
        return self._connection.execute(sql, list(values)).fetchall()

    def named(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """All rows, their values by the names of the columns."""
        found = self._connection.execute(sql, list(values))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def parts(
        self, sql: str, values: Sequence[object], size: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, so many at a time."""
        found = self._connection.execute(sql, list(values))
        while rows := found.fetchmany(size):
            yield rows


class Engine:
    """DuckDB, opened when it is asked first and kept: opening takes 17 ms. What its memory does not
    hold goes to the folder `spill`. Of several threads."""

    def __init__(self, spill: Path) -> None:
        self._spill = spill
        self._lock = threading.Lock()
        self._opened: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def session(self) -> Iterator[Database]:
        """A database of its own, which is gone behind that. Raises StoreError for whatever DuckDB
        has to say."""
        try:
            with self._lock:
                if self._opened is None:
                    self._opened = duckdb.connect(config=self._config())
                cursor = self._opened.cursor()
            with cursor:
                yield Database(cursor)
        except duckdb.Error as error:
            self.close()  # some errors leave it unusable
            said = str(error).partition("\nLINE ")[0]
            raise StoreError(f"history: {' '.join(said.split())}") from None

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "threads": 1,
            "memory_limit": _MEMORY,
            "temp_directory": str(self._spill),
            "enable_external_file_cache": "false",
            # What a question needed goes back to the system behind it.
            "allocator_flush_threshold": "4MB",
            "allocator_bulk_deallocation_flush_threshold": "4MB",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
