# ruff: noqa: RUF009  (`setting` makes a dataclass field, which ruff cannot see)
"""The settings of the commands that look back: `runs`, `analyze` and `import`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .exporting import Logging
from .kinds import choice, moment, switch, text, texts, whole
from .settings import again, setting


@dataclass(frozen=True, slots=True)
class Doing:
    """What to do."""

    action: str = setting(
        choice("list", "show", "rm", "tag", "query", "sync"),
        "list",
        "List runs, show one, remove some, change a run's tags, ask SQL, or bring the history up to"
        " date.",
        argument="[list|show|rm|tag|query|sync]",
        shown_default="list",
    )
    words: tuple[str, ...] = setting(
        texts(),
        (),
        "Which runs; for `tag` a run, then +TAG and -TAG; for `query` the SQL.",
        argument="[RUN...|SQL]",
        words=True,
    )
    yes: bool = setting(switch(), False, "Remove without asking.")
    anew: bool = setting(switch(), False, "With `sync`: read every run again.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where."""

    store: str | None = setting(
        text("DIR"),
        None,
        "The folder that holds all data; the runs are in its folder `runs`.",
        shown_default="LATENCY_LENS_HOME, or the user's data folder",
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which runs."""

    model: str | None = setting(text(), None, "Of this model; * and ? stand for anything.")
    provider: str | None = setting(
        text("NAME"), None, "Of this provider; * and ? stand for anything."
    )
    tag: tuple[str, ...] = setting(texts(), (), "With this tag; may be repeated: with all of them.")
    since: datetime | timedelta | None = setting(
        moment(), None, "Started since: 2026-01-31, or 7d for the last seven days."
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """What is printed."""

    limit: int = setting(
        whole(0), 20, "The newest so many, with `list`; 0 is all.", shown_default="20"
    )
    format: str = setting(
        choice("table", "json", "csv"), "table", "The form.", shown_default="table"
    )
    no_color: bool = setting(switch(), False, "No colours; NO_COLOR does the same.")
    log_level: str = again(Logging, "log_level")
    config: str | None = again(Logging, "config")


GROUPS: dict[str, tuple[type, ...]] = {"runs": (Doing, Place, Chosen, Listed)}
