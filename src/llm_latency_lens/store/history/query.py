"""SQL over the history: read only, and with no way out.

DuckDB sees the tables of the index and nothing else: no other file, no network, no extension, no
variable of this program, no change of its settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from ...errors import StoreError, UsageError
from .index import Index
from .tables import REQUESTS, TOKENS, runs_table

VIEWS = ("runs", "requests", "answers", "tokens", "gaps")
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_BEFORE: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave: its columns and its rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class History:
    """The tables of an index, open for questions."""

    def __init__(self, index: Index) -> None:
        self.rows = index.rows
        try:
            self._connection = _opened(index)
        except duckdb.Error as error:
            raise _mapped(error) from None

    def ask(self, sql: str, values: Sequence[object] = ()) -> Answer:
        """The answer to one question in SQL, `?` in it standing for `values`.

        Raises UsageError for SQL that is wrong or does more than read, StoreError where a table is
        damaged.
        """
        with self._question(sql) as question:
            found = self._connection.execute(question, list(values))
            columns = [str(column[0]) for column in found.description or ()]
            return Answer(columns, found.fetchall())

    def table(self, sql: str, values: Sequence[object] = ()) -> pa.Table:
        """The same as a table of PyArrow."""
        with self._question(sql) as question:
            return self._connection.sql(question, params=list(values)).to_arrow_table()

    @contextmanager
    def _question(self, sql: str) -> Iterator[duckdb.Statement]:
        """What may be asked, inside of a transaction that writes nothing."""
        try:
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
            statements = duckdb.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in _ALLOWED:
                raise UsageError("the history answers one SELECT at a time, and changes nothing")
            yield statements[0]
        except duckdb.Error as error:
            raise _mapped(error) from None
        finally:
            self._connection.rollback()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _opened(index: Index) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=_BEFORE)
    files = {kind: [str(path) for path in index.tables(kind)] for kind in ("requests", "tokens")}
    connection.register("_runs", runs_table(index.rows))
    connection.execute("CREATE VIEW runs AS FROM _runs")
    for kind, columns in (("requests", REQUESTS), ("tokens", TOKENS)):
        if files[kind]:
            connection.execute(f"CREATE VIEW {kind} AS FROM read_parquet({_listed(files[kind])})")
        else:
            connection.register(f"_{kind}", pa.Table.from_batches([], columns))
            connection.execute(f"CREATE VIEW {kind} AS FROM _{kind}")
    connection.execute("CREATE VIEW answers AS FROM requests WHERE counted")
    connection.execute("CREATE VIEW gaps AS FROM tokens WHERE counted AND gap_ms IS NOT NULL")
    connection.execute(f"SET allowed_paths = {_listed([*files['requests'], *files['tokens']])}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _listed(paths: Iterable[str]) -> str:
    quoted = ("'" + path.replace("'", "''") + "'" for path in paths)
    return f"[{', '.join(quoted)}]"


def _mapped(error: duckdb.Error) -> UsageError | StoreError:
    """The error in one line, without DuckDB's drawing of the place."""
    told = " ".join(str(error).partition("\nLINE ")[0].split()).removesuffix(".")
    if ".parquet" in told and not isinstance(error, duckdb.PermissionException):
        return StoreError(f"{told} (`latency-lens runs sync --anew` makes the history anew)")
    return UsageError(f"SQL: {told}")
