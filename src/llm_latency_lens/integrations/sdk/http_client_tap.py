"""The tap for urllib3, which requests and botocore stand on.

A call begins in urllib3's connection. Its answer is taken from the file that http.client makes of
the socket, framing and all, before anything has looked at it: http.client's answer gets a file
that passes on what it reads.
"""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

from .begin import begin, is_idle
from .call import Call, Noting, harmless, now
from .patches import Patches
from .stamped import arm, listen, sends_of, stamp_of

_CONNECTED = "_latency_lens_connected"
_SERVED = "_latency_lens_served"

_expected: dict[int, Call] = {}
"""By the id of a socket: the call whose answer will be read from it."""


def tap_urllib3(module: ModuleType, patches: Patches) -> None:
    """Patch `urllib3.connection`, and http.client's answer, which it gets its own from."""
    import http.client

    patches.replace(module.HTTPConnection, "request", _requesting)
    patches.replace(module.HTTPConnection, "_new_conn", _connecting)
    patches.replace(module.HTTPSConnection, "connect", _securing)
    patches.replace(http.client.HTTPResponse, "__init__", _answering)


def _connecting(original: Any) -> Any:
    """The socket of a connection: name resolution and TCP."""

    def new_conn(self: Any) -> Any:
        began = now()
        sock = original(self)
        _note(self, sock, began, now() - began)
        return sock

    return new_conn


def _securing(original: Any) -> Any:
    """The same with TLS behind it."""

    def connect(self: Any) -> Any:
        result = original(self)
        _note_tls(self, now())
        return result

    return connect


def _requesting(original: Any) -> Any:
    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        call = None if is_idle() else _begin(self, method, url, args, kwargs)
        if call is None:
            return original(self, method, url, *args, **kwargs)
        with Noting(call, last=True):
            result = original(self, method, url, *args, **kwargs)
        _sent(self, call)
        return result

    return request


@harmless
def _begin(
    connection: Any, method: str, url: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call | None:
    body = args[0] if args else kwargs.get("body")
    headers = (args[1] if len(args) > 1 else kwargs.get("headers")) or {}
    if "://" not in url:  # behind a proxy it is the whole address
        host, port = connection.host, connection.port
        usual = 443 if connection.default_port == 443 else 80
        scheme = "https" if usual == 443 else "http"
        url = f"{scheme}://{host}{'' if port == usual else f':{port}'}{url}"
    call = begin(
        method,
        url,
        lambda: [(_text(name), _text(value)) for name, value in dict(headers).items()],
        body,
        framed=True,
    )
    if call is not None:
        call.connected_ns = now()
        listen(connection.sock)
    return call


@harmless
def _sent(connection: Any, call: Call) -> None:
    """The request is on its way: expect its answer, and see what it took to connect."""
    call.start_ns, call.sent_ns = call.connected_ns, now()
    sends = sends_of(connection.sock)
    about = connection.__dict__
    if about.get(_SERVED) is not connection.sock:
        call.reused = False
        began, call.connect_ns, call.tls_ns, call.tls_version = about.get(_CONNECTED, (0,) * 4)
        # Without TLS the connection is only made when the request is to be sent on it.
        call.start_ns = max(call.start_ns, began + call.connect_ns)
        about[_SERVED] = connection.sock
    call.handed(*sends)
    arm(connection.sock)
    _expected[id(connection.sock)] = call


@harmless
def _note(connection: Any, sock: Any, began: int, took: int) -> None:
    connection.__dict__[_CONNECTED] = (began, took, 0, None)
    if not is_idle():
        listen(arm(sock))


@harmless
def _note_tls(connection: Any, at: int) -> None:
    began, took, _, _ = connection.__dict__[_CONNECTED]
    secure = connection.sock.version()
    connection.__dict__[_CONNECTED] = (began, took, at - began - took, secure)


def _answering(original: Any) -> Any:
    def init(self: Any, sock: Any, *args: Any, **kwargs: Any) -> None:
        original(self, sock, *args, **kwargs)
        if _expected:
            _pass_on(self, sock)

    return init


@harmless
def _pass_on(answer: Any, sock: Any) -> None:
    call = _expected.pop(id(sock), None)
    if call is not None:
        answer.fp = io.BufferedReader(_Passing(answer.fp.detach(), call, sock))


class _Passing(io.RawIOBase):
    """The file of a socket, passed on; what it has beside a file's methods is there too."""

    def __init__(self, inner: Any, call: Call, sock: Any) -> None:
        self._inner, self._call, self._of = inner, call, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        with Noting(self._call):
            size = self._inner.readinto(buffer)
        _take(self._call, buffer, size, now(), self._of)
        return size

    def fileno(self) -> int:
        return self._inner.fileno()  # type: ignore[no-any-return]

    def close(self) -> None:
        if not self.closed:
            self._call.end()
            try:
                self._inner.close()
            finally:
                super().close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@harmless
def _take(call: Call, buffer: Any, size: int | None, read_ns: int, sock: Any) -> None:
    if size:
        call.take(memoryview(buffer)[:size], read_ns, stamp_of(sock))
    elif size == 0:
        call.eof = True


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
