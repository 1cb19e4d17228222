"""Notices when a file changes: by what its path leads to, so that a turned symlink counts too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_Seen = tuple[tuple[int, int, int] | None, ...]


class Files:
    """Some files, as they were when they were last looked at."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self._read = self._last = self._look()

    def changed(self) -> bool:
        """Whether they have changed and stand still again: a file that is being written is left
        alone until two looks find the same."""
        now = self._look()
        still, self._last = now == self._last, now
        if now == self._read or not still:
            return False
        self._read = now
        return True

    def note(self) -> None:
        """They are about to be read, as they are now."""
        self._read = self._last = self._look()

    def _look(self) -> _Seen:
        return tuple(map(_state, self.paths))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
