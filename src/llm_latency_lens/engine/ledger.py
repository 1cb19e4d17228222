"""The accounts of a run while it goes on: counts, a sample of latencies, the causes of failures."""

from __future__ import annotations

import time
from collections import deque

from ..clock import MS_NS, SECOND_NS
from ..metrics.live import LiveSample
from ..record import Decoder, Status
from ..timeline import ErrorKind, Timeline
from .plan import Plan, Progress

_SAMPLE_BUDGET_NS = 2 * MS_NS


class Ledger:
    """Counts first attempts of measured requests. Decodes a bounded sample, never a whole run."""

    def __init__(self, decode: Decoder) -> None:
        self.sent = 0
        self.ok = 0
        self.failed = 0
        self.cancelled = 0
        self.unsent = 0
        self.errors: dict[str, int] = {}
        self.decode_ms = 0.0
        self._decode = decode
        self._live = LiveSample()
        self._sample: deque[Timeline] = deque(maxlen=16)
        self._kinds: dict[tuple[int | None, ErrorKind | None], str] = {}

    def add(self, timeline: Timeline) -> None:
        """Count a request that has ended."""
        failure = timeline.failure
        if failure is not None and failure.kind is ErrorKind.CANCELLED:
            self.cancelled += 1
        elif failure is None and timeline.status == 200:
            self.ok += 1
            self._sample.append(timeline)
        else:
            self.failed += 1
            kind = self._kind(timeline)
            self.errors[kind] = self.errors.get(kind, 0) + 1

    def _kind(self, timeline: Timeline) -> str:
        """The kind of a failure, decoded once for each cause: thousands can fail alike."""
        failure = timeline.failure
        cause = (timeline.status, failure.kind if failure else None)
        if cause not in self._kinds:
            error = self._decode(timeline).error
            self._kinds[cause] = error.kind if error else ErrorKind.PROTOCOL
        return self._kinds[cause]

    def decode_sample(self) -> None:
        """Decode some of the newest answers for the display, for at most 2 ms of CPU."""
        begun = time.process_time_ns()
        while self._sample and time.process_time_ns() - begun < _SAMPLE_BUDGET_NS:
            record = self._decode(self._sample.pop())
            if record.status is Status.OK:
                self._live.add(record)
        self.decode_ms += (time.process_time_ns() - begun) / MS_NS

    def progress(
        self,
        plan: Plan,
        elapsed_ns: int,
        in_flight: int,
        *,
        warming: bool,
        draining: bool,
        held_until_ns: int | None = None,
    ) -> Progress:
        elapsed_s = elapsed_ns / SECOND_NS
        done = self.ok + self.failed + self.cancelled
        return Progress(
            elapsed_s=elapsed_s,
            remaining_s=_remaining_s(plan, elapsed_s, done),
            planned=plan.requests,
            sent=self.sent,
            ok=self.ok,
            failed=self.failed,
            cancelled=self.cancelled,
            in_flight=in_flight,
            rate=done / elapsed_s if elapsed_s > 0 else 0.0,
            offered_rate=plan.offered_rate,
            errors=dict(self.errors),
            live=self._live,
            warming=warming,
            draining=draining,
            held_until_s=None if held_until_ns is None else held_until_ns / SECOND_NS,
        )


def _remaining_s(plan: Plan, elapsed_s: float, done: int) -> float | None:
    """Until the duration has passed or the requests are done, whichever comes first."""
    ends = []
    if plan.duration_ns is not None:
        ends.append(plan.duration_ns / SECOND_NS - elapsed_s)
    if plan.requests is not None and done:
        ends.append(elapsed_s / done * (plan.requests - done))
    return max(0.0, min(ends)) if ends else None
