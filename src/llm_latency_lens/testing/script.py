"""A response as the server sends it: bytes with their times, whatever the provider's format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

Entry = tuple[bool, int]
"""One event in the send log: whether it carries content, and how many tokens."""

NO_CONTENT: tuple[Entry, ...] = ((False, 0),)
LAST_CHUNK = b"0\r\n\r\n"
_PIECES = 8
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Ending(StrEnum):
    """What becomes of the connection when a script has been sent."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"
    """Nothing: the client has to hang up."""
    REPEAT = "repeat"
    """`Script.repeat` is sent each `repeat_ns` until the client hangs up."""


@dataclass(slots=True)
class Script:
    """All sends of one response. Columns; times count from being served and never go down.

    `entries` says for each send which events it carries. `outcome` is the send log's word for it
    when everything was sent; `ending` happens at `ending_ns`, after the last send.
    """

    offsets_ns: list[int] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    entries: list[tuple[Entry, ...]] = field(default_factory=list)
    ending: Ending = Ending.KEEP
    ending_ns: int = 0
    repeat: bytes = b""
    repeat_ns: int = 0
    outcome: str = "ok"
    status: int = 200

    def add(self, at_ns: int, data: bytes, entries: tuple[Entry, ...] = NO_CONTENT) -> None:
        self.offsets_ns.append(at_ns)
        self.data.append(data)
        self.entries.append(entries)
        self.ending_ns = at_ns

    def place(self, event: int) -> int:
        """The send of content event `event`, or of what follows the last one.

        Sends without content that are due with it belong to it.
        """
        content = [i for i, entry in enumerate(self.entries) if entry is not NO_CONTENT]
        i = content[event] if event < len(content) else len(self.data) - 1
        while (
            i > 0 and not self.entries[i - 1][0][0] and self.offsets_ns[i - 1] == self.offsets_ns[i]
        ):
            i -= 1
        return i

    def stop(self, place: int, ending: Ending, outcome: str) -> None:
        """End otherwise, when the send at `place` was due; it and those after it are not sent."""
        self.ending_ns = self.offsets_ns[place]
        del self.offsets_ns[place:], self.data[place:], self.entries[place:]
        self.ending, self.outcome = ending, outcome

    def insert(self, place: int, data: bytes) -> None:
        """Send something without content just before another send."""
        self.offsets_ns.insert(place, self.offsets_ns[place])
        self.data.insert(place, data)
        self.entries.insert(place, NO_CONTENT)

    def gather(self) -> None:
        """Make one send of all that are due at the same time."""
        at_ns, data, entries = self.offsets_ns, self.data, self.entries
        self.offsets_ns, self.data, self.entries = [], [], []
        for at, piece, carried in zip(at_ns, data, entries, strict=True):
            if self.offsets_ns and self.offsets_ns[-1] == at:
                self.data[-1] += piece
                self.entries[-1] += carried
            else:
                self.offsets_ns.append(at)
                self.data.append(piece)
                self.entries.append(carried)

    def trickle(self, over_ns: int) -> None:
        """Let the header, which is in the first send, arrive in pieces, and all else after it."""
        header, blank, rest = self.data[0].partition(b"\r\n\r\n")
        header += blank
        size = -(-len(header) // _PIECES)
        pieces = [header[i : i + size] for i in range(0, len(header), size)]
        late = [max(over_ns, at) for at in self.offsets_ns]
        self.offsets_ns = [over_ns * i // len(pieces) for i in range(len(pieces))] + late
        self.data = [*pieces, rest, *self.data[1:]]
        self.entries = [NO_CONTENT] * len(pieces) + self.entries
        self.ending_ns = max(over_ns, self.ending_ns)


def chunk(payload: bytes) -> bytes:
    """One chunk of a chunked HTTP body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def phrase(status: int) -> str:
    """What an HTTP status is called, e.g. `Not Found`."""
    return _PHRASES.get(status, "Error")


def head(
    status: int, content_type: str, fields: Iterable[tuple[str, str]], keep_alive: bool
) -> bytes:
    """Status line and header of a response."""
    lines = [f"HTTP/1.1 {status} {phrase(status)}", f"content-type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if not keep_alive:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
