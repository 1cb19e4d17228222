"""A monitor's alerts on a clock that is a variable, with targets that answer as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.errors import SinkError
from llm_latency_lens.record import EventKind, Record, RequestError, Status
from llm_latency_lens.request import Secret
from llm_latency_lens.service.alerts import Alerts
from llm_latency_lens.service.alerts.forms import Post
from llm_latency_lens.service.config import (
    AlertsConfig,
    MonitorConfig,
    ReceiverConfig,
    TargetConfig,
)
from llm_latency_lens.service.probe import Probe, Row, row_of
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import ErrorKind, Stage

MS = 1_000_000
HOOK = ReceiverConfig(name="ops", kind="webhook", url=Secret("https://hooks.test/secret-path"))
PROMISES = parse_sla(
    "objectives: [{limit: 'ttft_ms<800', target: 99%}, {limit: error_rate<1%}]", "sla.yaml"
).promises


@dataclass(frozen=True)
class Past:
    """A history."""

    rows: list[Row]

    def each(self, since_unix_s: float, until_unix_s: float) -> Iterator[Row]:
        return (row for row in self.rows if since_unix_s <= row.at_unix_ns / 1e9 < until_unix_s)


def target(name: str = "chat", provider: str = "openai", **told: Any) -> TargetConfig:
    return TargetConfig(
        name=name, provider=provider, model="gpt-4o-mini", region="eu-west", prompts=(), **told
    )


@dataclass
class World:
    """`sent` is what receivers took, by their names; while `refuse` is set no webhook does."""

    folder: Path
    targets: tuple[TargetConfig, ...] = field(default_factory=lambda: (target(),))
    receivers: tuple[ReceiverConfig, ...] = (HOOK,)
    clock: FakeClock = field(default_factory=FakeClock)
    sent: list[tuple[str, Post]] = field(default_factory=list)
    refuse: SinkError | None = None
    rows: list[Row] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    alerts: Alerts = field(init=False)

    def __post_init__(self) -> None:
        self.alerts = self.begin()

    def begin(self, **told: Any) -> Alerts:
        """A new process on the same folder; the old one may have been killed."""
        given = {"send": self.send, **self.told, **told}
        self.alerts = Alerts(self.config(), self.clock, **given)
        return self.alerts

    def config(self, **told: Any) -> MonitorConfig:
        alerts = AlertsConfig(receivers=self.receivers, **told)
        return MonitorConfig(
            targets=self.targets, data_dir=self.folder, alerts=alerts, **self.settings
        )

    def send(self, receiver: ReceiverConfig, post: Post) -> None:
        if self.refuse and receiver.kind == "webhook":
            raise self.refuse
        self.sent.append((receiver.name, post))

    def probe(
        self,
        name: str = "chat",
        ttft_ms: float | None = 400.0,
        cost: str | None = None,
        gaps_ms: Iterable[float] = (),
        **row: Any,
    ) -> None:
        """A probe that ends now; without a time it failed."""
        whose = next(one for one in self.targets if one.name == name)
        number = len(self.rows)
        record = Record(
            f"r{number}", number, Status.OK, provider=whose.provider, model=whose.model, arm=name
        )
        at_ns = record.start_ns = self.clock.monotonic_ns()
        if ttft_ms is None:
            record.status = Status.FAILED
            record.error = RequestError(ErrorKind.TIMEOUT, Stage.WAIT, "no answer")
        else:
            for gap_ms in (ttft_ms, *gaps_ms):
                at_ns += round(gap_ms * MS)
                record.events.add(at_ns, 0, EventKind.TEXT, "")
            record.end_ns = at_ns
        record.cost_usd = None if cost is None else Decimal(cost)
        found = row_of(record, self.clock.realtime_ns(), whose.region)
        for column, value in row.items():
            setattr(found, column, value)
        self.rows.append(found)
        self.alerts(Probe(found, record))

    async def pass_s(self, span_s: float, step_s: float = 10.0) -> None:
        """Time goes by, and the alerts are tended."""
        for _ in range(round(span_s / step_s)):
            self.clock.advance(round(step_s * SECOND_NS))
            await self.alerts.tend()
            await self.alerts.settle()

    async def minutes(self, count: int, name: str = "chat", **told: Any) -> None:
        """A probe a minute."""
        for _ in range(count):
            self.probe(name, **told)
            await self.pass_s(60.0, 20.0)


def lived(world: World, story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    asyncio.run(story(world))
    return world


def named(receiver: ReceiverConfig = HOOK, **told: Any) -> ReceiverConfig:
    return replace(receiver, **told)
