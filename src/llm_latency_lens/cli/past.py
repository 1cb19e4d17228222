# ruff: noqa: RUF009  (`setting` makes a dataclass field, which ruff cannot see)
"""The settings of the commands that look back: `runs`, `analyze` and `import`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from ..metrics.analysis import By
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


@dataclass(frozen=True, slots=True)
class Looking:
    """What to look at."""

    metric: str = setting(
        text(),
        "ttft_ms.p95",
        "A figure such as itl_ms.p99, or error_rate, cost.per_request,"
        " throughput.output_tokens_per_second.",
        shown_default="ttft_ms.p95",
    )
    by: By = setting(
        choice(*get_args(By)),
        "model",
        "What makes a group of runs; a scenario is a run's name.",
        shown_default="model",
    )
    seed: int = setting(whole(0), 0, "For everything that is drawn.", shown_default="0")


@dataclass(frozen=True, slots=True)
class Result:
    """What comes out."""

    output: str | None = setting(
        text("FILE"), None, "The analysis as JSON; - prints it in place of the text."
    )
    no_color: bool = again(Listed, "no_color")
    log_level: str = again(Logging, "log_level")
    config: str | None = again(Logging, "config")


@dataclass(frozen=True, slots=True)
class Bringing:
    """What to bring in."""

    files: tuple[str, ...] = setting(
        texts(),
        (),
        "Files of results, as the tools write them, or run directories.",
        argument="FILE...",
        words=True,
    )
    name: str | None = setting(text(), None, "A name for the runs.")
    provider: str | None = setting(text("NAME"), None, "Who was asked, where no file says so.")
    model: str | None = setting(text(), None, "The model, in place of what the file says.")
    region: str | None = setting(text(), None, "Where it was asked.")
    started_at: datetime | timedelta | None = setting(
        moment(), None, "When it was measured, in place of what the file says."
    )
    tag: tuple[str, ...] = setting(texts(), (), "A tag for the runs; may be repeated.")


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is shown."""

    log_level: str = again(Logging, "log_level")
    config: str | None = again(Logging, "config")


GROUPS: dict[str, tuple[type, ...]] = {
    "runs": (Doing, Place, Chosen, Listed),
    "analyze": (Looking, Place, Chosen, Result),
    "import": (Bringing, Place, Quiet),
}
