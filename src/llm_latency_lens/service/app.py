"""What is served: health, metrics, the interface and the pages, behind the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..metrics.schema import encode
from . import api, pages
from .api.desk import Desk
from .api.watched import Monitored
from .guard import Guard, is_known

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .metrics import Metrics


class Served(Monitored, Protocol):
    """What is served: a `monitor.Monitor`."""

    @property
    def metrics(self) -> Metrics: ...

    def readiness(self) -> dict[str, Any]: ...


def make_app(monitor: Served) -> ASGIApp:
    """The whole of it, for an ASGI server."""

    async def healthz(_: Request) -> Response:
        """Whether the event loop turns: it has answered."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        """Whether it probes; what is wrong besides is said to whoever may know, and leaves it
        ready."""
        found = monitor.readiness()
        status = 200 if found["ready"] else 503
        if not is_known(request.scope, monitor.config.serve):
            found = {"ready": found["ready"]}
        return Response(encode(found) + b"\n", status, media_type="application/json")

    async def metrics(request: Request) -> Response:
        """What Prometheus scrapes."""
        wanted = request.headers.get("accept", ""), request.headers.get("accept-encoding", "")
        body, headers = await monitor.metrics.answer(*wanted)
        return Response(body, headers=headers)

    desk = Desk(monitor)
    routes = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        *api.routes(desk),
        *pages.routes(desk),
    ]
    packed = Middleware(GZipMiddleware, minimum_size=4096, compresslevel=4)
    handlers = {HTTPException: pages.not_there(desk)}
    app = Starlette(routes=routes, middleware=[packed], exception_handlers=handlers)
    return Guard(app, lambda: monitor.config.serve, monitor.clock)
