"""A monitor for tests of what is served: real configuration, history and live view, no probes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Prompt, Secret
from llm_latency_lens.service import pages
from llm_latency_lens.service.alerts import Incident, Note, Silence
from llm_latency_lens.service.alerts.silences import made
from llm_latency_lens.service.api import Desk
from llm_latency_lens.service.config import MonitorConfig, ServeConfig, TargetConfig
from llm_latency_lens.service.guard import Guard
from llm_latency_lens.service.history import History
from llm_latency_lens.service.live import Live
from llm_latency_lens.service.monitor import Reload
from llm_latency_lens.service.probe import Row, Taker
from llm_latency_lens.service.push import PushHealth
from llm_latency_lens.service.watch import Standing
from llm_latency_lens.testing.clock import FakeClock

NOW_UNIX_S = 1_790_000_000
TOKEN = "a-token-for-tests"
SLA = "objectives:\n  - {limit: ttft_ms<800, target: 99%}\n  - {limit: error_rate<1%}\n"


def target(name: str, **more: Any) -> TargetConfig:
    given = {"provider": "openai", "model": "gpt-4o-mini", "interval_s": 60.0, **more}
    return TargetConfig(name=name, prompts=(Prompt.of("secret words"),), **given)


def row(name: str, at_unix_s: float, **more: Any) -> Row:
    given: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "status": "ok",
        "ttft_ms": 200.0,
        "tpot_ms": 20.0,
        "e2e_ms": 260.0,
        "gaps_ms": [10.0, 20.0, 30.0],
        "dns_ms": 1.0,
        "connect_ms": 2.0,
        "tls_ms": 3.0,
        "input_tokens": 5,
        "output_tokens": 4,
        "cost_usd": Decimal("0.0001"),
    }
    if more.get("status") == "failed":
        given = {"provider": "openai", "model": "gpt-4o-mini"}
    at_unix_ns = round(at_unix_s * SECOND_NS)
    return Row(target=name, id=f"{name}-{at_unix_ns}", at_unix_ns=at_unix_ns, **{**given, **more})


def failed(name: str, at_unix_s: float, kind: str = "timeout", **more: Any) -> Row:
    given = {"error_kind": kind, "error_stage": "wait", "error": "no answer in 30 s", **more}
    return row(name, at_unix_s, status="failed", **given)


@dataclass
class FakeAlerts:
    """What the alerts would say."""

    all: list[Incident] = field(default_factory=list)
    noted: list[Note] = field(default_factory=list)
    silent: list[Silence] = field(default_factory=list)
    rates: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)

    def incidents(self, *, open_only: bool = False) -> list[Incident]:
        return [one for one in self.all if not open_only or one.open]

    def silence(self, matchers: Mapping[str, str], until_unix_s: float, comment: str) -> Silence:
        found = made(matchers, until_unix_s, NOW_UNIX_S, comment)
        self.silent.append(found)
        return found

    def unsilence(self, silence_id: str) -> bool:
        before = len(self.silent)
        self.silent = [one for one in self.silent if one.id != silence_id]
        return len(self.silent) < before

    def burn_rates(self, target: str) -> list[tuple[str, str, float]]:
        return self.rates.get(target, [])

    def silences(self) -> list[Silence]:
        return self.silent

    def notes(self, target: str, since_unix_s: float, until_unix_s: float) -> list[Note]:
        return [
            one
            for one in self.noted
            if one.target in ("", target) and since_unix_s <= one.at_unix_s < until_unix_s
        ]


@dataclass
class FakePushes:
    all: list[PushHealth] = field(default_factory=list)

    def health(self) -> list[PushHealth]:
        return self.all


class FakeMonitor:
    """Its clock stands still; `probe_now` is answered by what `answers` holds."""

    def __init__(
        self, folder: Path, *targets: TargetConfig, token: str | None = TOKEN, **more: Any
    ) -> None:
        self.clock = FakeClock(realtime_ns=NOW_UNIX_S * SECOND_NS)
        self.config = MonitorConfig(
            targets=targets,
            data_dir=folder,
            serve=ServeConfig(token=token and Secret(token), requests_per_minute=100_000),
            **more,
        )
        self.history = History(folder, self.config.retention, self.clock)
        self.live = Live(targets, self.clock)
        self.alerts = FakeAlerts()
        self.pushes = FakePushes()
        self.takers: list[Taker] = []
        self.started_unix_s = NOW_UNIX_S - 3600.0
        self.last_reload = Reload(self.started_unix_s)
        self.answers: dict[str, Row] = {}
        self.asked: list[str] = []

    def __enter__(self) -> FakeMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.history.close()

    def keep(self, *rows: Row) -> None:
        for one in rows:
            self.history.add(one)
        self.live.restore(rows)

    def standing(self, target: str) -> Standing | None:
        if target not in {one.name for one in self.config.targets}:
            return None
        return Standing(target, False, NOW_UNIX_S + 30.0, None, Decimal(0), False, 0, 0, 0)

    async def probe_now(self, target: str) -> Row:
        self.asked.append(target)
        if target not in self.answers:
            raise UsageError(f"the money that {target} may cost today is spent")
        return self.answers[target]


def promises() -> Any:
    return parse_sla(SLA, "sla.yaml").promises


def fill(monitor: FakeMonitor, hours: float, seed: int = 1) -> None:
    """Measured-looking probes of every target: days and nights, outages, and tails."""
    rng = random.Random(seed)
    for number, one in enumerate(monitor.config.targets):
        if one.labels.get("fresh"):
            continue
        base, count = 180.0 * 1.35**number, round(hours * 3600 / one.interval_s)
        for place in range(count, 0, -1):
            at = NOW_UNIX_S - place * one.interval_s + rng.random()
            monitor.keep(_drawn(one, at, base, number, rng))


def _drawn(one: TargetConfig, at: float, base: float, number: int, rng: random.Random) -> Row:
    day = 1 + 0.35 * math.sin(2 * math.pi * (at / 86_400 - 0.3))
    since = (NOW_UNIX_S - at) / 3600
    broken = 3.0 < since < 3.4 and number == 1
    more = {"provider": one.provider, "model": one.model, "region": one.region}
    if (
        (broken and rng.random() < 0.8)
        or rng.random() < 0.002 * number
        or (number == 3 and since < 0.1)
    ):
        kind, status = (("rate_limit", 429), ("timeout", None), ("overloaded", 529))[number % 3]
        return failed(
            one.name, at, kind, http_status=status, error=f"{kind} says the server", **more
        )
    slow = 1.35 if number == 2 and since < 5 else 1.0
    ttft = base * day * slow * math.exp(rng.gauss(0, 0.22)) * (4 if rng.random() < 0.01 else 1)
    gaps = [rng.gammavariate(4, 4) * slow for _ in range(24)]
    tokens = len(gaps) + 1
    return row(
        one.name, at, ttft_ms=ttft, gaps_ms=gaps, tpot_ms=sum(gaps) / len(gaps),
        e2e_ms=ttft + sum(gaps), output_tokens=tokens,
        cost_usd=Decimal(tokens) * Decimal("0.0000006") * (number + 1), **more,
    )  # fmt: skip


def guarded(monitor: FakeMonitor, routes: list[Route]) -> ASGIApp:
    """As it is served; a test's client begins and ends the application besides."""
    handlers = {HTTPException: pages.not_there(Desk(monitor))}
    app = Starlette(routes=routes, exception_handlers=handlers)
    guard = Guard(app, lambda: monitor.config.serve, monitor.clock)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "lifespan" else guard)(scope, receive, send)

    return served
