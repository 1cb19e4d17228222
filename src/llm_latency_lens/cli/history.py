"""What `runs` and `analyze` share: the history, opened, and which of its runs are meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..extras import needing
from .past import Chosen, Place
from .world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..metrics.run_row import RunRow
    from ..store.history.index import Index

_TOLD_FROM = 20
"""Runs to be read, from which on a line says so: it takes a while."""


def base_of(place: Place) -> Path:
    """The folder that holds the runs. Raises UsageError where one is named that is not there."""
    if place.store is None:
        # It loads every provider, and no help needs one.
        from ..store.runs import home

        return home()
    if not Path(place.store).is_dir():
        raise UsageError(f"--store {place.store}: there is no such folder")
    return Path(place.store)


def open_index(place: Place, world: World, *, anew: bool = False) -> Index:
    """The history of all runs, up to date. Raises UsageError where the extra is not installed."""
    base = base_of(place)
    with needing("store", "the history", "duckdb", "pyarrow"):
        from ..store.history.index import sync

    def told(done: int, missing: int) -> None:
        if not done and missing >= _TOLD_FROM:
            world.err.write(f"Reading {missing:,} runs into the history\n")
            world.err.flush()

    return sync(base, anew=anew, on_read=told)


def matching(rows: Iterable[RunRow], chosen: Chosen) -> list[RunRow]:
    """The rows that are meant, in their order."""
    from ..store.history import chosen as history

    return history.matching(
        rows,
        model=chosen.model,
        provider=chosen.provider,
        tags=chosen.tag,
        since=since_of(chosen),
    )


def since_of(chosen: Chosen) -> datetime | None:
    """From which moment on; None for all."""
    if isinstance(chosen.since, timedelta):
        return datetime.now(UTC) - chosen.since
    return chosen.since


def said(chosen: Chosen) -> str:
    """The filters in words, for what is printed: a variable may have set one unnoticed."""
    since = since_of(chosen)
    parts = [
        f"model {chosen.model}" if chosen.model else "",
        f"provider {chosen.provider}" if chosen.provider else "",
        *(f"tag {tag}" for tag in chosen.tag),
        f"since {since:%Y-%m-%d %H:%M} UTC" if since else "",
    ]
    return ", ".join(filter(None, parts))
