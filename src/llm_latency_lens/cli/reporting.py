"""The settings of `report`, beside those that it shares with other commands."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from .kinds import text, texts
from .settings import setting


@dataclass(frozen=True, slots=True)
class Several:
    """Which runs."""

    runs: tuple[str, ...] = setting(
        texts(),
        ("latest",),
        "Each a run's directory, its id or the beginning of one, a folder of runs (its newest), or"
        " `latest`.",
        argument="RUN...",
        shown_default="latest",
        words=True,
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn."""

    html: str | None = setting(
        text("FILE"),
        None,
        "A page with charts, in one file that needs no network; of several runs side by side.",
    )

    def __post_init__(self) -> None:
        if self.html == "-":
            raise UsageError("--html writes a file: give it a name, such as report.html")
