"""What the alerts know of their targets, on disk: two files that are replaced as a whole.

`standing` is small and written every five minutes and whenever an incident opens or ends; `usual`
holds weeks and is written every hour. What came after them is read from the history.

A file is a row of frames, each its length and so many bytes: a head, then a name and what is kept
of that target, again and again. All in one piece would hold up a probe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import Struct

import msgspec

from ..notes import Eye
from .watch import Standing, Usual

VERSION = 1
_LENGTH = Struct("<I")


class Head(msgspec.Struct):
    """`steady_s` is the clock of the budgets, at `at_unix_s`; `eyes` are not of `usual`."""

    at_unix_s: float
    steady_s: float
    eyes: dict[str, Eye] = {}
    version: int = VERSION


def write(path: Path, head: Head, targets: Mapping[str, bytes]) -> None:
    """Blocks. Raises OSError; the old file is there until the new one is whole."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    with new.open("wb") as file:
        file.writelines(_framed(msgspec.msgpack.encode(head)))
        for name, kept in targets.items():
            file.writelines(_framed(name.encode()))
            file.writelines(_framed(kept))
    new.replace(path)


def read(path: Path) -> tuple[Head, dict[str, memoryview]] | None:
    """None where there is none, or one of another version or cut short."""
    try:
        frames = list(_frames(memoryview(path.read_bytes())))
        head = msgspec.msgpack.decode(frames[0], type=Head)
        names = [str(name, "utf-8") for name in frames[1::2]]
        targets = dict(zip(names, frames[2::2], strict=True))
    except (OSError, msgspec.DecodeError, ValueError, IndexError):
        return None
    return (head, targets) if head.version == VERSION else None


def _framed(kept: bytes) -> Iterator[bytes]:
    yield _LENGTH.pack(len(kept))
    yield kept


def _frames(whole: memoryview) -> Iterator[memoryview]:
    place = 0
    while place < len(whole):
        (size,) = _LENGTH.unpack(bytes(whole[place : place + _LENGTH.size]).ljust(4, b"\xff"))
        place += _LENGTH.size + size
        if place > len(whole):
            raise ValueError("cut short")
        yield whole[place - size : place]


encode = msgspec.msgpack.encode
standing = msgspec.msgpack.Decoder(Standing).decode
usual = msgspec.msgpack.Decoder(dict[str, Usual]).decode
