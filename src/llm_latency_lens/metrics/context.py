"""What a result must know besides its records: what was asked for, and how the program fared.

Plain data, filled while the capture runs and kept in the run's directory; nothing here costs
start-up time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["closed", "open"]
ClockSource = Literal["kernel", "user", "mixed"]


@dataclass(slots=True, kw_only=True)
class Health:
    """How the measuring process itself fared during one capture."""

    capture_s: float = 0.0
    """Seconds from the start of the capture to its end, warm-up included."""
    cpu_s: float = 0.0
    """CPU time that the process used in it."""
    run_delay_s: float | None = None
    """Time in which the process could have run but waited for a CPU; None where unknown."""
    loop_stall_ms_max: float = 0.0
    """The latest heartbeat of the event loop."""
    loop_stalls: int = 0
    """Heartbeats that came more than 100 ms late."""
    suspended_s: float = 0.0
    """Time in which the process or the machine stood still."""
    clock_step_ms: float = 0.0
    """Largest change seen between the real and the monotonic clock, with its sign."""
    clock_source: ClockSource = "user"
    reads: int = 0
    """Reads from sockets that carried bytes of an answer."""
    spool_bytes: int = 0
    """Bytes of timelines written."""
    gc_disabled: bool = False
    """True when Python's garbage collector was off while capturing."""
    progress_decode_ms: float = 0.0
    """CPU time spent on decoding records for the progress display, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOutcome:
    """What became of the requests that were streamed to one URL, which is without its secrets.

    `error` is why some were lost, in one line.
    """

    url: str
    sent: int
    lost: int
    error: str | None = None


@dataclass(slots=True, kw_only=True)
class Context:
    """One run, as it was asked for and as it ended.

    `clock` may hold `source`, `resolution_ns` (of the monotonic clock) and
    `offset_uncertainty_ns` (of the conversion from kernel stamps). `config` carries no secret.
    `certificate` is what `calibrate` left on this machine; `max_events_per_second` in it is the
    highest rate at which it found the stamps true.
    """

    id: str
    name: str = ""
    started_at_unix_ns: int = 0
    tool_version: str = ""
    host: Mapping[str, Any] = field(default_factory=dict)
    clock: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    mode: Mode = "closed"
    concurrency: int | None = None
    """Closed loop: requests kept in flight. Open loop: the limit on them, None for no limit."""
    planned: int | None = None
    """Measured requests that the run was to send; None when a duration decided."""
    offered_rate: float | None = None
    """Open loop: arrivals per second that were asked for."""
    max_tokens: int | None = None
    objectives: tuple[str, ...] = ()
    """Limits that every request should meet, as `objectives.parse_objective` reads them."""
    warmup: int = 0
    """Requests sent first and left out of every figure."""
    interrupted: bool = False
    """True when the user ended the run."""
    stopped_early: str | None = None
    """Why the program itself ended the run before its plan, in one plain line."""
    unsent: int = 0
    """Arrivals that were planned but never sent, because the run ended."""
    held_back: int = 0
    """Arrivals that waited for a rate limit of the provider, as the user wanted it."""
    held_back_s: float = 0.0
    """How long they waited, all together."""
    holds_ns: list[tuple[int, int]] = field(default_factory=list)
    """From when until when nothing was sent for that, on the clock of the marks."""
    health: Health | None = None
    """None when the run was killed before it could be written."""
    certificate: Mapping[str, Any] | None = None
    prices: Sequence[Mapping[str, Any]] | None = None
    """The prices that were used, as `pricing.kept_prices` reads them; None before any was."""
    seed: int = 0
    source: Mapping[str, Any] | None = None
    """What another program measured: its `tool`, `version`, and what else it says of the run. None
    for a run of our own."""
    sinks: list[SinkOutcome] = field(default_factory=list)
    """Where the requests were streamed to while the run went on."""


def measured_by(context: Context) -> str | None:
    """The other program that measured, and its version where it is known; None for our own runs."""
    source = context.source
    if not source:
        return None
    return " ".join(str(part) for part in (source.get("tool"), source.get("version")) if part)
