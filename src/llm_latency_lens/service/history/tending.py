"""What becomes of the journal: packed, joined, summed up, forgotten.

Each step writes a new file beside its place and then gives it its name, which is the moment at
which it counts; the files that it supersedes are removed behind that, or at the next start.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ...clock import SECOND_NS
from ..config import RetentionConfig
from . import parts, tables
from .parts import Part

_MAGIC = b"PAR1"
SEGMENT = 16 * 1024 * 1024
"""Bytes of a file of the journal, and of those that are packed together: what takes an hour to come
with 60 targets at 10 s. Packing needs three times as much memory."""
_SORTED = 60_000
"""Rows that are sorted together: some 25 MB of them."""


@dataclass(frozen=True, slots=True)
class Files:
    """The folders of a history, and what reads and writes tables there."""

    journal: Path
    probes: Path
    hours: Path
    engine: tables.Engine

    def live(self) -> tuple[list[Part], list[Part], list[Part]]:
        """The files that count: of the journal, of probes, of hours."""
        segments, probes, hours = map(parts.listed, (self.journal, self.probes, self.hours))
        gone = {part.path for part in parts.superseded(probes, probes)}
        probes = [part for part in probes if part.path not in gone]
        gone = {part.path for part in parts.superseded(segments, probes)}
        segments = [part for part in segments if part.path not in gone]
        gone = {part.path for part in parts.superseded(hours, hours)}
        # Hours are written before their probes: without these they do not count yet.
        return (
            segments,
            probes,
            [
                part
                for part in hours
                if part.path not in gone and not any(part.touches(one) for one in segments)
            ],
        )

    def next_number(self) -> int:
        """For the next file of the journal."""
        listed = map(parts.listed, (self.journal, self.probes, self.hours))
        return max((part.last for some in listed for part in some), default=0) + 1

    def size(self) -> int:
        total = 0
        for folder in (self.journal, self.probes, self.hours):
            for path in folder.iterdir():
                with suppress(FileNotFoundError):
                    total += path.stat().st_size
        return total


def tend(
    files: Files,
    retention: RetentionConfig,
    now: str,
    now_unix_ns: int,
    exchanging: threading.Lock,
) -> None:
    """Do all that is due; `now` is the hour of which the journal is written. Questions wait only
    while files are exchanged."""
    now_s = now_unix_ns / SECOND_NS
    with exchanging:
        sweep(files)
        parts.remove(_old(files.probes, now_s - retention.probes_s))
        parts.remove(_old(files.hours, now_s - retention.hours_s))
    for group in _packable(files, now):
        pack(files, group, exchanging)
    for folder in (files.probes, files.hours):
        for group in _joinable(folder, now, parts.DAY):
            join(files, group, parts.DAY, exchanging)
    for group in _joinable(files.hours, now, parts.MONTH):
        _, probes, _ = files.live()
        # An hour is told from its probes, as long as there are any: file by file.
        if not any(part.touches(one) for part in group for one in probes):
            join(files, group, parts.MONTH, exchanging)


def set_aside(files: Files) -> str | None:
    """Take out of the way what is no whole table, which only a machine that died can leave: its
    file is kept under another name. Gives what to say of it."""
    damaged = []
    for folder in (files.probes, files.hours):
        for part in parts.listed(folder):
            if not _is_whole(part.path):
                part.path.rename(f"{part.path}.damaged")
                damaged.append(part.path.name)
    return f"damaged, and set aside: {', '.join(damaged)}" if damaged else None


def _is_whole(path: Path) -> bool:
    """Whether a table begins and ends as such files do."""
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return False
        file.seek(-4, os.SEEK_END)
        return file.read(4) == _MAGIC


def sweep(files: Files) -> None:
    """Remove what is superseded, and what a crash left unfinished."""
    segments, probes, hours = map(parts.listed, (files.journal, files.probes, files.hours))
    parts.remove(parts.superseded(segments, probes))
    parts.remove(parts.superseded(probes, probes))
    parts.remove(parts.superseded(hours, hours))
    for folder in (files.probes, files.hours):
        for path in folder.glob("*.tmp"):
            path.unlink()


def pack(files: Files, segments: list[Part], exchanging: threading.Lock) -> None:
    """Make tables of finished files of the journal."""
    stamp = segments[0].stamp
    probes = parts.table(files.probes, stamp, segments)
    hours = parts.table(files.hours, stamp, segments)
    aside, aside_hours = _aside(probes), _aside(hours)
    try:
        with files.engine.session() as database:
            lines = tables.from_lines(tables.lines_of(part.path for part in segments))
            database.ask(tables.copy(f"{lines} ORDER BY target, at_unix_ns", aside))
            source = tables.table_of([aside])
            database.ask(
                tables.copy(f"{tables.hourly(source)} ORDER BY target, hour_unix_s", aside_hours)
            )
        with exchanging:
            parts.put(aside_hours, hours)
            parts.put(aside, probes)
            parts.remove(segments)
    finally:
        aside.unlink(missing_ok=True)
        aside_hours.unlink(missing_ok=True)


def join(files: Files, group: list[Part], length: int, exchanging: threading.Lock) -> None:
    """Make one table of several that follow each other, named after so much of the first stamp.

    Sorting all rows of a large day would need more memory than there is for it: it is done for some
    targets after the others.
    """
    folder = group[0].path.parent
    path = parts.table(folder, group[0].stamp[:length], group)
    order = "target, at_unix_ns" if folder == files.probes else "target, hour_unix_s"
    aside = _aside(path)
    source = tables.table_of(part.path for part in group)
    made: list[Path] = []
    try:
        with files.engine.session() as database:
            for first, last in _chunks(database, source):
                made.append(aside.with_name(f"{len(made)}.{aside.name}"))
                some = f"SELECT * FROM {source} WHERE target BETWEEN ? AND ? ORDER BY {order}"
                database.ask(tables.copy(some, made[-1]), (first, last))
            if len(made) == 1:
                made.pop().replace(aside)
            else:
                whole = tables.table_of(made) if made else source
                database.ask(tables.copy(f"SELECT * FROM {whole}", aside))
        with exchanging:
            parts.put(aside, path)
            parts.remove(group)
    finally:
        for one in (aside, *made):
            one.unlink(missing_ok=True)


def _chunks(database: tables.Database, source: str) -> Iterator[tuple[str, str]]:
    """The first and the last target of some that have so many rows together."""
    first, held = None, 0
    counts = database.ask(f"SELECT target, count(*) FROM {source} GROUP BY ALL ORDER BY ALL")
    for place, (target, count) in enumerate(counts):
        first, held = first or target, held + count
        if held >= _SORTED or place == len(counts) - 1:
            yield first, target
            first, held = None, 0


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp")


def _packable(files: Files, now: str) -> Iterator[list[Part]]:
    """Files of the journal that are of an hour that is over, or full: an hour's together, as far as
    they are small."""
    group: list[Part] = []
    held = 0
    for part in files.live()[0]:
        size = part.path.stat().st_size
        if part.stamp >= now and size < SEGMENT:
            continue
        if group and (part.stamp != group[0].stamp or held + size > SEGMENT):
            yield group
            group, held = [], 0
        group.append(part)
        held += size
    if group:
        yield group


def _joinable(folder: Path, now: str, length: int) -> Iterable[list[Part]]:
    """Files that follow each other in a day or a month that is over."""
    found = parts.listed(folder)
    gone = {part.path for part in parts.superseded(found, found)}
    left = (part for part in found if part.path not in gone)
    groups = groupby(left, lambda part: part.stamp[:length])
    listed = ((span, list(group)) for span, group in groups)
    return [group for span, group in listed if len(group) > 1 and span < now[: len(span)]]


def _old(folder: Path, before_unix_s: float) -> list[Part]:
    """Files all of whose rows are older than a moment."""
    before = parts.hour_of(max(0, round(before_unix_s * SECOND_NS)))
    return [part for part in parts.listed(folder) if part.stamp < before[: len(part.stamp)]]
