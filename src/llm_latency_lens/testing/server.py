"""The simulated provider on a socket: HTTP in, scripts out, a send log beside it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from ..clock import SECOND_NS
from ..errors import UsageError
from ..transport.limits import allow_descriptors
from . import openai_wire
from .config import SimConfig
from .connection import Connection, Incoming
from .faults import FaultKind
from .limits import Limiter
from .metronome import Metronome, Stream
from .plan import Plan
from .script import Script
from .sendlog import SendLog, Sent, expand
from .wire import Ask, Asked, Wire, answer, one_send, planned, refuse, telling
from .wires import wire_of

_TIDY_S = 0.5
_TIDY_AT = 5000
"""Calls that may end before the simulator tidies up even while answers are under way."""
_BACKLOG = 4096


class Call:
    """One request to the model: what was asked, its plan, and its line of the send log."""

    __slots__ = ("ask", "at_ns", "plan", "sent", "served", "stream", "wire")

    def __init__(self, wire: Wire, ask: Ask, plan: Plan, sent: Sent, at_ns: int) -> None:
        self.wire = wire
        self.ask = ask
        self.plan = plan
        self.sent = sent
        self.at_ns = at_ns
        """The same moment as `sent.received_ns`, on CLOCK_MONOTONIC."""
        self.stream: Stream | None = None
        self.served = False


class Simulator:
    """The provider: its queue, what is under way, and its log. A `connection.Handler`."""

    def __init__(
        self,
        config: SimConfig,
        loop: asyncio.AbstractEventLoop,
        *,
        api_key: str | None = None,
        log: SendLog | None = None,
    ) -> None:
        self._config = config
        self._loop = loop
        self._api_key = api_key
        self._log = log
        self._untidy = 0
        self._tidying = False
        self._metronome = Metronome(loop)
        self._connections: set[Connection] = set()
        self._calls: dict[Connection, Call] = {}
        self._waiting: deque[Connection] = deque()
        self._limiter = Limiter(config.limits) if config.limits else None
        self._arrived = 0
        self._active = 0

    def connect(self) -> Connection:
        """A protocol for a client that has come."""
        return Connection(self, self._metronome)

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def malformed(self) -> Script:
        return refuse(openai_wire.WIRE, 400, "This is not HTTP/1.1.", keep_alive=False)

    def handle(self, connection: Connection, request: Incoming) -> None:
        asked = _asked(request)
        wire = wire_of(asked)
        speaks = wire or openai_wire.WIRE
        if self._api_key and speaks.key(asked) != self._api_key:
            refusal = refuse(speaks, 401, keep_alive=asked.keep_alive)
            connection.respond(refusal, request.at_ns)
        elif wire is not None:
            self._ask(connection, request, wire, asked)
        else:
            connection.respond(_other(self._config, asked), request.at_ns)

    def ended(self, connection: Connection, outcome: str) -> None:
        call = self._calls.pop(connection, None)
        if call is None:
            return
        call.sent.outcome = outcome
        if call.stream is not None:
            expand(call.stream.stamps, call.stream.script.entries, call.sent)
        if self._log is not None:
            self._log.add(call.sent)
        self._untidy += 1
        self._tidy_later()
        if call.served:
            self._active -= 1
            self._next()

    def stop(self) -> None:
        """End every connection and write the log."""
        self._waiting.clear()
        for connection in list(self._connections):
            connection.stop()
        self._metronome.close()
        log, self._log = self._log, None
        if log is not None:
            log.close()

    def _ask(self, connection: Connection, request: Incoming, wire: Wire, asked: Asked) -> None:
        try:
            ask = wire.read(asked)
        except ValueError as error:
            refusal = refuse(wire, 400, str(error), keep_alive=asked.keep_alive)
            connection.respond(refusal, request.at_ns)
            return
        plan = planned(self._config, self._arrived, ask)
        client_id = asked.headers.get("x-client-request-id", "")
        sent = Sent(client_id, self._arrived, request.real_ns)
        self._arrived += 1
        self._calls[connection] = call = Call(wire, ask, plan, sent, request.at_ns)
        if self._limiter and not self._admit(connection, call, self._limiter):
            return
        if plan.fault is not None:
            sent.fault = str(plan.fault)
            if plan.fault.kind is FaultKind.STATUS:
                self._play(connection, call, request.at_ns)
                return
        if self._config.slots and self._active >= self._config.slots:
            self._waiting.append(connection)
        else:
            self._serve(connection, call, request.at_ns)

    def _admit(self, connection: Connection, call: Call, limiter: Limiter) -> bool:
        """Whether the rate limits let a call in; otherwise it is refused."""
        ask = call.ask
        fields, wait_ns = limiter.take(call.at_ns, ask.prompt_tokens + call.plan.output_tokens)
        call.wire = telling(call.wire, fields)
        if wait_ns is not None:
            refusal = refuse(call.wire, 429, delay_ns=wait_ns, keep_alive=ask.keep_alive)
            self._respond(connection, call, refusal, call.at_ns)
        return wait_ns is None

    def _serve(self, connection: Connection, call: Call, at_ns: int) -> None:
        """Give a call a slot, and let it answer from then on."""
        if self._config.slowdown and self._active:
            call.plan = call.plan.slowed(1 + self._config.slowdown * self._active)
        self._active += 1
        call.served = True
        call.sent.served_ns = call.sent.received_ns + at_ns - call.at_ns
        self._play(connection, call, at_ns)

    def _play(self, connection: Connection, call: Call, at_ns: int) -> None:
        self._respond(connection, call, answer(call.wire, self._config, call.plan, call.ask), at_ns)

    def _respond(self, connection: Connection, call: Call, script: Script, at_ns: int) -> None:
        call.sent.status = script.status
        call.stream = connection.respond(script, at_ns)

    def _next(self) -> None:
        """Serve who waits longest; those who left meanwhile have no call any more."""
        while self._waiting and self._active < self._config.slots:
            connection = self._waiting.popleft()
            call = self._calls.get(connection)
            if call is not None:
                self._serve(connection, call, time.monotonic_ns())

    def _tidy_later(self) -> None:
        if not self._tidying:
            self._tidying = True
            self._loop.call_later(_TIDY_S, self._tidy)

    def _tidy(self) -> None:
        """Write the log and collect garbage: both take as long as many sends, so they wait.

        The garbage is asyncio's: each transport holds a method of its own.
        """
        self._tidying = False
        if self._active and self._untidy < _TIDY_AT:
            self._tidy_later()
            return
        self._untidy = 0
        if self._log is not None:
            self._log.flush()
        gc.collect()


def _asked(request: Incoming) -> Asked:
    path, _, query = request.path.partition("?")
    return Asked(
        request.method,
        path,
        query,
        request.headers,
        request.body,
        request.real_ns // SECOND_NS,
        request.keep_alive,
    )


def _other(config: SimConfig, asked: Asked) -> Script:
    """The response to a request that asks no model: the list of models, or that there is none."""
    if asked.method == "GET" and asked.path == "/v1/models":
        return one_send(openai_wire.models(config), keep_alive=asked.keep_alive)
    text = f"Unknown request URL: {asked.method} {asked.path}."
    return refuse(openai_wire.WIRE, 404, text, code="unknown_url", keep_alive=asked.keep_alive)


async def serve(
    config: SimConfig,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    unix_socket: str | None = None,
    tls: tuple[str, str] | None = None,
    api_key: str | None = None,
    send_log: Path | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or cancellation; then end every connection and write the log.

    `port` 0 takes a free one; `unix_socket` is a path and replaces host and port. `tls` is a
    certificate file and its key file. `on_ready` is called with the base URL once connections are
    accepted. UsageError when the address, a file or the certificate cannot be used; RunError when
    the log cannot be written.
    """
    loop = asyncio.get_running_loop()
    context = None if tls is None else _tls_context(*tls)
    log = None if send_log is None else SendLog(send_log)
    simulator = Simulator(config, loop, api_key=api_key, log=log)
    try:
        allow_descriptors()
        server = await _listen(
            loop, simulator, host=host, port=port, unix_socket=unix_socket, context=context
        )
        where = "localhost" if unix_socket else _authority(*server.sockets[0].getsockname()[:2])
        try:
            with _quiet_collector(), _stop_signals(loop) as stop:
                if on_ready is not None:
                    on_ready(f"{'https' if tls else 'http'}://{where}/v1")
                await stop.wait()
        finally:
            server.close()
            if unix_socket:
                _remove(unix_socket)
    finally:
        simulator.stop()


