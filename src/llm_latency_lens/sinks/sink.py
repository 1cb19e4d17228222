"""What records are sent through: one sink for each URL."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from ..record import Record
from .address import WAYS
from .opening import Opening


class Sink(Protocol):
    """Takes some records, then pushes them. It is used by one thread at a time, and blocks."""

    batch: int
    """How many records to push at once."""
    rest_s: float
    """How long to wait after a push, where nobody says that it came too fast."""
    whole: bool
    """Each push carries all that was ever taken, so that it makes good for one that failed."""

    def take(self, record: Record) -> None:
        """Make ready what is to be sent of a record."""
        ...

    def push(self) -> None:
        """Send what was taken. Raises `SinkError`; then what was not sent is still held."""
        ...

    def drop(self) -> None:
        """Forget what could not be sent."""
        ...

    def close(self) -> None: ...


def open_sink(opening: Opening) -> Sink:
    """The sink of an address, for one run. Sends nothing yet. Raises `UsageError` or `RunError`."""
    module = import_module(f".{WAYS[opening.address.way].module}", __package__)
    sink: Sink = module.sink(opening)
    return sink
