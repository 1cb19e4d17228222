"""The tap for httpx and httpx2, and what they stand on: httpcore, httpcore2, anyio.

The bytes are those of the answer's stream, which httpcore has freed of HTTP's framing. Their stamp
is that of the network read which brought them: httpcore's network streams are patched to keep it,
and anyio's protocol, through which asyncio reads, to take it when the event loop has the bytes,
not when the task that waits for them is run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from .begin import begin, is_idle
from .call import Call, Noting, harmless, now
from .patches import Patches
from .stamped import arm, listen, sends_of, stamp_of

_current: ContextVar[Call | None] = ContextVar("llm_latency_lens_call", default=None)
"""The call that is being sent, or whose head is being waited for."""

_AT = "_latency_lens_at"
"""On a network stream: (monotonic, kernel) of its last read."""
_SOCK = "_latency_lens_sock"
_STAMPS = "_latency_lens_stamps"
_NEVER = (0, 0)


# -- httpx: a call from its request to the end of its answer --------------------------------------


def tap_httpx(module: ModuleType, patches: Patches) -> None:
    """Patch `httpx` or `httpx2`."""
    sync_base, async_base = module.SyncByteStream, module.AsyncByteStream

    class Stream(sync_base):  # type: ignore[misc, valid-type]
        """An answer's body, passed on."""

        def __init__(self, inner: Any, call: Call, network: Any) -> None:
            self._inner, self._call, self._network = inner, call, network

        def __iter__(self) -> Iterator[bytes]:
            call, network = self._call, self._network
            with Noting(call, reads=True):
                for part in self._inner:
                    _take(call, network, part)
                    yield part
            call.whole = True
            call.end()

        def close(self) -> None:
            try:
                self._inner.close()
            finally:
                self._call.end()

    class AsyncStream(async_base):  # type: ignore[misc, valid-type]
        """The same, awaited."""

        def __init__(self, inner: Any, call: Call, network: Any) -> None:
            self._inner, self._call, self._network = inner, call, network

        async def __aiter__(self) -> AsyncIterator[bytes]:
            call, network = self._call, self._network
            with Noting(call, reads=True):
                async for part in self._inner:
                    _take(call, network, part)
                    yield part
            call.whole = True
            call.end()

        async def aclose(self) -> None:
            try:
                await self._inner.aclose()
            finally:
                self._call.end()

    patches.replace(module.HTTPTransport, "handle_request", _sending(Stream))
    patches.replace(module.AsyncHTTPTransport, "handle_async_request", _sending_async(AsyncStream))


def _sending(stream: type[Any]) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def handle_request(self: Any, request: Any) -> Any:
            call, before = _begin(request), request.extensions
            if call is None:
                return original(self, request)
            token = _current.set(call)
            request.extensions = {**before, "trace": _tracing(call, before.get("trace"))}
            try:
                with Noting(call, last=True):
                    response = original(self, request)
            finally:
                _current.reset(token)
                request.extensions = before
            _answered(call, response, stream)
            return response

        return handle_request

    return make


def _sending_async(stream: type[Any]) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        async def handle_async_request(self: Any, request: Any) -> Any:
            call, before = _begin(request), request.extensions
            if call is None:
                return await original(self, request)
            token = _current.set(call)
            request.extensions = {**before, "trace": _tracing_async(call, before.get("trace"))}
            try:
                with Noting(call, last=True):
                    response = await original(self, request)
            finally:
                _current.reset(token)
                request.extensions = before
            _answered(call, response, stream)
            return response

        return handle_async_request

    return make


def _begin(request: Any) -> Call | None:
    if is_idle():
        return None
    return begin(
        request.method,
        str(request.url),
        lambda: [(_text(name), _text(value)) for name, value in request.headers.raw],
        getattr(request, "_content", None),
        framed=False,
    )


def _tracing(call: Call, also: Any) -> Any:
    """Has httpcore tell of its phases; a trace of the user's own is told too."""

    def trace(event: str, info: Any) -> None:
        _note(call, event, info)
        if also is not None:
            also(event, info)

    return trace


def _tracing_async(call: Call, also: Any) -> Any:
    async def trace(event: str, info: Any) -> None:
        _note(call, event, info)
        if also is not None:
            await also(event, info)

    return trace


@harmless
def _note(call: Call, event: str, info: Any) -> None:
    """A phase of httpcore's, by the end of its name: which HTTP it speaks stands before it."""
    name = event.partition(".")[2]
    if name == "send_request_headers.started":
        call.start_ns = now()
    elif name == "send_request_body.complete":
        call.sent_ns = now()
    elif name in ("connect_tcp.started", "connect_unix_socket.started"):
        call.reused, call.connected_ns = False, now()
    elif name in ("connect_tcp.complete", "connect_unix_socket.complete"):
        call.connect_ns = now() - call.connected_ns
    elif name == "start_tls.started":
        call.connected_ns = now()
    elif name == "start_tls.complete":
        call.tls_ns = now() - call.connected_ns
        secure = info["return_value"].get_extra_info("ssl_object")
        call.tls_version = secure and secure.version()


@harmless
def _answered(call: Call, response: Any, stream: type[Any]) -> None:
    extensions = response.extensions
    network = extensions.get("network_stream")
    call.arrived(*(getattr(network, _AT, None) or (now(), 0)))
    call.status = response.status_code
    call.headers = tuple((_text(name), _text(value)) for name, value in response.headers.raw)
    call.http_version = _text(extensions.get("http_version", b"HTTP/1.1")).partition("/")[2]
    sends = sends_of(call.sock)
    if call.http_version.startswith("1"):  # over HTTP/2 others send on the same socket meanwhile
        call.handed(*sends)
    call.sock = None
    response.stream = stream(response.stream, call, network)