def _tls_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise UsageError(f"cannot use {certificate} with {key}: {error.strerror}") from error
    return context


async def _listen(
    loop: asyncio.AbstractEventLoop,
    simulator: Simulator,
    *,
    host: str,
    port: int,
    unix_socket: str | None,
    context: ssl.SSLContext | None,
) -> asyncio.Server:
    connect = simulator.connect
    try:
        if unix_socket:
            return await loop.create_unix_server(
                connect, unix_socket, ssl=context, backlog=_BACKLOG
            )
        return await loop.create_server(connect, host, port, ssl=context, backlog=_BACKLOG)
    except OSError as error:
        where = unix_socket or _authority(host, port)
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"{where} is in use: choose another port") from error
        raise UsageError(f"cannot listen on {where}: {error.strerror or error}") from error


def _remove(unix_socket: str) -> None:
    # Python 3.13 removes it when the server closes, older ones leave it.
    Path(unix_socket).unlink(missing_ok=True)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def _stop_signals(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set; outside the main thread nobody does."""
    stop = asyncio.Event()
    main = threading.current_thread() is threading.main_thread()
    # Windows cannot hand signals to a loop: there Ctrl-C ends the program itself.
    numbers = (signal.SIGINT, signal.SIGTERM) if main and sys.platform != "win32" else ()
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _quiet_collector() -> Iterator[None]:
    """No pause for garbage while streams run; the simulator collects when it is quiet."""
    enabled = gc.isenabled()
    gc.collect(1)
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
