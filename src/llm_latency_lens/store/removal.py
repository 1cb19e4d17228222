"""Removing a run: what it consists of, and nothing else that lies beside it."""

from __future__ import annotations

from pathlib import Path

from ..errors import StoreError, UsageError
from .runs import RECORDS, RUN, TIMELINES, find
from .tags import TAGS
from .understand import TOKENS

_FILES = (RUN, TIMELINES, RECORDS, TOKENS, TAGS)


def find_exactly(name: str, base: Path) -> Path:
    """The directory of one run: its id, a beginning that no other run has, or the directory.

    Raises UsageError where that could be several runs, or none.
    """
    path = Path(name)
    if path.is_dir():
        if not (path / RUN).is_file():
            raise UsageError(f"{path}: this is no run (a folder of runs is not removed at once)")
        return path.resolve()
    found = [file.parent for file in (base / "runs").glob(f"*/{RUN}")]
    meant = [path for path in found if path.name == name]
    meant = meant or [path for path in found if path.name.startswith(name)]
    if len(meant) > 1:
        raise UsageError(f"{name!r} could be any of {len(meant):,} runs: give more of the id")
    return meant[0].resolve() if meant else find(name, base).path.resolve()


def size_of(path: Path) -> int:
    """Bytes that the run takes."""
    return sum(file.stat().st_size for file in own_files(path))


def remove(path: Path) -> int:
    """Remove the run's files, and its directory where nothing else is in it; gives how much else
    there is. Raises StoreError."""
    try:
        for file in own_files(path):
            file.unlink()
        left = sum(1 for _ in path.iterdir())
        if not left:
            path.rmdir()
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}") from None
    return left


def own_files(path: Path) -> list[Path]:
    """The files that make up the run, the one that marks it last."""
    # run.json goes last: as long as it is there, what is left is found and can be removed again.
    names = [name + end for name in _FILES[::-1] for end in (".tmp", "")]
    return [path / name for name in names if (path / name).is_file()]
