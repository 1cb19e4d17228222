"""Run directories: one for each run, private to the user.

run.json        how the run was asked for, and, once it has ended, how it went
timelines.bin   what was captured (`--raw full` and `--raw redacted`)
records.jsonl   what was understood, where nothing raw is kept (`--raw off`)
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import platformdirs

from ..errors import StoreError, UsageError
from ..metrics.context import Context
from ..metrics.lines import Line, encode, from_line, to_line
from ..providers import decode
from ..record import Record
from ..timeline import Timeline
from .frames import read_frames

Raw = Literal["full", "redacted", "off"]

FORMAT = 1
TIMELINES = "timelines.bin"
RECORDS = "records.jsonl"
RUN = "run.json"

_log = logging.getLogger(__name__)


class RunFile(msgspec.Struct, kw_only=True):
    """What run.json holds."""

    format: int = FORMAT
    raw: Raw = "full"
    context: Context


class _Versioned(msgspec.Struct):
    """What every version of run.json has."""

    format: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run on the disk."""

    path: Path
    file: RunFile

    def timelines(self) -> Iterator[Timeline]:
        """What was captured, in the order in which the requests ended."""
        path = self.path / TIMELINES
        try:
            with path.open("rb") as file:
                yield from read_frames(file, _log.warning)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        except StoreError as error:
            raise StoreError(f"{path}: {error}") from None

    def records(self) -> Iterator[Record]:
        """What was captured, understood: decoded anew, or read where nothing raw was kept."""
        if self.file.raw == "off":
            yield from _read_records(self.path / RECORDS)
        else:
            for timeline in self.timelines():
                yield decode(timeline)


def home() -> Path:
    """Where this program keeps its data: LATENCY_LENS_HOME, or the user's data folder."""
    named = os.environ.get("LATENCY_LENS_HOME")
    return Path(named) if named else platformdirs.user_data_path("latency-lens", appauthor=False)


def new_id(now: datetime) -> str:
    """A name for a run that sorts by time."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def create(run_id: str, run_dir: Path | None) -> Path:
    """Make the run's directory: `run_dir` itself, or one under it where it holds something already.

    Without `run_dir`, one under the home folder.
    """
    path = run_dir or home() / "runs" / run_id
    try:
        if run_dir and path.is_dir() and any(path.iterdir()):
            path = path / run_id
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"run directory {path}: {error.strerror} (--run-dir names another place)"
        ) from None
    return path


def write(path: Path, file: RunFile) -> None:
    """Replace run.json, whole or not at all."""
    write_private(path / RUN, msgspec.json.format(msgspec.json.encode(file), indent=2))


def write_private(path: Path, data: bytes) -> None:
    """Replace a file, whole or not at all, readable by the user alone."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with _private(temporary) as file:
            file.write(data)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StoreError(f"{path}: {error.strerror}") from None


def _private(path: Path) -> BinaryIO:
    """Open a file anew, readable by the user alone."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


class RecordFile:
    """One JSON line a request, written as it comes. Raises StoreError."""

    def __init__(self, path: Path, *, keep_text: bool) -> None:
        self._path = path
        self._keep_text = keep_text
        with self._told():
            self._file = _private(path)

    def add(self, record: Record) -> None:
        with self._told():
            self._file.write(encode(to_line(record, keep_text=self._keep_text)) + b"\n")

    def close(self) -> None:
        with self._told():
            self._file.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from None


def write_records(path: Path, records: Iterable[Record], *, keep_text: bool) -> None:
    """All lines of a run at once."""
    file = RecordFile(path, keep_text=keep_text)
    try:
        for record in records:
            file.add(record)
    finally:
        file.close()


def _read_records(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield from_line(msgspec.json.decode(line, type=Line))
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    _log.warning("%s:%d: not a record; the line is left out", path, number)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None


def find(name: str, base: Path | None = None) -> Run:
    """The run that `name` means: a directory, a directory of runs (its newest), an id, `latest`.

    Ids are looked for under `base`, the home folder unless given. Raises UsageError when there is
    none, StoreError when it cannot be read.
    """
    path = Path(name)
    if path.is_dir():
        # A run directory that was given a second time holds the later runs as subfolders.
        alone = (path / RUN).is_file() and not any(path.glob(f"*/{RUN}"))
        missing = f"{path}: no run is kept there"
        return load(path if alone else _newest(path, lambda _: True, missing))
    runs = (base or home()) / "runs"
    if name == "latest":
        return load(_newest(runs, lambda _: True, f"no run is kept under {runs} yet"))
    missing = f"no run {name!r}: neither a directory nor the id of a run under {runs}"
    return load(_newest(runs, lambda found: found.startswith(name), missing))


def folders(name: str) -> list[Path]:
    """The directories of all runs that `name` means, the oldest first: `all` that are kept, all in
    a folder of runs, or the one that `find` finds. Raises what `find` does."""
    path = home() / "runs" if name == "all" else Path(name)
    if name != "all" and (not path.is_dir() or (path / RUN).is_file()):
        return [find(name).path]
    found = sorted((file.parent for file in path.glob(f"*/{RUN}")), key=lambda one: one.name)
    if not found:
        raise UsageError(f"no run is kept under {path}")
    return found


def _newest(folder: Path, wanted: Callable[[str], bool], missing: str) -> Path:
    found = [file.parent for file in folder.glob(f"*/{RUN}") if wanted(file.parent.name)]
    if not found:
        raise UsageError(missing)
    return max(found, key=lambda path: path.name)


def load(path: Path) -> Run:
    """Read run.json."""
    try:
        data = (path / RUN).read_bytes()
    except OSError as error:
        raise StoreError(f"{path / RUN}: {error.strerror}") from None
    try:
        version = msgspec.json.decode(data, type=_Versioned).format
        if version > FORMAT:
            raise StoreError(
                f"{path / RUN}: written by a newer latency-lens (format {version}, "
                f"this one reads up to {FORMAT})"
            )
        return Run(path, msgspec.json.decode(data, type=RunFile))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{path / RUN}: not a run of latency-lens: {error}") from None
