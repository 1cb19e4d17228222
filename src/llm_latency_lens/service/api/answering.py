"""From a row in the table of endpoints to a route: reads what is asked, answers in JSON, and says
in one line what is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...errors import RunError, UsageError
from ...metrics.schema import encode
from .asking import Asked, Parameter, read_values
from .desk import Desk
from .faults import BusyError, NotThereError, RefusedError
from .shapes import Problem

Call = Callable[[Desk, Asked], Awaitable[Any]]
PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row. `answer` and `body` are types of msgspec, of which the documentation is made too;
    an `answer` of None is no content, and one that is a Response is given as it is."""

    method: str
    path: str
    name: str
    told: str
    call: Call
    answer: Any
    parameters: Sequence[Parameter] = ()
    body: type[msgspec.Struct] | None = None
    status: int = 200
    media: str = "application/json"

    @property
    def guarded(self) -> bool:
        """Whether it needs a token in any case: the guard lets nobody else send anything."""
        return self.method != "GET"


def route(desk: Desk, endpoints: Sequence[Endpoint]) -> Route:
    """All methods of one path."""
    by_method = {one.method: one for one in endpoints}
    if "GET" in by_method:
        by_method["HEAD"] = by_method["GET"]

    async def answer(request: Request) -> Response:
        return await answered(desk, by_method[request.method], request)

    return Route(PREFIX + endpoints[0].path, answer, methods=list(by_method))


async def answered(desk: Desk, endpoint: Endpoint, request: Request) -> Response:
    """What a request comes to; every mistake of the one who asks is an answer."""
    try:
        if endpoint.guarded and desk.monitor.config.serve.token is None:
            raise RefusedError("this needs a token: give the monitor one (token_file)")
        asked = await _understood(desk, endpoint, request)
        found = await endpoint.call(desk, asked)
    except UsageError as error:
        return problem(_STATUS.get(type(error), 400), str(error))
    except BusyError as error:
        return problem(503, str(error), {"retry-after": "1"})
    except RunError as error:
        return problem(500, str(error))
    if isinstance(found, Response):
        return found
    if endpoint.answer is None:
        return Response(status_code=204)
    return Response(encode(found), endpoint.status, _NEVER_KEPT, "application/json")


_STATUS: dict[type[UsageError], int] = {NotThereError: 404, RefusedError: 403}
_NEVER_KEPT = {"cache-control": "no-store"}


def problem(status: int, told: str, headers: dict[str, str] | None = None) -> Response:
    """One line as JSON."""
    line = " ".join(told.split())
    return Response(
        encode(Problem(error=line, status=status)),
        status,
        {**_NEVER_KEPT, **(headers or {})},
        "application/json",
    )


async def _understood(desk: Desk, endpoint: Endpoint, request: Request) -> Asked:
    now_unix_s = desk.now_unix_s
    return Asked(
        now_unix_s=now_unix_s,
        path={name: str(value) for name, value in request.path_params.items()},
        values=read_values(request.query_params.multi_items(), endpoint.parameters, now_unix_s),
        body=await _body(endpoint, request),
    )


async def _body(endpoint: Endpoint, request: Request) -> Any:
    if endpoint.body is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UsageError("the body must be JSON: send it with Content-Type: application/json")
    try:
        return msgspec.json.decode(await request.body(), type=endpoint.body)
    except (msgspec.DecodeError, ClientDisconnect) as error:
        raise UsageError(f"the body is not as it must be: {error}") from None
