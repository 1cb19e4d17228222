"""The pages and the interface on a socket, in the same event loop as the probes."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from ..errors import UsageError
from .config import ServeConfig

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_MOST_CONNECTIONS = 256
_MOST_HEAD = 16 * 1024
_BACKLOG = 128
_STOP_S = 2

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Signals belong to the monitor, not to its server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Serving:
    """Serves `app` from `start` to `stop`. Raises UsageError for an address that cannot be had and
    a certificate that cannot be used, as soon as it is made."""

    def __init__(self, app: ASGIApp, serve: ServeConfig) -> None:
        self._serve = serve
        self._socket = _listen(serve)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        settings = uvicorn.Config(
            app,
            http="h11",  # it bounds the head of a request, which httptools does not
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            h11_max_incomplete_event_size=_MOST_HEAD,
            timeout_graceful_shutdown=_STOP_S,
            ssl_certfile=serve.cert_file,
            ssl_keyfile=serve.key_file,
        )
        try:
            settings.load()
        except (OSError, ssl.SSLError) as error:
            self._socket.close()
            raise UsageError(f"tls: {serve.cert_file}: {_why(error)}") from None
        self._context = settings.ssl
        self._server = _Server(settings)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._serve.cert_file else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Let what is being answered end, for two seconds."""
        self._server.should_exit = True
        if self._task:
            await self._task

    def renew_certificate(self) -> None:
        """Read certificate and key again; connections from now on have them."""
        serve = self._serve
        if self._context is None or serve.cert_file is None:
            return
        try:
            self._context.load_cert_chain(serve.cert_file, serve.key_file)
        except (OSError, ssl.SSLError) as error:
            _log.warning("the certificate stays what it was: %s", _why(error))


def _listen(serve: ServeConfig) -> socket.socket:
    where = f"{serve.host}:{serve.port}"
    try:
        found = socket.getaddrinfo(
            serve.host, serve.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"listen: {where}: {_why(error)}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise UsageError(f"listen: {where}: {_why(error)}") from None
    return sock


def _why(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
