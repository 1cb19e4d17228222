"""The tap for aiohttp: the bytes as its protocol gets them from the event loop, framing and all.

A call begins when aiohttp writes the request to a connection, and ends when it gives the
connection back or closes it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .begin import begin, is_idle
from .call import Call, Noting, harmless, now
from .patches import Patches
from .stamped import arm, listen, sends_of, stamp_of

_CALL = "_latency_lens_call"
_SOCK = "_latency_lens_sock"
_FRESH = "_latency_lens_fresh"


def tap_aiohttp(module: ModuleType, patches: Patches) -> None:
    """Patch `aiohttp`, which has all of it loaded."""
    request = module.client_reqrep.ClientRequest
    protocol = module.client_proto.ResponseHandler
    connection = module.connector.Connection
    patches.replace(request, "send", _sending)
    patches.replace(request, "write_bytes", _writing)
    patches.replace(module.base_protocol.BaseProtocol, "connection_made", _connecting)
    patches.replace(protocol, "data_received", _receiving)
    patches.replace(protocol, "set_exception", _failing)
    patches.replace(protocol, "connection_lost", _losing)
    for name in ("release", "close"):
        patches.replace(connection, name, _leaving)


def _sending(original: Any) -> Any:
    async def send(self: Any, conn: Any) -> Any:
        call = None if is_idle() else _begin(self, conn)
        if call is None:
            return await original(self, conn)
        with Noting(call, last=True):
            return await original(self, conn)

    return send


@harmless
def _begin(request: Any, conn: Any) -> Call | None:
    body = getattr(request, "_body", None)
    call = begin(
        request.method,
        str(request.url),
        lambda: [(str(name), str(value)) for name, value in request.headers.items()],
        getattr(body, "_value", body),
        framed=True,
    )
    if call is None:
        return None
    about = conn.protocol.__dict__
    call.reused = not about.pop(_FRESH, False)
    secure = conn.transport.get_extra_info("ssl_object")
    call.tls_version = secure and secure.version()
    if _SOCK not in about:
        about[_SOCK] = None
        about[_SOCK] = arm(conn.transport.get_extra_info("socket"))
    about[_CALL] = call
    call.start_ns = now()
    listen(about[_SOCK])
    return call


def _writing(original: Any) -> Any:
    """The body, and the head with it: aiohttp holds that back until there is something to add."""

    async def write_bytes(self: Any, writer: Any, conn: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call_of(conn.protocol)
        if call is not None and not call.sent_ns:
            call.start_ns = now()
        try:
            return await original(self, writer, conn, *args, **kwargs)
        finally:
            if call is not None and not call.sent_ns:
                call.sent_ns = now()

    return write_bytes


def _connecting(original: Any) -> Any:
    def connection_made(self: Any, transport: Any) -> Any:
        getattr(self, "__dict__", {})[_FRESH] = True
        return original(self, transport)

    return connection_made


def _receiving(original: Any) -> Any:
    def data_received(self: Any, data: bytes) -> None:
        call = self.__dict__.get(_CALL)
        if call is not None and data:
            _take(call, data, now(), self.__dict__.get(_SOCK))
        original(self, data)

    return data_received


@harmless
def _take(call: Call, data: bytes, read_ns: int, sock: Any) -> None:
    if not call.ends:
        call.handed(*sends_of(sock))
    call.take(data, read_ns, 0 if sock is None else stamp_of(sock))


def _failing(original: Any) -> Any:
    def set_exception(self: Any, exc: Any, *args: Any, **kwargs: Any) -> Any:
        if (call := _call_of(self)) is not None and isinstance(exc, BaseException):
            call.fail(exc)
        return original(self, exc, *args, **kwargs)

    return set_exception


def _losing(original: Any) -> Any:
    def connection_lost(self: Any, exc: BaseException | None) -> Any:
        if (call := _call_of(self)) is not None:
            call.eof = True
        return original(self, exc)

    return connection_lost


def _leaving(original: Any) -> Any:
    def leave(self: Any) -> Any:
        protocol = self.protocol
        try:
            return original(self)
        finally:
            if (call := _call_of(protocol)) is not None:
                protocol.__dict__.pop(_CALL, None)
                call.end()

    return leave


def _call_of(protocol: Any) -> Call | None:
    found: Call | None = getattr(protocol, "__dict__", {}).get(_CALL)
    return found
