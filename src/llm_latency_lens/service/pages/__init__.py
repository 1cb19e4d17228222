"""The pages for people: rendered here, kept up to date by scripts of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...errors import LensError, UsageError
from ..api.answering import PREFIX, problem
from ..api.desk import Desk
from ..api.faults import BusyError, NotThereError
from . import entering
from .about import about
from .assets import asset
from .compare import chosen_of, compare
from .incidents import incidents, silence
from .overview import filter_of, overview
from .rendering import page, target_link
from .target import target
from .telling import reason

__all__ = ["not_there", "routes"]

Page = Callable[[Desk, Request], Awaitable[Response]]
Handler = Callable[[Request, Exception], Awaitable[Response]]


def routes(desk: Desk) -> list[Route]:
    """Routes for a Starlette application."""

    def route(path: str, answer: Page, method: str = "GET") -> Route:
        async def answered(request: Request) -> Response:
            try:
                return await answer(desk, request)
            except LensError as error:
                return _problem(desk, request, error)

        return Route(path, answered, methods=[method])

    return [
        Route("/static/{version}/{name}", asset),
        route("/", _overview),
        route("/targets/{name}/probe", _probe, "POST"),
        route("/targets/{name}", _target),
        route("/compare", _compare),
        route("/incidents", _incidents),
        route("/incidents/silences", _silence, "POST"),
        route("/incidents/silences/{id}/end", _unsilence, "POST"),
        route("/about", _about),
        route("/login", _login),
        route("/login", entering.enter, "POST"),
        route("/logout", _leave, "POST"),
    ]


def not_there(desk: Desk) -> Handler:
    """What answers where no route leads."""

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status, path = error.status_code, request.url.path
        if path.startswith(PREFIX) or "text/html" not in request.headers.get("accept", ""):
            told = f"{request.method} {path}: {error.detail.lower()}; see {PREFIX}/openapi.json"
            return problem(status, told, dict(error.headers or {}))
        shown = {"title": "Not here", "told": f"There is no page at {path}."}
        return page(desk, request, "message.html.jinja", shown, status)

    return answer


async def _overview(desk: Desk, request: Request) -> Response:
    shown = overview(desk, filter_of(request.query_params.multi_items()))
    return page(desk, request, "overview.html.jinja", shown)


async def _target(desk: Desk, request: Request) -> Response:
    query = request.query_params
    shown = await target(desk, request.path_params["name"], query.get("range"))
    return page(desk, request, "target.html.jinja", {**shown, "probed": query.get("probed", "")})


async def _probe(desk: Desk, request: Request) -> Response:
    """For browsers without JavaScript: the page says how it went."""
    name = desk.target(request.path_params["name"]).name
    row = await desk.monitor.probe_now(name)
    told = "The probe was answered." if row.ok else f"The probe failed: {reason(row)}."
    return entering.to(f"{target_link(name)}?{urlencode({'probed': told})}")


async def _compare(desk: Desk, request: Request) -> Response:
    shown = await compare(desk, chosen_of(request.query_params.multi_items()))
    return page(desk, request, "compare.html.jinja", shown)


async def _incidents(desk: Desk, request: Request) -> Response:
    shown = incidents(desk, request.query_params.get("target"))
    return page(desk, request, "incidents.html.jinja", shown)


async def _silence(desk: Desk, request: Request) -> Response:
    form = await entering.form_of(request)
    try:
        silence(desk, form)
    except UsageError as error:
        shown = incidents(desk, None, f"Nothing is silenced: {error}.")
        return page(desk, request, "incidents.html.jinja", {**shown, "here": "/incidents"}, 400)
    return entering.to("/incidents")


async def _unsilence(desk: Desk, request: Request) -> Response:
    desk.unsilence(request.path_params["id"])
    return entering.to("/incidents")


async def _about(desk: Desk, request: Request) -> Response:
    return page(desk, request, "about.html.jinja", about(desk))


async def _login(desk: Desk, request: Request) -> Response:
    return entering.login(desk, request)


async def _leave(_: Desk, __: Request) -> Response:
    return entering.leave()


_TITLES: dict[type[LensError], tuple[int, str]] = {
    NotThereError: (404, "Not here"),
    BusyError: (503, "Busy"),
    UsageError: (400, "That cannot be shown"),
}


def _problem(desk: Desk, request: Request, error: LensError) -> Response:
    """Why there is no page."""
    status, title = next(
        (found for kind, found in _TITLES.items() if isinstance(error, kind)), (500, "No answer")
    )
    told = str(error)
    shown: dict[str, Any] = {"title": title, "told": f"{told[:1].upper()}{told[1:]}."}
    return page(desk, request, "message.html.jinja", shown, status)
