"""One request on its way to the server, and its answer on the way back.

Bytes are handed on first and noted afterwards. What a request holds is kept until its answer
begins, or, for a call to a model, until it has ended: a connection that the server closed while it
was idle is found out only by sending on it, and then the request goes to a new one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from ...clock import MS_NS, SystemClock
from ...timeline import ErrorKind, Failure, Stage
from ...transport.stamps import unacknowledged
from ..sdk.call import Call, Taker, now
from .added import Lateness
from .asking import hint_for
from .bodies import Body, BodyError, TillClosed
from .heads import END, MOST, AnswerHead, HeadError, RequestHead, read_answer
from .outlet import Outlet, nothing
from .upstream import Connection, Pool

MOST_KEPT = 64 * 1024 * 1024
"""Bytes of a request or an answer: a call with more is passed on and not measured."""
MOST_HELD = 256 * 1024
"""Bytes of a request that wait for a connection."""
_STALE_WITHIN_NS = 20 * MS_NS


@dataclass(slots=True)
class Counts:
    """What went through. `others` asked no model, `unkept` were too large, or the keeper too slow;
    `waited` are pieces of answers that a client did not take at once."""

    ok: int = 0
    failed: int = 0
    cancelled: int = 0
    others: int = 0
    unkept: int = 0
    waited: int = 0
    under_way: int = 0
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """What all exchanges share."""

    pool: Pool
    take: Taker
    hint: str | None = None
    counts: Counts = field(default_factory=Counts)
    requests: Lateness = field(default_factory=Lateness)
    answers: Lateness = field(default_factory=Lateness)


class Asker(Protocol):
    """The client's side of an exchange."""

    out: Outlet
    stamp_ns: int
    leaving: bool

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def ended(self, *, keeps: bool, all_asked: bool) -> None: ...

    def refuse(self, status: int, message: str, stage: str) -> None: ...

    def cut(self, *, reset: bool) -> None: ...


