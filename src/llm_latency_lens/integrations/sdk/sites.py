"""Where in the user's own code a call was made: the nearest frame that is no library's."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from types import CodeType

_MOST_FRAMES = 200
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_LIBRARY = tuple(
    os.path.abspath(path) + os.sep
    for name in ("stdlib", "platstdlib")
    if (path := sysconfig.get_path(name))
)


def call_site() -> tuple[str, int] | None:
    """(file, line) of the code that asked; None where no code of the user's own is on the stack,
    as in a task that a library started."""
    frame = sys._getframe(1)
    for _ in range(_MOST_FRAMES):
        if _own(frame.f_code):
            return frame.f_code.co_filename, frame.f_lineno
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


@lru_cache(maxsize=4096)
def _own(code: CodeType) -> bool:
    name = code.co_filename
    if name.startswith("<frozen"):
        return False
    path = os.path.abspath(name)
    if path.startswith(_PACKAGE) or f"{os.sep}site-packages{os.sep}" in path:
        return False
    return f"{os.sep}dist-packages{os.sep}" not in path and not path.startswith(_LIBRARY)


def shown(site: tuple[str, int] | None, folder: str) -> str | None:
    """`app.py:12`, from that folder where it lies beneath it."""
    if site is None:
        return None
    name, line = site
    if not name.startswith("<"):
        name = os.path.abspath(name)
        if name.startswith(folder.rstrip(os.sep) + os.sep):
            name = os.path.relpath(name, folder)
    return f"{name}:{line}"
