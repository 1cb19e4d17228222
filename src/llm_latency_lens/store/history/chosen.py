"""Which runs of the history are meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from fnmatch import fnmatchcase

from ...metrics.run_row import RunRow


def matching(
    rows: Iterable[RunRow],
    *,
    model: str | None = None,
    provider: str | None = None,
    tags: Collection[str] = (),
    since: datetime | None = None,
) -> list[RunRow]:
    """The rows that fit all of it, in their order; `*` and `?` in names stand for anything."""
    return [
        row
        for row in rows
        if _fits(model, row.model)
        and _fits(provider, row.provider)
        and set(tags) <= set(row.tags)
        and (since is None or (row.started_at is not None and row.started_at >= since))
    ]


def _fits(pattern: str | None, value: str | None) -> bool:
    """A run of several models fits where one of them does."""
    if pattern is None:
        return True
    return any(fnmatchcase(part, pattern) for part in (value or "").split(", "))
