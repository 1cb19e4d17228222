"""Python's garbage collector, which would stop the reading for milliseconds, kept out of it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Without the garbage collector while the block lasts.

    What is young and dead is swept out before. What is old stays: looking through all of a large
    program's memory takes a tenth of a second, in which the caller's event loop would stand still.
    """
    collecting = gc.isenabled()
    if collecting:
        gc.collect(1)
        gc.freeze()
        gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
            gc.unfreeze()