class Exchange:
    """One request and its answer. The client tells of the one side, a connection of the other."""

    def __init__(self, desk: Desk, client: Asker, head: RequestHead) -> None:
        upstream = desk.pool.upstream
        self.request: Body = head.body()
        """What of the request is still to come."""
        self.tunnel = False
        self._desk = desk
        self._client = client
        self._head = head
        self._target = head.target if head.target == "*" else upstream.prefix + head.target
        self._call: Call | None = None
        self._known = False
        """Whether it has been looked at what this is."""
        self._asked = bytearray()
        self._keeps = True
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._stage = Stage.CONNECT
        self._sent = False
        self._start_ns = 0
        self._raw = b""
        self._answer: Body | None = None
        self._answer_head: AnswerHead | None = None
        self._size = 0
        self._surplus = self._dropped = self._told = False
        self._client_stays = False
        self._realtime_ns = SystemClock.realtime_ns
        desk.counts.under_way += 1

    def _know(self) -> None:
        """Find out whether this is a call to a model."""
        self._known = True
        desk, method = self._desk, self._head.method
        url = desk.pool.upstream.origin + self._target
        wanted, hint = hint_for(method, url, desk.hint)
        if not wanted:
            return
        headers = (
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._head.fields.pairs
        )
        self._call = Call(method, url, headers, None, framed=True, hint=hint, takers=(desk.take,))

    # -- the request --------------------------------------------------------------------------

    def begin(self) -> None:
        """Find a connection and send what is there."""
        if (connection := self._desk.pool.take()) is not None:
            self._send_on(connection, self._client.stamp_ns)
        else:
            self._know()
            self._dial()

    def feed(self, data: bytes, stamp_ns: int) -> None:
        """More of the request's body."""
        if self._keeps:
            self._asked += data
        connection = self._connection
        if connection is None:
            if len(self._asked) > MOST_HELD:
                self._client.pause()
            return
        connection.send(data)
        self._weigh()
        if connection.out.full:
            self._client.pause()
        elif self.request.done:
            self._handed(stamp_ns)

    def push(self, data: bytes) -> None:
        """More from the client, once this is a tunnel."""
        if self._connection is not None:
            self._connection.send(data)
            if self._connection.out.full:
                self._client.pause()

    def _weigh(self) -> None:
        """What asks no model is kept only for a connection that turns out to be closed."""
        if len(self._asked) > (MOST_HELD if self._call is None else MOST_KEPT):
            self._keep_no_more()

    def _keep_no_more(self) -> None:
        """It is too large to be kept, and goes on unmeasured."""
        self._keeps = False
        self._asked = bytearray()
        if self._call is not None:
            self._call = None
            self._dropped = True
            self._desk.counts.unkept += 1

    def _dial(self) -> None:
        self._stage = Stage.CONNECT
        self._dialing = asyncio.get_running_loop().create_task(self._opened())

    async def _opened(self) -> None:
        connection = await self._desk.pool.open()
        self._dialing = None
        if isinstance(connection, Failure):
            self._failed(connection)
        else:
            self._send_on(connection, 0)

    def _send_on(self, connection: Connection, stamp_ns: int) -> None:
        self._connection = connection
        connection.reader = self
        connection.out.on_empty = self._drained
        connection.out.on_broken = self._drained
        connection.carried += 1
        self._stage = Stage.SEND
        data = self._rendered(connection) + bytes(self._asked)
        self._start_ns = now()
        connection.send(data)
        if not self._known:  # only now: the request need not wait for it
            self._know()
        if self._call is not None:
            _describe(self._call, connection)
            self._call.start_ns = self._start_ns
        self._weigh()
        if connection.out.full:
            self._client.pause()
            return
        if self.request.done:
            self._handed(stamp_ns)
        self._client.resume()

    def _rendered(self, connection: Connection) -> bytes:
        """The head, as this connection wants it."""
        host, proxy = self._desk.pool.upstream.host, connection.link.proxy
        if proxy is None:
            return self._head.passed_on(self._target, host)
        secret = proxy.authorization
        more = [f"Proxy-Authorization: {secret}"] if secret else []
        return self._head.passed_on(f"http://{host}{self._target}", host, more)

    def _handed(self, stamp_ns: int) -> None:
        """The kernel has all of the request."""
        if self._sent:
            return
        self._sent = True
        self._stage = Stage.WAIT
        if self._call is not None:
            self._call.sent_ns = now()
            if stamp_ns:
                self._desk.requests.add(self._realtime_ns() - stamp_ns)

    def _drained(self) -> None:
        """The server has taken what waited for it, or never will: its answer says so then."""
        if self.request.done:
            self._handed(0)
        self._client.resume()

    # -- the answer ---------------------------------------------------------------------------

    def take(self, data: bytes, read_ns: int, stamp_ns: int) -> None:
        """What came from the server: the hot path. Handed on first, then noted."""
        answer = self._answer
        try:
            if answer is None:
                self._begin_answer(data)
                answer = self._answer
            else:
                self._client.out.write(self._part(answer, data))
        except (HeadError, BodyError) as error:
            self._note(data, read_ns, stamp_ns)
            self._failed(Failure(ErrorKind.PROTOCOL, self._stage, f"what came is {error}"))
            return
        self._note(data, read_ns, stamp_ns)
        if answer is not None and answer.done:
            self._end()
        elif self._client.out.full and self._connection is not None:
            self._connection.pause()

    def _part(self, answer: Body, data: bytes) -> bytes:
        """What of these bytes belongs to the answer."""
        size = answer.take(data)
        self._size += size
        if size == len(data):
            return data
        self._surplus = True
        return data[:size]

    def _note(self, data: bytes, read_ns: int, stamp_ns: int) -> None:
        call = self._call
        if call is None:
            return
        if self._client.out.full:
            self._desk.counts.waited += 1
        elif stamp_ns:
            self._desk.answers.add(self._realtime_ns() - stamp_ns)
        call.take(data, read_ns - call.offset_ns, stamp_ns)
        if len(call.body) > MOST_KEPT:
            self._keep_no_more()

    def _begin_answer(self, data: bytes) -> None:
        """Bytes up to the end of the head, interim answers before it included. Raises HeadError."""
        self._raw += data
        out = b""
        while self._answer is None and (end := self._raw.find(END)) >= 0:
            end += len(END)
            head = read_answer(self._raw[:end])
            self._raw = self._raw[end:]
            if not head.interim:
                self._begin_body(head)
            out += head.passed_on(last=not self._client_stays)
        if self._answer is not None:
            rest, self._raw = self._raw, b""
            out += self._part(self._answer, rest)
        elif len(self._raw) > MOST:
            raise HeadError(f"not HTTP/1.1: a head of more than {MOST >> 10} KiB")
        if out:
            self._client.out.write(out)
        self._told = self._answer is not None

    def _begin_body(self, head: AnswerHead) -> None:
        if head.status == 101 and not self._head.tunnels:
            raise HeadError("an answer in another protocol (status 101), for which nobody asked")
        self._stage = Stage.STREAM
        self._answer_head = head
        self._answer = head.body(self._head.method)
        if head.status == 101:
            self.tunnel = True
            self._answer = TillClosed()
        ends_itself = not isinstance(self._answer, TillClosed)
        stays = ends_itself and self._head.keeps and self.request.done
        self._client_stays = stays and not self._client.leaving
        if self._call is None:
            self._keeps = False
            self._asked = bytearray()

    # -- ends, good and bad -------------------------------------------------------------------

    def lost(self, why: str, *, clean: bool) -> None:
        """The server's side has ended."""
        answer = self._answer
        if self._call is not None:
            self._call.eof = clean
        if answer is not None and clean and answer.closed():
            self._end()
        elif self._stale(clean=clean):
            self._again()
        else:
            when = {
                Stage.SEND: "while the request was being sent",
                Stage.WAIT: "before the answer began",
            }.get(self._stage, f"in the middle of the answer, after {self._size} bytes")
            message = f"the connection was lost {when}: {why}"
            self._failed(Failure(ErrorKind.NETWORK, self._stage, message))

    def _stale(self, *, clean: bool) -> bool:
        """Whether the server closed the connection before it can have read the request."""
        connection = self._connection
        if connection is None or connection.carried == 1 or self._raw:
            return False
        if self._answer is not None or not (clean and self._keeps):
            return False
        soon_ns = _STALE_WITHIN_NS + 2000 * (connection.link.info.rtt_us or 0)
        soon = now() - self._start_ns < soon_ns
        return soon or unacknowledged(connection.sock)

    def _again(self) -> None:
        self._leave(reuse=False)
        self._sent = False
        self._dial()

    def _end(self) -> None:
        """The answer is whole."""
        head = self._answer_head
        assert head is not None
        whole = self.request.done and not (self._connection and self._connection.out.full)
        self._leave(reuse=head.keeps and whole and not self._surplus and not self.tunnel)
        if self._is_call():
            if head.status < 400:
                self._desk.counts.ok += 1
            else:
                self._count_failure(str(head.status))
        self._over()
        self._client.ended(keeps=self._client_stays, all_asked=self.request.done)

    def _failed(self, failure: Failure) -> None:
        """It came to nothing: the client is told so, or, in the middle of an answer, cut off."""
        self._leave(reuse=False)
        if call := self._is_call():
            call.fault = (failure.kind, failure.stage, failure.message)
            self._count_failure(failure.kind)
        self._over()
        if self._told:
            self._client.cut(reset=isinstance(self._answer, TillClosed))
        else:
            self._client.refuse(502, failure.message, failure.stage)

    def cancel(self, why: str) -> None:
        """Nobody waits for the answer any more."""
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None
        self._leave(reuse=False)
        if call := self._is_call():
            call.fault = (ErrorKind.CANCELLED, self._stage, why)
            self._desk.counts.cancelled += 1
        self._over()

    def resume(self) -> None:
        """The client has taken what waited for it."""
        if self._connection is not None:
            self._connection.resume()

    def _is_call(self) -> Call | None:
        """The call that has ended; what asked no model is counted here."""
        if self._call is None and not self._dropped:
            self._desk.counts.others += 1
        return self._call

    def _count_failure(self, cause: str) -> None:
        counts = self._desk.counts
        counts.failed += 1
        counts.errors[cause] = counts.errors.get(cause, 0) + 1

    def _leave(self, *, reuse: bool) -> None:
        """Let the connection go."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.out.on_empty = connection.out.on_broken = nothing
        if reuse:
            self._desk.pool.put(connection)
        else:
            connection.close()

    def _over(self) -> None:
        """The last word: the call goes to whoever wants it."""
        self._desk.counts.under_way -= 1
        call, self._call = self._call, None
        if call is not None:
            call.asked = self._asked
            call.end()
        self._asked = bytearray()


def _describe(call: Call, connection: Connection) -> None:
    """What is known of the connection under a call."""
    info = connection.link.info
    call.reused = connection.carried > 1
    call.tls_version = info.tls_version
    call.address, call.rtt_us = info.address, info.rtt_us
    if not call.reused:
        call.dns_ns = info.dns_ns or 0
        call.connect_ns, call.tls_ns = info.connect_ns or 0, info.tls_ns or 0
