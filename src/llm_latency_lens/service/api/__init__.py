"""The interface for programs: JSON under `/api/v1`."""

from __future__ import annotations

from starlette.routing import Route

from .answering import route
from .desk import Desk
from .endpoints import ENDPOINTS

__all__ = ["Desk", "routes"]


def routes(desk: Desk) -> list[Route]:
    """Routes for a Starlette application."""
    paths = dict.fromkeys(one.path for one in ENDPOINTS)
    return [route(desk, [one for one in ENDPOINTS if one.path == path]) for path in paths]
