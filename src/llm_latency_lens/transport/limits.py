"""How many sockets the operating system lets this process hold."""

from __future__ import annotations

import contextlib
import sys

from ..errors import UsageError

_OWN = 64
"""Descriptors that the program itself needs."""


def ensure_descriptors(connections: int) -> None:
    """Raise the soft limit as far as needed; UsageError when the hard limit is too low."""
    if sys.platform == "win32":
        return
    import resource

    needed = connections + _OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(
            f"{connections} connections need {needed} open files and the limit is {hard} "
            f"(ulimit -n): at most {hard - _OWN} requests can be under way at once here"
        )
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def allow_descriptors() -> None:
    """As many as the operating system grants this process."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
