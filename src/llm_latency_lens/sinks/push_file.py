"""JSON lines that grow while the run goes on."""

from __future__ import annotations

import os

from ..errors import RunError, SinkError
from ..metrics import lines
from ..record import Record
from .opening import Opening


class FileSink:
    """One line for each request, as `--records` writes it; what is in the file before stays."""

    batch = 100
    rest_s = 0.0
    whole = False

    def __init__(self, path: str, *, keep_text: bool) -> None:
        self._keep_text = keep_text
        self._held = bytearray()
        mode = 0o600 if keep_text else 0o666
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        try:
            self._fd = os.open(path, flags, mode)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from None

    def take(self, record: Record) -> None:
        self._held += lines.encode(lines.to_line(record, keep_text=self._keep_text)) + b"\n"

    def push(self) -> None:
        try:
            while self._held:
                del self._held[: os.write(self._fd, self._held)]
        except OSError as error:
            raise SinkError(error.strerror or str(error), later=False) from None

    def drop(self) -> None:
        self._held.clear()

    def close(self) -> None:
        os.close(self._fd)


def sink(opening: Opening) -> FileSink:
    return FileSink(opening.address.url, keep_text=opening.keep_text)
