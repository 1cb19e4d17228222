"""One client's connection: its requests, one after the other."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable

from ...clock import SECOND_NS
from ...transport.poller import Poller
from ...transport.stamps import ANCILLARY_SIZE, enable_stamps, timespec
from .bodies import BodyError
from .exchange import Desk, Exchange
from .heads import END, MOST, HeadError, read_request
from .outlet import Outlet, nothing

_MOST_AHEAD = 65536
"""Bytes of requests that a client may send before the one before them is answered."""
_LINGER_S = 1.0
"""How long a client may go on sending that was told that its request is not wanted."""
_RESET = struct.pack("ii", 1, 0)
_REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large", 502: "Bad Gateway"}
_unpack = timespec.unpack_from


class Client:
    """Reads requests, hands them to exchanges, and carries their answers in order."""

    def __init__(
        self,
        sock: socket.socket,
        desk: Desk,
        poller: Poller,
        on_left: Callable[[Client], None],
    ) -> None:
        self.out = Outlet(sock, asyncio.get_running_loop())
        self.out.on_broken = self._gone
        self.out.on_empty = self._drained
        self.stamp_ns = 0
        """The kernel's stamp of the last read, in real time; 0 where it gave none."""
        self.leaving = False
        """The connection carries no other request."""
        self._desk = desk
        self._on_left = on_left
        self._sock = sock
        self._poller = poller
        self._view = memoryview(poller.buffer)
        self._exchange: Exchange | None = None
        self._ahead = b""
        self._reading = False
        self._ending = self._lingers = self._resets = False
        self._timer: asyncio.TimerHandle | None = None
        enable_stamps(sock)
        self.resume()

    # -- reading ------------------------------------------------------------------------------

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            self._poller.remove(self._sock.fileno())

    def resume(self) -> None:
        if not self._reading and self._sock.fileno() >= 0:
            self._reading = True
            self._poller.add(self._sock.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            size, ancillary, _, _ = self._sock.recvmsg_into([self._poller.buffer], ANCILLARY_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size, ancillary = 0, []
        if not size:
            self._gone()
            return
        if self._ending:
            return  # it was told already that nobody reads this
        self.stamp_ns = 0
        if ancillary:
            seconds, rest = _unpack(ancillary[0][2])
            self.stamp_ns = seconds * SECOND_NS + rest
        data = bytes(self._view[:size])
        exchange = self._exchange
        self._ahead = self._ahead + data if self._ahead else data
        if exchange is not None and exchange.tunnel:
            exchange.push(self._ahead)
            self._ahead = b""
            return
        self._proceed()

    def _proceed(self) -> None:
        """Go on with what has come, as far as it goes."""
        while self._ahead and not self._ending:
            exchange = self._exchange
            if exchange is None:
                if not self._begin():
                    return
            elif not exchange.request.done:
                if not self._feed(exchange):
                    return
            else:
                if len(self._ahead) > _MOST_AHEAD:
                    self.pause()
                return

    def _begin(self) -> bool:
        """A request begins; False where its head is not whole yet."""
        self._ahead = self._ahead.lstrip(b"\r\n")
        end = self._ahead.find(END)
        if end < 0 or end > MOST:
            if len(self._ahead) > MOST:
                self.refuse(431, f"the head of the request passes {MOST >> 10} KiB", "send")
            return False
        raw, self._ahead = self._ahead[: end + len(END)], self._ahead[end + len(END) :]
        try:
            head = read_request(raw)
        except HeadError as error:
            self.refuse(400, f"the request is {error}", "send")
            return False
        self._exchange = exchange = Exchange(self._desk, self, head)
        if self._ahead and not exchange.request.done and not self._feed(exchange):
            return False
        exchange.begin()
        return True

    def _feed(self, exchange: Exchange) -> bool:
        try:
            size = exchange.request.take(self._ahead)
        except BodyError as error:
            exchange.cancel(f"the request is {error}")
            self._exchange = None
            self.refuse(400, f"the request is {error}", "send")
            return False
        part, self._ahead = self._ahead[:size], self._ahead[size:]
        exchange.feed(part, self.stamp_ns)
        return True

    # -- writing ------------------------------------------------------------------------------

    def _drained(self) -> None:
        if self._ending:
            self._shut()
        elif self._exchange is not None:
            self._exchange.resume()

    def ended(self, *, keeps: bool, all_asked: bool) -> None:
        """The answer was handed on in full, also where not all of the request had come."""
        self._exchange = None
        if not keeps or self.leaving:
            self._end(linger=not all_asked)
            return
        self.resume()
        if self._ahead:
            asyncio.get_running_loop().call_soon(self._proceed)

    def refuse(self, status: int, message: str, stage: str) -> None:
        """Answer in place of the server, in one line of JSON, and take nothing more."""
        self._exchange = None
        error = {"type": "latency_lens_proxy", "stage": stage, "message": message}
        body = json.dumps({"error": error}).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.out.write(head.encode() + body)
        self._end(linger=True)

    def cut(self, *, reset: bool) -> None:
        """The answer stops in its middle; `reset` where its end could be taken for a good one."""
        self._exchange = None
        self._resets = reset
        self._end(linger=False)

    def leave(self) -> None:
        """No other request is taken; what is under way may end."""
        self.leaving = True
        if self._exchange is None and not self._ending:
            self._end(linger=False)

    def stop(self, why: str) -> None:
        """End at once."""
        if self._exchange is not None:
            self._exchange.cancel(why)
            self._exchange = None
        self.close()

    def close(self) -> None:
        """Close at once; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sock.fileno() >= 0:
            self.pause()
            self.out.close()
            self.out.on_empty = self.out.on_broken = nothing
            self._sock.close()
        self._on_left(self)

    def _end(self, *, linger: bool) -> None:
        """Close when all has been handed on."""
        self._ending = True
        self._lingers = linger or bool(self._ahead)
        self._ahead = b""
        if not self.out.full:
            self._shut()

    def _shut(self) -> None:
        """Close. A client that may still be sending is heard out: with something unread, the
        connection would be reset, and the client could lose the answer."""
        if self._resets:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if self._resets or not self._lingers:
            self.close()
            return
        self.resume()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._timer = asyncio.get_running_loop().call_later(_LINGER_S, self.close)

    def _gone(self) -> None:
        """The client has left."""
        self.stop("the client closed the connection")
