"""The proxy's side of the keeper: calls go to it through a pipe, as fast as it reads them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping

import msgspec

from ..kept import Told
from ..outside.wire import parts_of
from ..sdk.call import Call
from .keeper import Errand, Report

GONE = "the process that keeps the calls ended before its time"
_MOST_WAITING = 128 * 1024 * 1024
"""Bytes of calls that may wait for the keeper; with more, calls are lost, and counted."""
_PIECE = 256 * 1024
_PIPE_SIZE = 1 << 20
_SET_PIPE_SIZE = 1031
"""fcntl(2), F_SETPIPE_SZ; Python has its name on Linux alone."""

_log = logging.getLogger(__name__)


class Keeping:
    """The keeper, from its start to `finish`; `flush` is called inside an event loop."""

    def __init__(self, errand: Errand, environ: Mapping[str, str]) -> None:
        self.unkept = 0
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self._watched = False
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", f"{__package__}.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environ),
            # A Ctrl-C at the terminal is for the proxy, which still has calls to hand over.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._fd = self._process.stdin.fileno()
        os.write(self._fd, msgspec.json.encode(errand) + b"\n")
        _enlarge(self._fd)
        os.set_blocking(self._fd, False)

    def take(self, call: Call) -> None:
        """A call that has ended. It waits for `flush`, for to wake the keeper each time costs as
        much as to pass some pieces on."""
        parts = parts_of(call)
        size = sum(map(len, parts))
        if self._size + size > _MOST_WAITING:
            self.unkept += 1
            return
        self._size += size
        self._waiting.extend(memoryview(part) for part in parts if part)

    def flush(self) -> None:
        """Write what waits, a piece at a time."""
        if not self._watched:
            self._write()

    def _write(self) -> None:
        """Write a piece, and see whether more waits."""
        self._step()
        if bool(self._waiting) != self._watched:
            self._watched = bool(self._waiting)
            loop = asyncio.get_running_loop()
            if self._watched:
                loop.add_writer(self._fd, self._write)
            else:
                loop.remove_writer(self._fd)

    def _step(self) -> None:
        piece = self._next()
        if not piece:
            return
        try:
            taken = os.write(self._fd, piece)
        except BlockingIOError:
            return
        except OSError:  # it has gone: what waits will never be taken
            _log.warning("%s: calls go through, and are not kept any more", GONE)
            self._waiting.clear()
            self._size = _MOST_WAITING
            return
        self._size -= taken
        while taken:
            first = self._waiting.popleft()
            if taken < len(first):
                self._waiting.appendleft(first[taken:])
            taken -= min(taken, len(first))

    def _next(self) -> bytes | memoryview:
        """What to write with one system call: the beginning of a large part, or several small ones
        together."""
        size = 0
        together = []
        for part in self._waiting:
            size += len(part)
            if size > _PIECE:
                break
            together.append(part)
        return b"".join(together) if together else self._waiting[0][:_PIECE] if size else b""

    def detach(self) -> None:
        """The event loop ends."""
        if self._watched:
            asyncio.get_running_loop().remove_writer(self._fd)
            self._watched = False

    def finish(self) -> Report:
        """Hand over what still waits, and hear what was kept. Blocks."""
        os.set_blocking(self._fd, True)
        while self._waiting:
            self._step()
        out, _ = self._process.communicate()
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(out, type=Report)
        return Report(Told(), error=GONE)


def _enlarge(fd: int) -> None:
    if sys.platform.startswith("linux"):
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, _SET_PIPE_SIZE, _PIPE_SIZE)
