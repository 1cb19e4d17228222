"""The monitor: every target's probes, and all who are told of them, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..clock import SECOND_NS, Clock, SystemClock
from ..errors import LensError
from .config import MonitorConfig
from .probe import Row, Taker

Reread = Callable[[], MonitorConfig]
"""Reads the configuration again; raises ConfigError with what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Reload:
    """The last time that the configuration was read: when, and why it was refused, if it was."""

    at_unix_s: float
    error: str | None = None


class Monitor:
    """Runs until it is asked to stop; a second request to stop waits for nothing.

    `reread` reads the configuration again, for `reload`; without it there is none.
    """

    def __init__(
        self,
        config: MonitorConfig,
        *,
        clock: Clock | None = None,
        reread: Reread | None = None,
        takers: Sequence[Taker] = (),
    ) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.started_unix_s = self.clock.realtime_ns() / SECOND_NS
        self.last_reload = Reload(self.started_unix_s)
        self.takers: list[Taker] = list(takers)
        self._reread = reread
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Probe and serve until `request_stop`."""
        await self._stopping.wait()

    def request_stop(self) -> None:
        """No new probes; those under way are given a moment to end."""
        self._stopping.set()

    async def reload(self) -> str | None:
        """Take up the configuration anew; gives why it was refused, and then keeps the old one."""
        now_unix_s = self.clock.realtime_ns() / SECOND_NS
        try:
            if self._reread:
                self.config = await asyncio.to_thread(self._reread)
        except LensError as error:
            self.last_reload = Reload(now_unix_s, str(error))
            return str(error)
        self.last_reload = Reload(now_unix_s)
        return None

    async def probe_now(self, target: str) -> Row:
        """Probe a target at once, outside its schedule. Raises UsageError if there is none such,
        and if the day's money is spent."""
        raise NotImplementedError(target)
