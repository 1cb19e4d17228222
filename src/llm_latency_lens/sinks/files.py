"""Exports on the disk: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import RunError
from . import FORMATS, export_of
from .exported import Exported


def paths_of(to: str, path: str) -> list[str]:
    """The files that an export to `path` writes; most formats write one."""
    form = FORMATS[to]
    return [path, *(path.removesuffix(form.ending) + ending for ending in form.parts)]


def save(exported: Exported, to: str, path: str) -> None:
    """Write a run to a file, which takes the place of an older one when it is complete.

    With texts it is readable by the user alone. Raises `UsageError` where something is not
    installed, `RunError` when the disk does not take it.
    """
    write = export_of(to, path)
    with ExitStack() as stack:
        files = [
            stack.enter_context(whole_file(name, private=exported.keep_text))
            for name in paths_of(to, path)
        ]
        write(exported, *files)


@contextmanager
def whole_file(path: str, *, private: bool) -> Iterator[BinaryIO]:
    """A file to write that takes the place of an older one when it is complete. Raises `RunError`
    when the disk does not take it."""
    target = Path(os.path.realpath(path))
    # What is no file, such as a pipe or a device, cannot be replaced.
    fresh = not target.exists() or target.is_file()
    aside = target.with_name(f".{target.name}.part") if fresh else target

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600 if private else 0o666)

    try:
        with open(aside, "wb", opener=opener) as file:
            yield file
        if fresh:
            aside.replace(target)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if fresh:
            aside.unlink(missing_ok=True)
