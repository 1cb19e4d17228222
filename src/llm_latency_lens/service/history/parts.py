"""The files of the history, and which of them count.

    journal/2026-11-29T13.00000017.jsonl                      rows as they came, one line each
    history/probes/2026-11-29T13.00000015-00000017.parquet    the same rows, of some such files
    history/hours/2026-11-29T13.00000015-00000017.parquet     what they came to, by hours

A journal's file has a number, a table those of the files that went into it. A file whose numbers
lie within another's is superseded by that one, so that one `rename` is the moment at which rows
move on: a crash before or after it loses nothing and doubles nothing. What stands before the
numbers says when the first row came, and how far files have been joined: those of an hour, of a
day, of a month.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_NAME = re.compile(r"([0-9T-]+)\.([0-9]{8})(?:-([0-9]{8}))?\.(?:jsonl|parquet)")
DAY, MONTH = 10, 7
"""Lengths of stamps: of `2026-11-29` and `2026-11`. That of an hour is `2026-11-29T13`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file: when its first row came, as text, and the numbers that it covers."""

    path: Path
    stamp: str
    first: int
    last: int

    def covers(self, other: Part) -> bool:
        return self.first <= other.first and other.last <= self.last

    def touches(self, other: Part) -> bool:
        return self.first <= other.last and other.first <= self.last


def hour_of(unix_ns: int) -> str:
    """The stamp of an hour, UTC."""
    return datetime.fromtimestamp(unix_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H")


def listed(folder: Path) -> list[Part]:
    """The files of a folder, by their numbers, those that others supersede included."""
    found = []
    for path in folder.iterdir():
        if name := _NAME.fullmatch(path.name):
            first = int(name[2])
            found.append(Part(path, name[1], first, int(name[3] or first)))
    return sorted(found, key=lambda part: (part.first, -part.last))


def superseded(parts: Iterable[Part], by: Iterable[Part]) -> list[Part]:
    """Those of `parts` that lie within one of `by`, but are not that one."""
    others = list(by)
    return [
        part for part in parts if any(one.covers(part) and one.path != part.path for one in others)
    ]


def table(folder: Path, stamp: str, parts: list[Part]) -> Path:
    """The file for the rows of some parts, which follow each other."""
    return folder / f"{stamp}.{parts[0].first:08d}-{parts[-1].last:08d}.parquet"


def put(aside: Path, path: Path) -> None:
    """Give a finished file its name; it is on the disk before."""
    aside.chmod(0o600)
    fd = os.open(aside, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    aside.replace(path)


def remove(parts: Iterable[Part]) -> None:
    for part in parts:
        with suppress(FileNotFoundError):
            part.path.unlink()
