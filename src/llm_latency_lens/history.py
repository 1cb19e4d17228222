"""All runs that are kept: listed, asked by SQL, looked at together, held to service levels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .extras import needing
from .metrics.analysis import Analysis, By
from .metrics.run_row import RunRow
from .store import runs
from .store.history.chosen import matching
from .store.importing import Brought, Wanted, bring
from .store.prices import open_book, pricer_of
from .store.removal import find_exactly, remove
from .store.tags import change_tags, parse_tag
from .store.texts import text_of
from .store.understand import records

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from .decide.budgets import Held
    from .store.history.index import Index


class History:
    """The runs that are kept in a folder: `store`, or LATENCY_LENS_HOME, or the user's data folder.

    It is made from the run directories whenever it is asked; only what is new is read. Needs the
    extra `store`. Raises UsageError where the folder is not there.
    """

    def __init__(self, store: str | Path | None = None) -> None:
        if store is not None and not Path(store).is_dir():
            raise UsageError(f"{store}: there is no such folder")
        self._base = runs.home() if store is None else Path(store)

    def __repr__(self) -> str:
        return f"History({str(self._base)!r})"

    def runs(
        self,
        *,
        model: str | None = None,
        provider: str | None = None,
        tags: Collection[str] = (),
        since: datetime | timedelta | None = None,
    ) -> list[RunRow]:
        """The runs, the newest first: of a model or a provider (`*` and `?` stand for anything),
        with all of these tags, started since a moment or in the last so much time."""
        rows = self._index().rows
        found = matching(rows, model=model, provider=provider, tags=tags, since=_moment(since))
        return found[::-1]

    def query(self, sql: str, values: Sequence[object] = ()) -> Answer:
        """The answer to one SELECT over the tables runs, requests, answers, tokens and gaps; `?`
        in it stands for `values`. Raises UsageError for SQL that is wrong or does more than read.
        """
        index = self._index()
        from .store.history.query import History as Tables

        with Tables(index) as tables:
            return Answer(tables.table(sql, values))

    def analyze(
        self,
        metric: str = "ttft_ms.p95",
        by: By = "model",
        *,
        model: str | None = None,
        provider: str | None = None,
        tags: Collection[str] = (),
        since: datetime | timedelta | None = None,
        seed: int = 0,
    ) -> Analysis:
        """Many runs together: is there a trend, when did it change, does the hour matter?

        `metric` is a figure such as "itl_ms.p99", or "error_rate", "cost.per_request",
        "throughput.output_tokens_per_second"; each group of runs (`by`) is a series. Raises
        UsageError for a metric that no run has, and where there is no run to look at.
        """
        index = self._index()
        from .report.faces import Analysed, facing
        from .store.history.query import History as Tables
        from .store.history.series import analyse, parse_metric

        wanted, from_when = parse_metric(metric), _moment(since)
        rows = matching(index.rows, model=model, provider=provider, tags=tags, since=from_when)
        if not rows:
            raise UsageError("there is no run to look at")
        limits: dict[str, Any] = {"model": model, "provider": provider, "since": from_when}
        with Tables(index) as tables:
            found = analyse(tables, rows, wanted, by, seed=seed, **limits)
        return facing(Analysed, found)

    def hold(self, sla: str | Path, *names: str | Path) -> Held:
        """Service levels, held against all requests of runs: each named as for `load`, or a folder
        of runs; without one all that are kept. Raises UsageError or ConfigError for a file that
        cannot be read, or has a mistake.
        """
        from .decide.budgets import Ledger
        from .decide.sla import parse_sla
        from .report.faces import Upheld, facing

        ledger = Ledger(parse_sla(text_of(sla), str(sla)))
        folders = list(dict.fromkeys(self._folders(names)))
        for folder in folders:
            run = runs.load(folder)
            for record in records(run, pricer=pricer_of(run.file.context, open_book())):
                ledger.add(record)
        return facing(Upheld, ledger.held([folder.name for folder in folders]))

    def bring(
        self,
        file: str | Path,
        *,
        name: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        region: str | None = None,
        started_at: datetime | None = None,
        tags: Sequence[str] = (),
    ) -> list[Brought]:
        """Bring in what another tool measured (GuideLLM, AIPerf, vllm bench serve, LLMPerf,
        LLMeter), or a run directory of another machine: each becomes a run here. What is given
        comes before what the file says. Raises UsageError for a file of no tool that is known.
        """
        chosen = tuple(map(parse_tag, tags))
        wanted = Wanted(name=name, provider=provider, model=model, region=region,
                        started_at=started_at, tags=chosen)  # fmt: skip
        return bring(Path(file), self._base, wanted)

    def tag(self, run: str, *, add: Iterable[str] = (), drop: Iterable[str] = ()) -> list[str]:
        """Give tags to a run and take some away; gives those that it has then."""
        path = runs.find(run, self._base).path
        return change_tags(path, map(parse_tag, add), map(parse_tag, drop))

    def remove(self, run: str) -> Path:
        """Remove a run for good: its id, a beginning that no other has, or its directory. Gives
        where it was. Raises UsageError where that could be several, or none."""
        path = find_exactly(run, self._base)
        remove(path)
        return path

    def sync(self, *, anew: bool = False) -> int:
        """Bring it up to date, or make it anew from every run; gives how many were read."""
        return self._index(anew=anew).read

    def _index(self, *, anew: bool = False) -> Index:
        with needing("store", "the history", "duckdb", "pyarrow"):
            import duckdb as _  # noqa: F401

            from .store.history.index import sync
        return sync(self._base, anew=anew)

    def _folders(self, names: Sequence[str | Path]) -> Iterable[Path]:
        for name in map(str, names or (self._base / "runs",)):
            if Path(name).is_dir():
                yield from runs.folders(name)
            else:
                yield runs.find(name, self._base).path


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What a query gave."""

    _table: pa.Table = field(repr=False)

    @property
    def columns(self) -> list[str]:
        return [str(name) for name in self._table.column_names]

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        columns = [column.to_pylist() for column in self._table.columns]
        return list(zip(*columns, strict=True))

    def to_arrow(self) -> pa.Table:
        """As a table of PyArrow."""
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """As a table of pandas. Raises UsageError where it is not installed."""
        with needing("pandas", "to_pandas()", "pandas"):
            import pandas as _  # noqa: F401
        found: pd.DataFrame = self._table.to_pandas()
        return found

    def to_polars(self) -> pl.DataFrame:
        """As a table of Polars. Raises UsageError where it is not installed."""
        with needing("polars", "to_polars()", "polars"):
            import polars
        return polars.DataFrame(self._table)

    def __repr__(self) -> str:
        return f"Answer({self._table.num_rows:,} rows of {', '.join(self.columns)})"

    def __str__(self) -> str:
        from .report.history import query_table

        out = StringIO()
        query_table(self.columns, self.rows, out)
        return out.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        from .report.html.shown import answer

        return answer(self.columns, self.rows)


def _moment(since: datetime | timedelta | None) -> datetime | None:
    return datetime.now(UTC) - since if isinstance(since, timedelta) else since
