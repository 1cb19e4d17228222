"""What a result says of the machine and the clock that it was measured with."""

from __future__ import annotations

import os
import platform
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..clock import Clock


def describe_host() -> dict[str, Any]:
    """Machine, operating system and Python; nothing that names the user."""
    return {
        "name": platform.node(),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def describe_clock(clock: Clock) -> dict[str, Any]:
    """Resolution of the monotonic clock, and how exactly the real one converts to it."""
    widths = []
    for _ in range(5):
        before = clock.monotonic_ns()
        clock.realtime_ns()
        widths.append(clock.monotonic_ns() - before)
    return {
        "resolution_ns": round(time.get_clock_info("monotonic").resolution * 1e9),
        "offset_uncertainty_ns": min(widths) // 2,
    }


def public_url(url: str) -> str:
    """The URL without user, password and query, which can hold keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    host = parts.netloc.rpartition("@")[2]
    if not host:  # without its //, everything is path
        return url.partition("?")[0].rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
