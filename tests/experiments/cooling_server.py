"""A server that cools down, on a clock that jumps: it unloads its model when nobody asks, and it
remembers prompts for a while."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from llm_latency_lens.clock import MS_NS, SECOND_NS
from llm_latency_lens.metrics.coldstart import COLD, RESUMED
from llm_latency_lens.request import Request
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import Connection, ErrorKind, Stage, Timeline

UNLOADS_NS = 2 * SECOND_NS
FORGETS_NS = 20 * SECOND_NS


class CoolingServer:
    """Takes the place of an experiment's ways. Each answer starts after 100 ms and some noise; a
    model that was unloaded takes 500 ms more, each 1,000 bytes of an unknown prompt 10 ms, and a
    new connection is set up in 30 ms, or 18 with a session taken up."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.unloads = self.remembers = True
        self.breaks_after: int | None = None
        """So many requests are answered, the others are lost."""
        self.asked: list[tuple[str, float]] = []
        """(arm, seconds since the request before it)."""
        self.bodies: list[bytes] = []
        self._known: dict[bytes, int] = {}
        self._ended_ns = clock.monotonic_ns()
        self._noise = Random(1)

    def __len__(self) -> int:
        return 1

    def check(self) -> None:
        pass

    async def warm(self, count: int) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def send(self, request: Request, timeline: Timeline) -> None:
        assert request.arm is not None
        idle_ns = self.clock.monotonic_ns() - self._ended_ns
        self.asked.append((request.arm, idle_ns / SECOND_NS))
        self.bodies.append(request.body)
        timeline.connection = await self._connect(request.arm)
        timeline.start_ns = timeline.sent_ns = self.clock.monotonic_ns()
        if self.breaks_after is not None and len(self.asked) > self.breaks_after:
            timeline.fail(ErrorKind.NETWORK, Stage.WAIT, "lost")
            return
        load_ns = 500 * MS_NS if self.unloads and idle_ns > UNLOADS_NS else 0
        cached = self._knows(request.body)
        read_ns = 0 if cached else len(request.body) * 10 * MS_NS // 1000
        noise_ns = round(self._noise.gauss(0, 3) * MS_NS)
        await self.clock.sleep(100 * MS_NS + load_ns + read_ns + noise_ns)
        timeline.status, timeline.headers = 200, (("content-type", "text/event-stream"),)
        timeline.first_byte_ns = self.clock.monotonic_ns()
        timeline.add(self.clock.monotonic_ns(), _answer(request.body, cached, load_ns))
        timeline.complete = True
        timeline.closed_ns = self._ended_ns = self.clock.monotonic_ns()

    async def _connect(self, arm: str) -> Connection:
        if not (arm in (COLD, RESUMED) or arm.startswith("idle")):
            return Connection(reused=True)
        resumed = arm == RESUMED
        tls_ns = (8 if resumed else 20) * MS_NS
        await self.clock.sleep(10 * MS_NS + tls_ns)
        return Connection(connect_ns=10 * MS_NS, tls_ns=tls_ns, tls_resumed=resumed)

    def _knows(self, body: bytes) -> bool:
        now = self.clock.monotonic_ns()
        known = self.remembers and now - self._known.get(body, -FORGETS_NS) < FORGETS_NS
        self._known[body] = now
        return known


def _answer(body: bytes, cached: bool, load_ns: int) -> bytes:
    tokens = len(body) // 4
    usage: dict[str, Any] = {
        "prompt_tokens": tokens,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": tokens if cached else 0},
    }
    timings = {"prompt_ms": 90.0 + load_ns / MS_NS}
    events = [
        {"choices": [{"index": 0, "delta": {"content": "Hello"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": timings},
        {"choices": [], "usage": usage},
    ]
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return (data + "data: [DONE]\n\n").encode()
