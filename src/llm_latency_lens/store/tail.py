"""Reads a run's timelines while they are still being written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..timeline import Timeline
from .frames import Growing


class Tail:
    """Gives each timeline once, when it has closed; the file need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._growing: Growing | None = None

    def closed(self) -> Iterator[Timeline]:
        """What has closed since the last call."""
        if self._growing is None:
            try:
                file = self._path.open("rb")
            except FileNotFoundError:
                return
            self._growing = Growing(file)
        yield from self._growing.timelines()

    def close(self) -> None:
        if self._growing:
            self._growing.close()
