"""The simulator's own truth: when each event of each answer was handed to the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import RunError, UsageError
from .script import Entry


class Sent(msgspec.Struct):
    """One request as a line of the send log. Times are CLOCK_REALTIME in ns.

    `sends_ns`, `content` and `tokens` are columns of equal length, one place an event. A stamp is
    taken just before the system call that sends the event; events that went out in one call share
    it.
    """

    id: str
    """The client's `x-client-request-id`, or empty."""
    index: int
    """Place in the order of arrival, from 0: what the schedule was derived from."""
    received_ns: int
    """When the request had been read completely."""
    served_ns: int | None = None
    """When it left the queue for a slot; None if it never did."""
    sends_ns: list[int] = []
    content: list[bool] = []
    tokens: list[int] = []
    outcome: str = "ok"
    """How the response ended: sent in full (ok), or error, cut, reset; `disconnected` when the
    client left before, `stopped` when the simulator did."""
    status: int = 200
    fault: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Sent).decode


def expand(stamps: Sequence[int], entries: Sequence[tuple[Entry, ...]], sent: Sent) -> None:
    """Write one place for each event into the columns; sends beyond the plan repeat its last."""
    for i, stamp in enumerate(stamps):
        for content, tokens in entries[min(i, len(entries) - 1)]:
            sent.sends_ns.append(stamp)
            sent.content.append(content)
            sent.tokens.append(tokens)


class SendLog:
    """Lines that wait in memory until it does not matter, and the file they go to.

    UsageError when the file cannot be made. A disk that fills up is told by `close`, so that
    serving goes on meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._waiting: list[Sent] = []
        self._failure: str | None = None
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise UsageError(f"cannot write the send log {path}: {error.strerror}") from error

    def add(self, sent: Sent) -> None:
        self._waiting.append(sent)

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        rest = memoryview(b"".join(_encode(line) + b"\n" for line in lines))
        try:
            while rest and self._failure is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._failure = error.strerror

    def close(self) -> None:
        """RunError when a line could not be written."""
        self.flush()
        self._file.close()
        if self._failure is not None:
            raise RunError(f"cannot write the send log: {self._failure}")


def read_send_log(path: Path) -> list[Sent]:
    """The finished lines of a send log, in the order in which the requests ended."""
    try:
        return [_decode(line) for line in path.read_bytes().split(b"\n")[:-1]]
    except OSError as error:
        raise RunError(f"cannot read the send log {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is not a send log: {error}") from error
