"""One HTTP/1.1 connection: requests out, stamped bytes in. Here lies the hot path.

Between two reads of a busy run nothing happens but: `recvmsg`, the stamp, framing by llhttp, and
three appends. llhttp's body callback is the `extend` of the timeline's own buffer, so the bytes of
a chunk reach their place without a Python frame in between.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import httptools

from ..clock import MS_NS, SECOND_NS, Clock, realtime_offset_ns
from ..timeline import Connection, ErrorKind, Stage, Timeline
from .dial import Link, describe
from .poller import Poller
from .settings import Network
from .stamps import ANCILLARY_SIZE, round_trip_us, timespec, unacknowledged
from .tls import reason

_TICK_S = 1.0
_STALE_WITHIN_NS = 20 * MS_NS
_unpack = timespec.unpack_from


class _SurplusError(Exception):
    """Stops the parser where an answer is complete and another begins."""


class Http1Connection:
    """Carries one request at a time; `usable` says whether it can carry another."""

    def __init__(self, link: Link, poller: Poller, network: Network, clock: Clock) -> None:
        self.usable = True
        self.stale = False
        """The server closed before it can have read the last request: it may be sent again."""
        self.proxy = link.proxy
        self._link = link
        self._sock: socket.socket = link.sock
        self._layers = link.layers
        self._network = network
        self._max_body = network.max_body
        self._clock = clock
        self._realtime_ns = clock.realtime_ns
        self._recvmsg_into = link.sock.recvmsg_into
        self._buffers = [poller.buffer]
        self._view = memoryview(poller.buffer)
        self._poller = poller
        self._loop = asyncio.get_running_loop()
        self._carried = 0
        self._timeline: Timeline | None = None
        self._ended: asyncio.Future[None] | None = None
        self._parser: httptools.HttpResponseParser
        self._body = bytearray()
        self._offset = 0
        self._complete = False
        self._headers: list[tuple[str, str]] = []
        self._framed = False
        self._at_end = False
        self._unsent = memoryview(b"")
        self._stamp = 0
        self.on_body: Callable[[bytes], None] = self._body.extend
        poller.add(self._sock.fileno(), self._on_readable)

    # -- one exchange -------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether it can carry a request now; what came since the last one is looked at first."""
        if self.usable:
            self._on_readable()
        return self.usable

    async def exchange(self, payload: bytes, timeline: Timeline) -> None:
        """Send `payload` and fill `timeline` until the response ends, fails or is cancelled."""
        self._begin(timeline)
        timeline.start_ns = self._clock.monotonic_ns()
        self._send(payload)
        self._timer = self._loop.call_later(0, self._watch)
        assert self._ended is not None
        try:
            await self._ended
        except asyncio.CancelledError:
            timeline.fail(ErrorKind.CANCELLED, self._stage(), "cancelled")
            raise
        finally:
            self._timer.cancel()
            self._finish(timeline)

    def _begin(self, timeline: Timeline) -> None:
        link = self._link
        reused = self._carried > 0
        timeline.connection = (
            Connection(
                reused=True,
                tls_version=link.info.tls_version,
                address=link.info.address,
                rtt_us=link.info.rtt_us,
            )
            if reused
            else link.info
        )
        timeline.clock_source = "kernel" if link.stamped else "user"
        timeline.offset_ns = self._offset = realtime_offset_ns(self._clock)
        self._carried += 1
        self._timeline = timeline
        self._ended = self._loop.create_future()
        self._complete = self._framed = False
        self._headers = []
        self._body = timeline.body
        self.on_body = timeline.body.extend
        self._parser = httptools.HttpResponseParser(self)

    def _finish(self, timeline: Timeline) -> None:
        self._timeline = None
        self._ended = None
        # An answer that came before the whole request was sent leaves the rest of it unsent.
        whole = timeline.complete and timeline.failure is None and not self._unsent
        self.usable = self.usable and whole
        if timeline.closed_ns is None:
            timeline.closed_ns = self._clock.monotonic_ns()
        timeline.offset_end_ns = realtime_offset_ns(self._clock)
        if (rtt := round_trip_us(self._sock)) is not None:
            timeline.connection.rtt_us = rtt
        for layer in self._layers:
            layer.keep_session()
        if not self.usable:
            self.close()

    def close(self) -> None:
        """Close at once; safe to call twice."""
        self.usable = False
        if self._sock.fileno() >= 0:
            self._poller.remove(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()

    # -- sending ------------------------------------------------------------------------------

    def _send(self, payload: bytes) -> None:
        for layer in reversed(self._layers):
            payload = layer.encrypt(payload)
        self._unsent = memoryview(payload)
        self._flush()

    def _flush(self) -> None:
        """Hand the kernel what it takes now; a large prompt goes on when the socket has room."""
        try:
            taken = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError:
            # A server that refuses a large request may answer and hang up before it is sent: the
            # next read finds that answer, or says why there is none.
            self.usable = False
            self._unsent = memoryview(b"")
            self._loop.remove_writer(self._sock.fileno())
            return
        self._unsent = self._unsent[taken:]
        if self._unsent:
            self._loop.add_writer(self._sock.fileno(), self._flush)
            return
        self._loop.remove_writer(self._sock.fileno())
        assert self._timeline is not None
        self._timeline.sent_ns = self._clock.monotonic_ns()

    # -- receiving: the hot path --------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            size, ancillary, _, _ = self._recvmsg_into(self._buffers, ANCILLARY_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(describe(error))
            return
        now = self._realtime_ns()
        if ancillary:
            seconds, nanoseconds = _unpack(ancillary[0][2])
            stamp = seconds * SECOND_NS + nanoseconds
        else:
            stamp = now
            self._note_no_stamp(size)
        if not size:
            self._end_of_stream(stamp)
            return
        data: memoryview | bytes = self._view[:size]
        ended = False
        try:
            for layer in self._layers:
                data = layer.decrypt(data)
                ended = ended or layer.ended
        except ssl.SSLError as error:
            self._lost(f"TLS: {reason(error)}")
            return
        timeline = self._timeline
        if timeline is None:
            self._uninvited(data)
            return
        self._stamp = stamp
        body = self._body
        before = len(body)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._malformed(error)
        after = len(body)
        if after > before:
            timeline.at.append(stamp - self._offset)
            timeline.lag.append(now - stamp)
            timeline.ends.append(after)
            if after > self._max_body:
                self._overflow()
        if self._complete:
            self._end(stamp)
        if ended:
            self._end_of_stream(stamp)

    # -- what llhttp says ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        timeline = self._timeline
        assert timeline is not None
        if self._complete:  # a second answer to one request is none of its business
            raise _SurplusError
        timeline.first_byte_ns = self._stamp - self._offset

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        timeline = self._timeline
        assert timeline is not None
        timeline.status = self._parser.get_status_code()
        timeline.headers = tuple(self._headers)
        timeline.connection.http_version = self._parser.get_http_version()
        named = dict(self._headers)
        self._framed = "content-length" in named or "chunked" in named.get("transfer-encoding", "")
        encoding = named.get("content-encoding", "identity")
        if encoding != "identity":
            self._abort(
                ErrorKind.PROTOCOL,
                f"the answer is compressed ({encoding}) although only identity was asked for",
            )

    def on_message_complete(self) -> None:
        timeline = self._timeline
        assert timeline is not None
        assert timeline.status is not None
        if timeline.status < 200:  # 100 Continue, 103 Early Hints: the answer is still to come
            timeline.status = timeline.first_byte_ns = None
            self._headers = []
            return
        self._complete = True
        self.usable = self.usable and self._parser.should_keep_alive()

    def _overflow(self) -> None:
        if not self._complete:
            size = self._max_body >> 20
            self._abort(ErrorKind.PROTOCOL, f"the answer passed {size} MiB and did not end")

    def _note_no_stamp(self, size: int) -> None:
        """The kernel gave no stamp with this read: the request's source of time is not pure."""
        if size and self._timeline is not None:
            self._timeline.clock_source = "user"

    # -- ends, good and bad -------------------------------------------------------------------

    def _stage(self) -> Stage:
        timeline = self._timeline
        if timeline is None or timeline.sent_ns is None:
            return Stage.SEND
        return Stage.STREAM if timeline.at else Stage.WAIT

    def _end(self, stamp: int) -> None:
        timeline = self._timeline
        if timeline is not None and self._ended is not None and not self._ended.done():
            timeline.complete = True
            timeline.closed_ns = stamp - self._offset
            self._ended.set_result(None)

    def _end_of_stream(self, stamp: int) -> None:
        """The server closed its side."""
        self._at_end = True
        timeline = self._timeline
        if timeline is not None and timeline.status is not None and not self._framed:
            self.usable = False
            self._end(stamp)  # a body without a length ends with the connection
            return
        self._lost("closed by the server")

    def _lost(self, why: str) -> None:
        timeline = self._timeline
        if timeline is None:
            self.close()
            return
        self.stale = self._went_stale(timeline)
        when = {
            Stage.SEND: "while the request was being sent",
            Stage.WAIT: "before the answer began",
            Stage.STREAM: f"in the middle of the answer, after {len(self._body)} bytes",
        }[self._stage()]
        hint = ""
        if self._carried == 1 and timeline.first_byte_ns is None and self._chose_nothing():
            hint = " (it did not choose HTTP/1.1 in TLS: does it speak HTTP/2 alone?)"
        self._abort(ErrorKind.NETWORK, f"the connection was lost {when}: {why}{hint}")

    def _chose_nothing(self) -> bool:
        return bool(self._layers) and not self._layers[-1].agreed_on_http1

    def _went_stale(self, timeline: Timeline) -> bool:
        """Whether the connection was closed while it was idle, as far as one can tell from here.

        A closed socket acknowledges nothing; one that is half closed does, and ends at once. One
        that is reset may have taken the request in and not said so yet: that is a failure.
        """
        if self._carried == 1 or timeline.first_byte_ns is not None or timeline.start_ns is None:
            return False
        soon_ns = _STALE_WITHIN_NS + 2000 * (self._link.info.rtt_us or 0)
        soon = self._clock.monotonic_ns() - timeline.start_ns < soon_ns
        return self._at_end and (soon or unacknowledged(self._sock))

    def _malformed(self, error: Exception) -> None:
        if self._complete:
            self.usable = False  # rubbish behind a complete answer harms only the next one
        elif isinstance(error, httptools.HttpParserUpgrade):
            self._abort(ErrorKind.PROTOCOL, "the server switched to another protocol (status 101)")
        else:
            self._abort(ErrorKind.PROTOCOL, f"what came is not HTTP/1.1: {error}")

    def _uninvited(self, data: memoryview | bytes) -> None:
        """Data while nothing was asked: TLS tickets are empty by now, all else ends the reuse."""
        if data or any(layer.ended for layer in self._layers):
            self.close()

    def _abort(self, kind: ErrorKind, message: str) -> None:
        timeline = self._timeline
        self.usable = False
        if timeline is None or self._ended is None or self._ended.done():
            return
        timeline.fail(kind, self._stage(), message)
        self._ended.set_result(None)

    # -- limits -------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Once a second, or when a limit is due: off the hot path, reads set no timer."""
        timeline = self._timeline
        assert timeline is not None
        assert timeline.start_ns is not None
        limits = self._network.timeouts
        now = self._clock.monotonic_ns()
        wait_s = _TICK_S
        if limits.total_s is not None:
            left_s = limits.total_s - (now - timeline.start_ns) / SECOND_NS
            if left_s <= 0:
                self._abort(ErrorKind.TIMEOUT, f"not finished within {limits.total_s:g} s")
                return
            wait_s = min(wait_s, left_s)
        last = timeline.at[-1] if timeline.at else timeline.first_byte_ns
        if limits.idle_s is not None and last is not None:
            left_s = limits.idle_s - (now - last) / SECOND_NS
            if left_s <= 0:
                self._abort(ErrorKind.TIMEOUT, f"nothing came for {limits.idle_s:g} s")
                return
            wait_s = min(wait_s, left_s)
        self._timer = self._loop.call_later(wait_s, self._watch)
