"""One HTTP exchange of another program, as it was captured: while it runs, stamps and bytes alone.

A tap calls `take` after each read. Everything here is part of somebody else's call, so what goes
wrong here is swallowed (`harmless`): a measurement may be lost, a call never.
"""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

now = time.monotonic_ns
_log = logging.getLogger(__name__)


class Taker(Protocol):
    """Who wants to know of calls: each is told once, when the call has ended."""

    def __call__(self, call: Call) -> object: ...


def harmless(function: Callable[P, T]) -> Callable[P, T | None]:
    """The function, which gives None where it would raise."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return function(*args, **kwargs)
        except Exception:  # noqa: BLE001  (the program's own call goes on, whatever happens here)
            name = getattr(function, "__qualname__", type(function).__qualname__)
            _log.debug("the lens failed in %s", name, exc_info=True)
            return None

    return guarded


def offset_ns() -> int:
    """Real time minus monotonic time."""
    before = now()
    real = time.time_ns()
    return real - (before + now()) // 2


class Call:
    """Append-only while the exchange runs. Marks are of the monotonic clock, 0 where not reached.

    `body` is what came after HTTP's framing was taken off, or, where `framed`, with it: head,
    chunks and all.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "asked",
        "body",
        "closed_ns",
        "connect_ns",
        "connected_ns",
        "dns_ns",
        "ends",
        "eof",
        "failure",
        "fault",
        "first_kernel_ns",
        "first_ns",
        "framed",
        "headers",
        "hint",
        "http_version",
        "kernel_ns",
        "method",
        "offset_end_ns",
        "offset_ns",
        "read_ns",
        "request_headers",
        "reused",
        "rtt_us",
        "sent_ns",
        "site",
        "sock",
        "start_ns",
        "status",
        "takers",
        "tls_ns",
        "tls_version",
        "url",
        "whole",
    )

    def __init__(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]],
        asked: Any,
        *,
        framed: bool,
        hint: str | None = None,
        site: tuple[str, int] | None = None,
        takers: tuple[Taker, ...] = (),
    ) -> None:
        self.method = method
        self.url = url
        self.request_headers = tuple(headers)
        self.asked = asked
        """The body of the request, in whatever form the stack holds it."""
        self.framed = framed
        self.hint = hint
        self.site = site
        self.takers = takers
        self.start_ns = self.sent_ns = self.first_ns = self.first_kernel_ns = self.closed_ns = 0
        self.connected_ns = self.dns_ns = self.connect_ns = self.tls_ns = 0
        self.tls_version: str | None = None
        self.address: str | None = None
        self.rtt_us: int | None = None
        self.reused = True
        self.sock: Any = None
        """Where the request is being sent, while it is."""
        self.offset_ns = offset_ns()
        self.offset_end_ns = 0
        self.status = 0
        self.headers: tuple[tuple[str, str], ...] = ()
        self.http_version = ""
        self.eof = False
        """The peer closed the connection."""
        self.whole = False
        """The stack said that the answer's body was whole."""
        self.failure: tuple[str, str, bool] | None = None
        """Type and words of what was raised, and whether it was a wait that took too long."""
        self.fault: tuple[str, str, str] | None = None
        """Kind, stage and words of what went wrong, where whoever captured it knows all three."""
        self.read_ns = array("q")
        self.kernel_ns = array("q")
        """The kernel's stamp of each read in real time; 0 where it gave none."""
        self.ends = array("Q")
        self.body = bytearray()

    def take(self, data: bytes | bytearray | memoryview, read_ns: int, kernel_ns: int = 0) -> None:
        """One read. The hot path: no check, no conversion."""
        self.body += data
        self.read_ns.append(read_ns)
        self.kernel_ns.append(kernel_ns)
        self.ends.append(len(self.body))

    def handed(self, first_ns: int, last_ns: int) -> None:
        """When the socket itself took the request; 0 where that is not known."""
        if first_ns and last_ns:
            self.start_ns, self.sent_ns = first_ns, last_ns

    def arrived(self, read_ns: int, kernel_ns: int = 0) -> None:
        """The first byte of the answer."""
        if not self.first_ns:
            self.first_ns, self.first_kernel_ns = read_ns, kernel_ns

    @harmless
    def fail(self, error: BaseException) -> None:
        """Something was raised to the program; what came first stands."""
        if self.failure is None:
            kind = type(error).__name__
            slow = isinstance(error, TimeoutError) or "timeout" in kind.lower()
            self.failure = (kind, str(error)[:500], slow)

    @harmless
    def end(self) -> None:
        """Nothing more comes. Whoever is told a second time is not told."""
        if self.closed_ns:
            return
        self.closed_ns = now()
        self.offset_end_ns = offset_ns()
        takers, self.takers = self.takers, ()
        for taker in takers:
            taker(self)


class Noting:
    """A block of the program's own: what it raises is noted, and raised on. `last` ends the call
    then; `reads` says that nobody else reads the answer, so that leaving the block does too."""

    __slots__ = ("_call", "_last", "_reads")

    def __init__(self, call: Call, *, last: bool = False, reads: bool = False) -> None:
        self._call = call
        self._last = last
        self._reads = reads

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # A generator that is closed early has not failed: its owner wants no more of it. Where that
        # has forgotten it, nothing else will say so.
        if error is None or isinstance(error, GeneratorExit):
            if error is not None and self._reads:
                self._call.end()
            return
        self._call.fail(error)
        if self._last:
            self._call.end()
