"""Which display shows a run while it lasts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TextIO

from ..report.page import Page
from .live import LiveScreen
from .progress import Display

if TYPE_CHECKING:
    from ..engine.plan import Progress


class Shown(Protocol):
    """Something that shows a run while it lasts, and at the end leaves nothing of itself."""

    def __call__(self, now: Progress) -> None: ...
    def close(self) -> None: ...


def shown(err: TextIO, title: str, *, live: bool, color: bool) -> Shown:
    """The display that was asked for; nothing can be filled where there is no terminal."""
    if live and Page(err).terminal and os.environ.get("TERM") != "dumb":
        return LiveScreen(err, title, color=color)
    return Display(err, color=color)
