"""A browser shows the token once, and has a cookie from then on."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..api.desk import Desk
from ..sessions import COOKIE, LASTS_S, is_own, is_token, session_of
from .rendering import page

_MOST = 4096


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; the last where one is there twice."""
    body = await request.body()
    return dict(parse_qsl(body[:_MOST].decode("utf-8", "replace"), keep_blank_values=True))


def login(desk: Desk, request: Request) -> Response:
    """The form."""
    if desk.monitor.config.serve.token is None:
        return to(_inside(request.query_params.get("next")))
    return _form(desk, request, _inside(request.query_params.get("next")))


async def enter(desk: Desk, request: Request) -> Response:
    """The form as it was sent."""
    token, form = desk.monitor.config.serve.token, await form_of(request)
    there = _inside(form.get("next"))
    if token is None:
        return to(there)
    if not is_own(request.headers):
        return _form(desk, request, there, "This was sent from another site.", 403)
    if not is_token(token, form.get("token", "").strip()):
        return _form(desk, request, there, "That is not the token.", 401)
    answer = to(there)
    answer.set_cookie(
        COOKIE,
        session_of(token),
        max_age=LASTS_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def leave() -> Response:
    """Forget the session."""
    answer = to("/login")
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def to(there: str) -> RedirectResponse:
    return RedirectResponse(there, 303)


def _form(
    desk: Desk, request: Request, there: str, problem: str = "", status: int = 200
) -> Response:
    shown = {
        "title": "Log in",
        "signed_in": False,
        "refused": None,
        "next": there,
        "problem": problem,
    }
    return page(desk, request, "login.html.jinja", shown, status)


def _inside(there: str | None) -> str:
    """Where to go on, if that is a page of this service."""
    found = urlsplit(there or "/")
    inside = not found.scheme and not found.netloc and found.path.startswith("/")
    plain = "\\" not in found.path and not found.path.startswith("//")
    return (there or "/") if inside and plain else "/"
