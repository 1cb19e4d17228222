"""What is installed on demand: `pip install 'llm-latency-lens[EXTRA]'`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import UsageError


@contextmanager
def needing(extra: str, what: str, *packages: str) -> Iterator[None]:
    """Import in this block what `what` needs of an extra.

    Raises UsageError, which says what to install, where one of `packages` is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in packages:
            raise
        raise UsageError(
            f"{what} needs {error.name}: pip install 'llm-latency-lens[{extra}]'"
        ) from None
