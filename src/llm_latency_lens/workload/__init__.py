"""What to send: each workload is a callable that gives the next request."""

from __future__ import annotations

from collections.abc import Callable

from ..record import Record
from ..request import Request

Workload = Callable[[Record | None], Request | None]
"""The next request, given the previous record of this conversation; None when there is no more."""
