"""The settings of what is drawn: of kept runs, and of one that goes on."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from .kinds import switch, text, texts
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


@dataclass(frozen=True, slots=True)
class Following:
    """What is shown while it runs."""

    live: bool = setting(
        switch(),
        False,
        "Fill the terminal with the run as it goes: rates, percentiles, gaps, errors.",
    )
