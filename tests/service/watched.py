"""Targets without a network: answers that come by a fake clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_latency_lens.clock import SECOND_NS, Clock
from llm_latency_lens.pricing import Book
from llm_latency_lens.request import Prompt, Request, Secret
from llm_latency_lens.service.config import MonitorConfig, TargetConfig
from llm_latency_lens.service.probe import Row
from llm_latency_lens.service.watch import Watch
from llm_latency_lens.store.prices import open_book
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline

DOLLAR_A_TOKEN = [{"provider": "openai", "model": "m", "input": 0, "output": 1_000_000}]
"""A price for which a probe of 32 tokens can cost 32 dollars, and one of two tokens costs two."""


def target(name: str = "a", **settings: Any) -> TargetConfig:
    given = {
        "provider": "openai",
        "model": "m",
        "prompts": (Prompt.of("Say hello"),),
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": Secret("none"),
        "interval_s": 10.0,
        "jitter": 0.0,
        **settings,
    }
    return TargetConfig(name=name, **given)


def config(*targets: TargetConfig, **settings: Any) -> MonitorConfig:
    return MonitorConfig(targets=targets, data_dir=Path("data"), **settings)


class Answers:
    """Every target's transport. `takes_s` is how long an answer takes; `status` and `headers` are
    its own; `lost` is the failure of the network instead."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.takes_s: Callable[[Request], float] = lambda _: 0.2
        self.status = 200
        self.headers: dict[str, str] = {}
        self.usage = {"prompt_tokens": 5, "completion_tokens": 2}
        self.lost: str | None = None
        self.requests: list[Request] = []
        self.closed = False

    def of(self, _: TargetConfig) -> Answers:
        return self

    async def aclose(self) -> None:
        self.closed = True

    async def send(self, request: Request, timeline: Timeline) -> None:
        self.requests.append(request)
        now = self.clock.monotonic_ns
        timeline.offset_ns = timeline.offset_end_ns = self.clock.realtime_ns() - now()
        if self.lost:
            timeline.fail(ErrorKind.NETWORK, Stage.RESOLVE, self.lost)
            return
        timeline.start_ns = timeline.sent_ns = now()
        await self.clock.sleep(round(self.takes_s(request) * SECOND_NS))
        timeline.status, timeline.first_byte_ns = self.status, now()
        timeline.headers = tuple(self.headers.items())
        body = self._body()
        for piece in body:
            timeline.add(now(), piece)
        timeline.complete, timeline.closed_ns = True, now()
        timeline.offset_end_ns = self.clock.realtime_ns() - now()

    def _body(self) -> Sequence[bytes]:
        if self.status != 200:
            return [json.dumps({"error": {"message": "slow down"}}).encode()]
        chunks: list[Mapping[str, Any]] = [
            {"choices": [{"index": 0, "delta": {"content": word}}]} for word in ("se", "cret")
        ]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        chunks.append({"choices": [], "usage": self.usage})
        events = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
        return [*events, b"data: [DONE]\n\n"]


class Watched:
    """A watch over such targets, and the rows of their probes."""

    def __init__(self, *targets: TargetConfig, book: Book | None = None, **settings: Any) -> None:
        self.clock = FakeClock()
        self.answers = Answers(self.clock)
        self.rows: list[Row] = []
        self.texts: list[str] = []
        self.environ: dict[str, str] = {}
        self.book = book or open_book()
        self.config = config(*targets, **settings)
        self.watch: Watch

    def start(self) -> Watch:
        """To be called inside the event loop."""
        self.watch = Watch(
            self._take, clock=self.clock, environ=self.environ, run="r", ways=self.answers
        )
        self.watch.apply(self.config, self.book)
        return self.watch

    def _take(self, probe: Any) -> None:
        self.rows.append(probe.row)
        self.texts += probe.record.events.text

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep(round(seconds * SECOND_NS))

    def at_s(self, name: str = "a") -> list[float]:
        """When each probe of a target was due, in seconds since the beginning."""
        begin = 1_700_000_000 * SECOND_NS
        return [(row.at_unix_ns - begin) / SECOND_NS for row in self.rows if row.target == name]
