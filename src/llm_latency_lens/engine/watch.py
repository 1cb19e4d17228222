"""The limit on the first token. Only a decoder knows one, so the transport cannot watch it."""

from __future__ import annotations

import asyncio

from ..clock import SECOND_NS, Clock
from ..record import Decoder
from ..timeline import ErrorKind, Stage, Timeline


class FirstTokenWatch:
    """Cancels the task that made it when its request has no first token in time.

    The time runs from the request's start; connecting has a limit of its own. `fired` tells this
    cancellation from others. Decodes once, when the limit is due.
    """

    def __init__(
        self,
        task: asyncio.Task[None],
        timeline: Timeline,
        limit_s: float,
        decode: Decoder,
        clock: Clock,
    ) -> None:
        self.fired = False
        self._task = task
        self._timeline = timeline
        self._limit_s = limit_s
        self._decode = decode
        self._clock = clock
        self._timer = asyncio.get_running_loop().call_later(limit_s, self._check)

    def stop(self) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        timeline = self._timeline
        left_s = self._left_s()
        if left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._check)
        elif self._decode(timeline).first_token_ns is None:
            stage = Stage.STREAM if timeline.at else Stage.WAIT
            message = f"no first token within {self._limit_s:g} s"
            timeline.fail(ErrorKind.TIMEOUT, stage, message)
            self.fired = True
            self._task.cancel()

    def _left_s(self) -> float:
        start_ns = self._timeline.start_ns
        if start_ns is None:
            return self._limit_s
        return self._limit_s - (self._clock.monotonic_ns() - start_ns) / SECOND_NS
