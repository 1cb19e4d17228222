"""What the alerts know of their targets, on disk: two files that are replaced as a whole.

`standing` is small and written every minute and whenever an incident opens or ends; `usual` holds
weeks and is written every hour. What came after them is read from the history.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from ..notes import Eye
from .watch import Standing, Usual

VERSION = 1


class Standings(msgspec.Struct):
    """`steady_s` is the clock of the budgets, at `at_unix_s`."""

    version: int
    at_unix_s: float
    steady_s: float
    targets: dict[str, Standing]
    eyes: dict[str, Eye]


class Usuals(msgspec.Struct):
    version: int
    at_unix_s: float
    targets: dict[str, dict[str, Usual]]


T = TypeVar("T", Standings, Usuals)


def write(folder: Path, kept: bytes, name: str) -> None:
    """Raises OSError; the old file is there until the new one is whole."""
    new = folder / f"{name}.new"
    new.touch(mode=0o600)
    new.write_bytes(kept)
    new.replace(folder / name)


def read(folder: Path, name: str, kind: type[T]) -> T | None:
    """None where there is none, or one of another version or cut short."""
    try:
        found = msgspec.msgpack.decode((folder / name).read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.version == VERSION else None
