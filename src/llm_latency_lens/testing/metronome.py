"""Sends bytes when they are due: one heap of due sends, one timer, one system call a send.

asyncio's own timers round to a millisecond, so on Linux a timerfd wakes the loop. Bytes go straight
to the descriptor, past the transport, as long as the kernel takes them; the transport's buffer is
used where it does not, and for TLS.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import sys
import time
from array import array
from collections.abc import Callable
from typing import Protocol

from ..clock import SECOND_NS
from .script import Ending, Script

_BATCH = 128
"""Sends in a row before the loop may read requests again."""
_COALESCE_NS = 200_000
"""The timer does not fire more often than this: at load, several sends share one wake-up."""
_BACKLOG = 1 << 20
"""Bytes that a client may leave unread before an endless answer pauses."""


class Stream:
    """One response on its way: a script, its place in it, and when each send was made."""

    __slots__ = (
        "base_ns",
        "closed",
        "direct",
        "fd",
        "finished",
        "position",
        "script",
        "stamps",
        "transport",
    )

    def __init__(self, transport: asyncio.Transport, fd: int, finished: Callable[[], None]) -> None:
        self.transport = transport
        self.fd = fd
        self.direct = transport.get_extra_info("sslcontext") is None
        self.finished = finished
        self.script = Script()
        self.base_ns = 0
        self.position = 0
        self.stamps = array("q")
        """CLOCK_REALTIME just before each send."""
        self.closed = False


class Metronome:
    """Plays scripts on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[int, int, Stream]] = []
        self._played = 0
        self._armed_ns = 0
        self._over: list[Stream] = []
        self._timer = _open_timer(loop, self._beat)

    def play(self, stream: Stream, script: Script, base_ns: int) -> None:
        """Send a script whose times count from `base_ns` of CLOCK_MONOTONIC.

        `stream.finished` is called once when it has ended; set `stream.closed` to stop it.
        """
        stream.script, stream.base_ns = script, base_ns
        self._played += 1
        first_ns = script.offsets_ns[0] if script.data else script.ending_ns
        heapq.heappush(self._heap, (base_ns + first_ns, self._played, stream))
        self._arm(time.monotonic_ns())

    def close(self) -> None:
        self._timer.close()
        self._heap.clear()

    def _arm(self, soonest_ns: int) -> None:
        due_ns = max(self._heap[0][0], soonest_ns)
        if not self._armed_ns or due_ns < self._armed_ns:
            self._armed_ns = due_ns
            self._timer.wake_at(due_ns)

    def _beat(self) -> None:
        self._armed_ns = 0
        heap, now = self._heap, time.monotonic_ns
        budget = _BATCH
        while heap and budget:
            due_ns, order, stream = heap[0]
            if due_ns > now():
                break
            budget -= 1
            next_ns = None if stream.closed else self._step(stream)
            if next_ns is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (next_ns, order, stream))
        # Only now, because what follows an ending may put new streams on the heap.
        over, self._over = self._over, []
        for stream in over:
            if not stream.closed:
                stream.closed = True
                stream.finished()
        if heap:
            self._arm(now() + (_COALESCE_NS if budget else 0))

    def _step(self, stream: Stream) -> int | None:
        """Do what is due; gives when the stream is due again."""
        script, position = stream.script, stream.position
        if position == len(script.data):
            return self._end(stream)
        _send(stream, script.data[position])
        position += 1
        stream.position = position
        if position < len(script.data):
            return stream.base_ns + script.offsets_ns[position]
        if script.ending_ns > script.offsets_ns[-1] or script.ending is Ending.REPEAT:
            return stream.base_ns + script.ending_ns
        return self._end(stream)

    def _end(self, stream: Stream) -> int | None:
        script = stream.script
        if script.ending is Ending.HOLD:
            return None
        if script.ending is Ending.REPEAT:
            if stream.transport.get_write_buffer_size() < _BACKLOG:
                _send(stream, script.repeat)
            return time.monotonic_ns() + script.repeat_ns
        self._over.append(stream)
        return None


def _send(stream: Stream, data: bytes) -> None:
    if not stream.direct:
        _send_buffered(stream, data)
        return
    stream.stamps.append(time.time_ns())
    try:
        sent = os.write(stream.fd, data)
    except BlockingIOError:
        sent = 0
    except OSError:
        # The client has gone; the transport finds out by itself and ends the stream.
        stream.stamps.pop()
        return
    if sent < len(data):
        stream.direct = False
        stream.transport.write(data[sent:])


def _send_buffered(stream: Stream, data: bytes) -> None:
    """Keep the order: what the transport still holds goes first."""
    transport = stream.transport
    if (
        transport.get_write_buffer_size() == 0
        and transport.get_extra_info("sslcontext") is None
        and not transport.is_closing()
    ):
        stream.direct = True
        _send(stream, data)
        return
    stream.stamps.append(time.time_ns())
    transport.write(data)


class _Timer(Protocol):
    def wake_at(self, due_ns: int) -> None:
        """Call back at a time of CLOCK_MONOTONIC, replacing an earlier wish."""

    def close(self) -> None: ...


class _LoopTimer:
    """asyncio's own timer: up to a millisecond late."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    def wake_at(self, due_ns: int) -> None:
        self.close()
        delay_ns = max(0, due_ns - time.monotonic_ns())
        self._handle = self._loop.call_later(delay_ns / SECOND_NS, self._callback)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _KernelTimer:
    """A timerfd: late by what the scheduler needs, some 50 us."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._fd = _timerfd_create()
        loop.add_reader(self._fd, self._fired)

    def wake_at(self, due_ns: int) -> None:
        # A time of 0 would disarm it.
        _timerfd_settime(self._fd, max(1, due_ns))

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._callback()


if sys.platform != "linux":
    _open_timer = _LoopTimer
elif sys.version_info >= (3, 13):
    _open_timer = _KernelTimer

    def _timerfd_create() -> int:
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def _timerfd_settime(fd: int, due_ns: int) -> None:
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=due_ns)

else:
    _open_timer = _KernelTimer
    _libc = ctypes.CDLL(None, use_errno=True)
    _TIMER_ABSTIME = 1

    class _Itimerspec(ctypes.Structure):
        _fields_ = [
            ("interval_s", ctypes.c_long),
            ("interval_ns", ctypes.c_long),
            ("value_s", ctypes.c_long),
            ("value_ns", ctypes.c_long),
        ]

    def _timerfd_create() -> int:
        fd = int(_libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        return fd

    def _timerfd_settime(fd: int, due_ns: int) -> None:
        spec = _Itimerspec(0, 0, due_ns // SECOND_NS, due_ns % SECOND_NS)
        _libc.timerfd_settime(fd, _TIMER_ABSTIME, ctypes.byref(spec), None)
