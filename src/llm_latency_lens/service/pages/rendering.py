"""Templates made into answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ...report.page import harmless
from ..api.desk import Desk
from ..sessions import COOKIE
from .assets import address

_TEMPLATES = files(__package__).joinpath("templates")


def page(
    desk: Desk, request: Request, template: str, shown: Mapping[str, Any], status: int = 200
) -> HTMLResponse:
    """A page of this service, with what all of them have."""
    serve = desk.monitor.config.serve
    text = (
        _environment()
        .get_template(template)
        .render(
            {
                "here": request.url.path,
                "signed_in": True,
                "has_session": serve.token is not None and COOKIE in request.cookies,
                "may_change": serve.token is not None,
                "refused": desk.monitor.last_reload.error,
                **shown,
            }
        )
    )
    return HTMLResponse(text, status, {"cache-control": "no-store"})


def island(value: Any) -> Markup:
    """JSON that cannot end the element that holds it, whatever its strings say."""
    text = msgspec.json.encode(value).decode()
    # Outside of strings none of the three is part of JSON.
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704


def target_link(name: str) -> str:
    """Where a target's page is."""
    return f"/targets/{quote(name, safe='')}"


def iso(unix_s: float) -> str:
    return f"{_datetime(unix_s).isoformat(timespec='milliseconds')}Z"


def utc(unix_s: float) -> str:
    """A moment for readers without JavaScript."""
    return f"{_datetime(unix_s):%Y-%m-%d %H:%M:%S} UTC"


def _datetime(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC).replace(tzinfo=None)


def _plain(value: object) -> object:
    """What a server or a user named: without what steers or reorders text."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return harmless(value)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _TEMPLATES.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    environment.globals["static"] = address
    environment.filters |= {"iso": iso, "utc": utc, "target_link": target_link}
    return environment
