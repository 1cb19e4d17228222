"""Threads for what blocks: names that are looked up, questions to the history, clouds.

Where the resolver is gone, each name is looked up for as long as half a minute, and nothing can end
that: there are threads enough that others get theirs, and a stop does not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_MOST = 256


class Threads(ThreadPoolExecutor):
    """An event loop's executor that knows what is still under way. Threads start when needed."""

    def __init__(self, most: int = _MOST) -> None:
        super().__init__(most, thread_name_prefix="monitor")
        self._under_way: set[Future[Any]] = set()

    @property
    def busy(self) -> int:
        """How many calls have begun, or wait, and have not ended."""
        return len(self._under_way)

    def submit(self, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        future = super().submit(call, *args, **more)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future