@harmless
def _take(call: Call, network: Any, part: bytes) -> None:
    read_ns, kernel_ns = getattr(network, _AT, _NEVER)
    call.take(part, read_ns or now(), kernel_ns)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


# -- httpcore: the moment of each network read ----------------------------------------------------


def tap_sync_stream(module: ModuleType, patches: Patches) -> None:
    """Patch `httpcore._backends.sync`, or its like."""

    def reading(original: Any) -> Any:
        def read(self: Any, *args: Any, **kwargs: Any) -> Any:
            data = original(self, *args, **kwargs)
            _came(self, now(), self.__dict__.get(_SOCK))
            return data

        return read

    def writing(original: Any) -> Any:
        def write(self: Any, *args: Any, **kwargs: Any) -> Any:
            if (call := _current.get()) is not None:
                _arm(call, self, self._sock)
            return original(self, *args, **kwargs)

        return write

    patches.replace(module.SyncStream, "read", reading)
    patches.replace(module.SyncStream, "write", writing)


def tap_anyio_stream(module: ModuleType, patches: Patches) -> None:
    """Patch `httpcore._backends.anyio`, or its like."""
    _tap_async(module.AnyIOStream, patches, _taken)


def tap_trio_stream(module: ModuleType, patches: Patches) -> None:
    """Patch `httpcore._backends.trio`, or its like: trio's sockets are its own."""
    _tap_async(module.TrioStream, patches, lambda _: None)


def _tap_async(owner: Any, patches: Patches, taken: Callable[[Any], Any]) -> None:
    def reading(original: Any) -> Any:
        async def read(self: Any, *args: Any, **kwargs: Any) -> Any:
            data = await original(self, *args, **kwargs)
            _came(self, now(), None, taken(self._stream))
            return data

        return read

    def writing(original: Any) -> Any:
        async def write(self: Any, *args: Any, **kwargs: Any) -> Any:
            if (call := _current.get()) is not None:
                _arm_anyio(call, self._stream)
            return await original(self, *args, **kwargs)

        return write

    patches.replace(owner, "read", reading)
    patches.replace(owner, "write", writing)


@harmless
def _came(stream: Any, read_ns: int, sock: Any, at: tuple[int, int] | None = None) -> None:
    """Keep when this stream was read last; the first read of an answer is its first byte."""
    at = at or (read_ns, stamp_of(sock) if sock is not None else 0)
    setattr(stream, _AT, at)
    if (call := _current.get()) is not None and call.sent_ns:
        call.arrived(*at)


@harmless
def _arm(call: Call, stream: Any, sock: Any) -> None:
    if _SOCK not in stream.__dict__:
        setattr(stream, _SOCK, arm(sock))
    _listen(call, stream.__dict__[_SOCK])


def _listen(call: Call, sock: Any) -> None:
    """The first write of a request: its socket will know when it went out."""
    if call.sock is None and sock is not None:
        call.sock = sock
        listen(sock)


# -- anyio: the moment in which the event loop has the bytes --------------------------------------


def tap_anyio(module: ModuleType, patches: Patches) -> None:
    """Patch `anyio._backends._asyncio`."""

    def receiving(original: Any) -> Any:
        def data_received(self: Any, data: bytes) -> None:
            _stamp(self)
            original(self, data)

        return data_received

    patches.replace(module.StreamProtocol, "data_received", receiving)


@harmless
def _stamp(protocol: Any) -> None:
    stamps = protocol.__dict__.get(_STAMPS)
    if stamps is not None:
        stamps.append((now(), stamp_of(protocol.__dict__.get(_SOCK))))


@harmless
def _arm_anyio(call: Call, stream: Any) -> None:
    protocol = getattr(_lowest(stream), "_protocol", None)
    if protocol is not None and _STAMPS not in protocol.__dict__:
        # What has come and was not read yet has no stamps.
        waiting = len(protocol.read_queue)
        setattr(protocol, _STAMPS, deque([_NEVER] * waiting))
        transport = getattr(_lowest(stream), "_transport", None)
        setattr(protocol, _SOCK, transport and arm(transport.get_extra_info("socket")))
    if protocol is not None:
        _listen(call, protocol.__dict__[_SOCK])


@harmless
def _taken(stream: Any) -> tuple[int, int] | None:
    """When the bytes came that were last taken from the protocol's queue."""
    protocol = getattr(_lowest(stream), "_protocol", None)
    stamps = getattr(protocol, "__dict__", {}).get(_STAMPS)
    if protocol is None or stamps is None:
        return None
    at = _NEVER
    while len(stamps) > len(protocol.read_queue):
        at = stamps.popleft()
    if at[0]:
        setattr(protocol, _AT, at)
    # Nothing was taken where TLS had a record left that came in an earlier segment.
    found: tuple[int, int] | None = protocol.__dict__.get(_AT)
    return found


def _lowest(stream: Any) -> Any:
    """The stream of the socket itself, beneath any TLS."""
    for _ in range(4):
        beneath = getattr(stream, "transport_stream", None)
        if beneath is None:
            return stream
        stream = beneath
    return stream
