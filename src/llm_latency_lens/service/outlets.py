"""Ways out of the monitor: what is made ready for a receiver, and what is then sent to it.

A message is made ready once, at its time, and waits in a queue if it must. To InfluxDB, OTLP,
StatsD and files go records, one message each; the sinks of runs send them. To a Pushgateway and by
remote write goes what a scrape would see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from .._version import __version__
from ..metrics import lines
from ..metrics.context import Context
from ..record import Record
from ..sinks.address import Address
from ..sinks.opening import Opening
from ..sinks.push_prometheus import Gateway, RemoteWrite, Series, packed
from ..sinks.sink import Sink, open_sink

_LABELS = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Outlet(Protocol):
    """Sends messages to one receiver; blocks, and is used by one thread."""

    batch: int
    """How many messages to take at once."""
    rest_s: float
    """How long to wait after a push, where nobody says that it came too fast."""

    def take(self, messages: Sequence[bytes]) -> int:
        """Make some messages ready to be pushed; gives the number of those that cannot be."""
        ...

    def push(self) -> None:
        """Send what was taken. Raises SinkError; then it is still held."""
        ...

    def drop(self) -> None:
        """Forget what was taken."""
        ...

    def close(self) -> None: ...


class Records:
    """Records, through the sink of an address."""

    def __init__(
        self,
        address: Address,
        environ: Mapping[str, str],
        arms: Mapping[str, Any],
        now_unix_ns: int,
    ) -> None:
        self._address = address
        self._environ = environ
        self._arms = arms
        self._began_unix_ns = now_unix_ns
        self._sink = self._opened()
        self.batch, self.rest_s = self._sink.batch, self._sink.rest_s
        self._fresh = True

    def take(self, messages: Sequence[bytes]) -> int:
        refused = 0
        for message in messages:
            try:
                record = record_of(message)
            except msgspec.MsgspecError:
                refused += 1  # of a version that is not this one's
                continue
            if self._fresh:
                self._begin(record.start_unix_ns or self._began_unix_ns)
            self._sink.take(record)
        return refused

    def push(self) -> None:
        self._sink.push()

    def drop(self) -> None:
        self._sink.drop()

    def close(self) -> None:
        self._sink.close()

    def _begin(self, unix_ns: int) -> None:
        """What is summed up begins with the first record, which may be of an earlier process."""
        self._fresh = False
        if unix_ns < self._began_unix_ns:
            self._began_unix_ns = unix_ns
            self._sink.close()
            self._sink = self._opened()

    def _opened(self) -> Sink:
        context = Context(
            id="monitor",
            started_at_unix_ns=self._began_unix_ns,
            tool_version=__version__,
            config={"arms": self._arms},
        )
        return open_sink(Opening(self._address, context, self._environ, service=True))


class Scrapes:
    """What a scrape sees, by remote write."""

    batch = 1
    rest_s = 0.0

    def __init__(self, address: Address) -> None:
        self._remote = RemoteWrite(address)
        self._packed: dict[str, bytes] = {}
        self._held: bytes | None = None

    def message(self, text: str, unix_ns: int) -> bytes:
        """The samples of a text, stamped."""
        return self._remote.body(self._series(text), unix_ns)

    def take(self, messages: Sequence[bytes]) -> int:
        self._held = messages[0] if messages else None
        return 0

    def push(self) -> None:
        if self._held:
            self._remote.write(self._held)
            self._held = None

    def drop(self) -> None:
        self._held = None

    def close(self) -> None:
        self._remote.close()

    def _series(self, text: str) -> list[Series]:
        """Every sample; names and labels are packed once, as long as there are such samples."""
        known, self._packed = self._packed, {}
        found = []
        for line in text.splitlines():
            if not line.startswith("#"):
                key, _, number = line.rpartition(" ")
                parts = self._packed[key] = known.get(key) or self._pack(key)
                found.append((parts, float(number)))
        return found

    def _pack(self, key: str) -> bytes:
        name, _, labels = key.partition("{")
        own = {label: _unescaped(text) for label, text in _LABELS.findall(labels)}
        return packed(name, {**self._remote.labels, **own})


class Page:
    """What a scrape sees, to a Pushgateway; the latest is enough."""

    batch = 1
    rest_s = 0.0

    def __init__(self, address: Address) -> None:
        self._gateway = Gateway(address)
        self._held: bytes | None = None

    def message(self, text: str, unix_ns: int) -> bytes:  # noqa: ARG002
        """The text; a Pushgateway takes no stamps."""
        return text.encode("utf-8", "replace")

    def take(self, messages: Sequence[bytes]) -> int:
        self._held = messages[0] if messages else None
        return 0

    def push(self) -> None:
        if self._held:
            self._gateway.put(self._held)
            self._held = None

    def drop(self) -> None:
        self._held = None

    def close(self) -> None:
        self._gateway.close()


def _unescaped(text: str) -> str:
    """The value of a label, as `exposition` has escaped it."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def message_of(record: Record) -> bytes:
    """A record as a message."""
    return lines.encode(lines.to_line(record))


def record_of(message: bytes) -> Record:
    """The record of a message. Raises msgspec.MsgspecError where it is none."""
    return lines.from_line(lines.decode(message))
