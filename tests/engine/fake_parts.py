"""A transport, a sink and a decoder that do what a test says, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from llm_latency_lens.clock import MS_NS
from llm_latency_lens.engine import Engine, Outcome, Plan
from llm_latency_lens.errors import LensError, StoreError
from llm_latency_lens.providers.limits import retry_after_s
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.request import Request
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline

REQUEST = Request("openai", "m", "http://model/", (), b"{}", max_tokens=5, tag="t")


def decode(timeline: Timeline) -> Record:
    """Every byte of a body is a token; a status other than 200 is an error of its kind."""
    record = Record(
        timeline.id,
        timeline.index,
        Status.OK,
        attempt=timeline.attempt,
        warmup=timeline.warmup,
        planned_ns=timeline.planned_ns,
        start_ns=timeline.start_ns,
        end_ns=timeline.closed_ns,
        usage=Usage(output=len(timeline.body)),
    )
    for number, (at_ns, data) in enumerate(timeline.reads()):
        record.events.add(at_ns, number, EventKind.TEXT, data.decode())
    if timeline.failure:
        failure = timeline.failure
        record.status = Status.FAILED
        record.error = RequestError(failure.kind, failure.stage, failure.message)
    elif timeline.status != 200:
        record.status = Status.FAILED
        wait_s = retry_after_s(timeline.headers, 0)
        kind = KINDS[timeline.status]
        record.error = RequestError(kind, Stage.WAIT, "no", timeline.status, retry_after_s=wait_s)
    return record


KINDS = {
    401: ErrorKind.AUTH,
    404: ErrorKind.BAD_REQUEST,
    429: ErrorKind.RATE_LIMIT,
    500: ErrorKind.SERVER,
    529: ErrorKind.OVERLOADED,
    None: ErrorKind.NETWORK,
}


@dataclass
class FakeTransport:
    """Answers each request after `wait_ns`, with tokens `gap_ns` apart.

    `status` gives the status of each send in turn, the last one for good; a status of 0 is a
    connection that was lost. `judge`, where there is one, gives status and headers of each request
    when it comes. `sent` are the timelines in the order of their start.
    """

    clock: FakeClock
    wait_ns: int = 100 * MS_NS
    tokens: int = 3
    gap_ns: int = 10 * MS_NS
    status: list[int] = field(default_factory=lambda: [200])
    headers: tuple[tuple[str, str], ...] = ()
    judge: Callable[[], tuple[int, tuple[tuple[str, str], ...]]] | None = None
    connect_ns: int = 0
    source: str = "kernel"
    on_send: Callable[[Timeline], None] = lambda _: None
    sent: list[Timeline] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    async def send(self, _: Request, timeline: Timeline) -> None:
        self.sent.append(timeline)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.on_send(timeline)
        try:
            await self._answer(timeline)
        except asyncio.CancelledError:
            timeline.fail(ErrorKind.CANCELLED, Stage.WAIT, "cancelled")
            raise
        finally:
            timeline.closed_ns = self.clock.monotonic_ns()
            self.under_way -= 1

    async def _answer(self, timeline: Timeline) -> None:
        status = self.status.pop(0) if len(self.status) > 1 else self.status[0]
        headers = self.headers
        await self.clock.sleep(self.connect_ns)
        timeline.start_ns = timeline.sent_ns = self.clock.monotonic_ns()
        if self.judge:
            status, headers = self.judge()
        await self.clock.sleep(self.wait_ns)
        if not status:
            timeline.fail(ErrorKind.NETWORK, Stage.WAIT, "lost")
            return
        timeline.clock_source = self.source  # type: ignore[assignment]
        timeline.first_byte_ns = self.clock.monotonic_ns()
        timeline.status, timeline.headers = status, headers
        for number in range(self.tokens if status == 200 else 0):
            if number:
                await self.clock.sleep(self.gap_ns)
            timeline.add(self.clock.monotonic_ns(), b"x")
        timeline.complete = True


class ListSink:
    """Remembers what it was told, and when."""

    def __init__(self, clock: FakeClock) -> None:
        self.error: LensError | None = None
        self.opened: list[Timeline] = []
        self.closed: list[Timeline] = []
        self.swept: list[tuple[int, Timeline]] = []
        self.flushed: list[int] = []
        self.fails_at_flush: int | None = None
        self._clock = clock

    def open(self, timeline: Timeline) -> None:
        self.opened.append(timeline)

    def sweep(self, timelines: Iterable[Timeline]) -> None:
        self.swept += [(self._clock.monotonic_ns(), timeline) for timeline in timelines]

    def close(self, timeline: Timeline) -> None:
        self.closed.append(timeline)

    async def flush(self) -> None:
        self.flushed.append(self._clock.monotonic_ns())
        if len(self.flushed) == self.fails_at_flush:
            self.error = StoreError("the disk is full")


class Stand:
    """All the parts of one run, joined; `run()` carries it out in no time."""

    def __init__(self, **transport: Any) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock, **transport)
        self.sink = ListSink(self.clock)
        self.engine: Engine
        self.left: int | None = None
        """How many requests the workload still has; None is no end."""
        self.on_beat: Callable[[Engine], None] | None = None
        self._actions: list[tuple[int, Callable[[], None]]] = []

    def at(self, ms: int, action: Callable[[], None]) -> None:
        """Do something so many milliseconds after the beginning."""
        self._actions.append((ms * MS_NS, action))

    def workload(self, _: Record | None) -> Request | None:
        if self.left is None:
            return REQUEST
        self.left -= 1
        return REQUEST if self.left >= 0 else None

    def run(self, **plan: Any) -> Outcome:
        async def act(at_ns: int, action: Callable[[], None]) -> None:
            await self.clock.sleep(at_ns)
            action()

        async def main() -> Outcome:
            chosen = {"run_id": "r", "workload": self.workload, "decode": decode, **plan}
            self.engine = Engine(
                Plan(**chosen), self.transport, self.sink, self.clock, self.on_beat
            )
            actions = [asyncio.create_task(act(*action)) for action in self._actions]
            try:
                return await self.engine.run()
            finally:
                for action in actions:
                    action.cancel()
                others = asyncio.all_tasks() - {asyncio.current_task(), *actions}
                assert not others  # nothing is left running behind a run

        return self.clock.run(main())

    @property
    def measured(self) -> list[Timeline]:
        return [timeline for timeline in self.transport.sent if not timeline.warmup]

    def starts_ms(self) -> list[float]:
        return [(timeline.start_ns or 0) / MS_NS for timeline in self.measured]
