"""The index of the history: what was read of each run, and which runs must be read (again).

For each run directory there are three files, made whole or not at all, the last one last:

    history/1/NAME.requests.parquet   one row a request
    history/1/NAME.tokens.parquet     one row a content event
    history/1/NAME.json               the run's row, and what its directory looked like then

Nothing is written here while something is measured: only the commands that ask the history do it.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from ...errors import LensError, StoreError
from ...metrics import schema
from ...metrics.run_row import RunRow, run_row
from ...metrics.summary import Summarizer
from ..prices import open_book, pricer_of
from ..runs import RECORDS, RUN, TIMELINES, Run, load, write_private
from ..tags import read_tags
from ..understand import TOKENS as COUNTS
from ..understand import records
from .tables import REQUESTS, TOKENS, Rows

FORMAT = 1
_PART = 200_000
"""Rows that are held before they are written."""
_GOING_ON_S = 60.0
"""A run without an end whose files changed since is still going on."""

_GIVEN_UP_S = 3600.0
"""A part of a table that was not touched since is left over from a program that was killed."""

_log = logging.getLogger(__name__)

OnRead = Callable[[int, int], None]
"""Told how many runs have been read, of how many that must be."""


class Entry(msgspec.Struct, kw_only=True):
    """What NAME.json holds: sizes of the tables, so that a torn one is noticed."""

    looked: str
    requests_size: int
    tokens_size: int
    row: RunRow


@dataclass(slots=True)
class Index:
    """The runs of a home folder, oldest first, and where their tables are."""

    folder: Path
    rows: list[RunRow] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    read: int = 0
    """Runs that were read just now."""
    left_out: int = 0
    """Runs that cannot be read, or are still going on."""

    def tables(self, kind: str) -> list[Path]:
        """The files of all runs; `kind` is `requests` or `tokens`."""
        return [self.folder / f"{name}.{kind}.parquet" for name in self.names]


def sync(
    home: Path, *, anew: bool = False, now: datetime | None = None, on_read: OnRead | None = None
) -> Index:
    """Bring the index of `home` up to date and give it; `anew` reads every run again.

    A run that cannot be read is warned of and left out. Raises StoreError when the index cannot be
    written.
    """
    index = Index(home / "history" / str(FORMAT))
    now_s = (now or datetime.now(UTC)).timestamp()
    _make(index.folder)
    found = {path.name: path for path in _run_dirs(home)}
    known = {} if anew else _known(index.folder, found)
    _forget(index.folder, found, now_s)
    missing = [name for name in found if name not in known]
    for done, name in enumerate(missing):
        if on_read:
            on_read(done, len(missing))
        entry = _read(found[name], index.folder, now_s)
        if entry is None:
            index.left_out += 1
        else:
            known[name] = entry
            index.read += 1
    if on_read and missing:
        on_read(len(missing), len(missing))
    for name in sorted(known, key=lambda name: (_moment(known[name]), name)):
        row = msgspec.structs.replace(
            known[name].row, tags=read_tags(found[name]), path=str(found[name])
        )
        index.rows.append(row)
        index.names.append(name)
    return index


def _moment(entry: Entry) -> float:
    return entry.row.started_at.timestamp() if entry.row.started_at else 0.0


def _run_dirs(home: Path) -> Iterator[Path]:
    """Every run of a home folder; a directory that was used again holds later ones."""
    for path in sorted((home / "runs").glob("*")):
        if (path / RUN).is_file():
            yield path


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for made in (folder.parent, folder):
            made.chmod(0o700)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from None


def _known(folder: Path, found: dict[str, Path]) -> dict[str, Entry]:
    """What the index holds of runs that are as they were when they were read."""
    known = {}
    for name, path in found.items():
        try:
            entry = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Entry)
            sizes = [
                (folder / f"{name}.{kind}.parquet").stat().st_size
                for kind in ("requests", "tokens")
            ]
        except (OSError, ValueError):  # not there, or torn: it is read again
            continue
        if entry.looked == _look(path) and sizes == [entry.requests_size, entry.tokens_size]:
            known[name] = entry
    return known


def _look(path: Path) -> str:
    """What changes when a run does: sizes and times of its files."""
    parts = []
    for name in (RUN, TIMELINES, RECORDS, COUNTS):
        with suppress(OSError):
            stat = (path / name).stat()
            parts.append(f"{name}:{stat.st_size}:{stat.st_mtime_ns}")
    return " ".join(parts)


def _forget(folder: Path, found: dict[str, Path], now_s: float) -> None:
    """Remove what belongs to runs that are gone, and what a killed program left behind."""
    for file in folder.iterdir():
        name = file.name.removesuffix(".json").removesuffix(".parquet")
        name = name.removesuffix(".requests").removesuffix(".tokens")
        if name not in found and not _is_fresh(file, now_s):
            with suppress(OSError):
                file.unlink()


def _is_fresh(file: Path, now_s: float) -> bool:
    """Whether another program may be writing this part of a table now."""
    if not file.name.endswith(".tmp"):
        return False
    try:
        return now_s - file.stat().st_mtime < _GIVEN_UP_S
    except OSError:
        return False


def _read(path: Path, folder: Path, now_s: float) -> Entry | None:
    """Read one run and write its tables; None where that cannot be done."""
    looked = _look(path)
    try:
        run = load(path)
        context = run.file.context
        ended = context.health is not None or context.source is not None
        if not ended and _changed(path) > now_s - _GOING_ON_S:
            _log.info("%s: still going on; left out for now", path)
            return None
        return _write(run, folder, looked)
    except LensError as error:
        _log.warning("%s; the run is left out of the history", error)
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError) as error:
        # The configuration of a damaged run can hold anything.
        _log.warning("%s: %s; the run is left out of the history", path, error)
    return None


def _changed(path: Path) -> float:
    return max((file.stat().st_mtime for file in path.glob("*") if file.is_file()), default=0.0)


def _write(run: Run, folder: Path, looked: str) -> Entry:
    context, name = run.file.context, run.path.name
    summarizer, rows = Summarizer(), Rows(context)
    with (
        _writer(folder / f"{name}.requests.parquet", REQUESTS) as requests,
        _writer(folder / f"{name}.tokens.parquet", TOKENS) as tokens,
    ):

        def flush() -> None:
            for writer, table in zip((requests, tokens), rows.take(), strict=True):
                writer.write_table(table)

        for record in records(run, pricer=pricer_of(context, open_book())):
            summarizer.add(record)
            rows.add(record)
            if rows.waiting > _PART:
                flush()
        flush()
    entry = Entry(
        looked=looked,
        requests_size=(folder / f"{name}.requests.parquet").stat().st_size,
        tokens_size=(folder / f"{name}.tokens.parquet").stat().st_size,
        row=run_row(context, summarizer.result(context)),
    )
    write_private(folder / f"{name}.json", schema.encode(entry))
    return entry


@contextmanager
def _writer(path: Path, columns: object) -> Iterator[pq.ParquetWriter]:
    """Write a table beside its place and put it there when it is whole."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(file, "wb") as out,
            pq.ParquetWriter(out, columns) as writer,
        ):
            yield writer
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
