"""What a run is to do, how it stands, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import LensError
from ..metrics.context import Health
from ..metrics.live import LiveSample
from ..record import Decoder
from ..request import Request
from ..schedule import Schedule
from ..timeline import Timeline
from ..workload import Workload
from .budget import Budget


class Transport(Protocol):
    """Sends one request and writes what happens into the timeline; failure is data there."""

    async def send(self, request: Request, timeline: Timeline) -> None: ...


class Sink(Protocol):
    """Keeps timelines: told of each when it begins, now and then, and when it ends."""

    @property
    def error(self) -> LensError | None:
        """Why nothing more can be kept; None while all is well."""
        ...

    def open(self, timeline: Timeline) -> None: ...
    def sweep(self, timelines: Iterable[Timeline]) -> None: ...
    def close(self, timeline: Timeline) -> None: ...
    async def flush(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. With `schedule` it is an open loop, without it a closed one.

    A closed loop keeps `concurrency` requests under way until `requests` were sent or
    `duration_ns` has passed. An open loop sends each arrival at its planned time, or as soon after
    it as `concurrency` (then a limit; None is no limit) leaves a slot free.
    `run_id` and `first_index` make the requests of several engines in one run distinct.
    """

    run_id: str
    workload: Workload
    decode: Decoder
    schedule: Schedule | None = None
    concurrency: int | None = 1
    requests: int | None = None
    duration_ns: int | None = None
    warmup: int = 0
    retries: int = 0
    grace_s: float = 5.0
    first_token_s: float | None = None
    offered_rate: float | None = None
    first_index: int = 0
    pause_ns: Callable[[], int] | None = None
    """Closed loop: how long to wait before the next request; asked when the last has ended."""
    first_must_answer: bool = False
    """End the run where its first request fails: what comes after is not worth waiting for."""
    budget: Budget | None = None
    """Ends the run before it costs too much."""
    respect_rate_limits: bool = False
    """Open loop: hold arrivals back while a rate limit says so."""
    secrets: Sequence[bytes] = field(default=(), repr=False)
    """Blanked in whatever a server sends back."""


STOPS_HERE = "the run stops here, what was measured is reported"
"""What a full disk means for a run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as it stands. `live` samples finished requests; `rate` is of the whole run so far."""

    elapsed_s: float
    remaining_s: float | None
    planned: int | None
    sent: int
    ok: int
    failed: int
    cancelled: int
    in_flight: int
    rate: float
    offered_rate: float | None
    errors: Mapping[str, int]
    live: LiveSample
    warming: bool
    draining: bool
    held_until_s: float | None = None
    """Until when, in seconds of the run, a rate limit holds arrivals back."""


OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class Outcome:
    """How a run ended. `stopped_early` is why the program itself ended it, in one line.

    `held_back` arrivals waited `held_back_s` seconds, all together, for a rate limit; `holds_ns`
    are from when until when nothing was sent.
    """

    health: Health
    interrupted: bool
    stopped_early: str | None
    unsent: int
    held_back: int = 0
    held_back_s: float = 0.0
    holds_ns: list[tuple[int, int]] = field(default_factory=list)
