"""How wrong is the instrument on this machine? It is held against a server that logs its sends.

For every content event the simulator notes the time just before its `send`; the instrument notes
the kernel's stamp at the other end of the loopback. The difference is the instrument's error, with
some microseconds of the kernel's own way from one socket to the other in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from .. import providers
from .._version import __version__
from ..clock import SystemClock
from ..engine.capture import Setup, capture
from ..engine.host import describe_clock, describe_host
from ..engine.load import Load, make_plan
from ..errors import RunError
from ..metrics.context import Context
from ..record import Record, Status
from ..request import Prompt, Target
from ..testing.config import SimConfig
from ..testing.process import start_simulator
from ..testing.sendlog import Sent
from ..transport import Network
from ..workload import cycle
from .certificate import Certificate, Level, save_certificate

STREAMS = (1, 10, 100, 500, 1000)
LIMIT_US = 1000.0
"""The p99 error up to which a rate counts as measured truly."""

_TOKENS = 64
SIMULATED = {
    "ttft": "lognormal:200ms,0.3",
    "gap": "lognormal:20ms,0.3",
    "stalls": "0.2%:150ms",
    "tokens": str(_TOKENS),
}
"""The provider that the instrument is held against, as options of the simulator."""
_LEAST_REQUESTS = 4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Errors:
    """Measured less true, in microseconds, for every request and every gap."""

    ttft_us: Floats
    gap_us: Floats
    true_ttft_ms: Floats
    measured_ttft_ms: Floats
    true_gap_ms: Floats
    measured_gap_ms: Floats


def calibrate(
    streams: Sequence[int] = STREAMS,
    on_level: Callable[[Level], None] | None = None,
    *,
    keep: bool = True,
) -> Certificate:
    """Measure the instrument's error at each number of concurrent streams; takes some seconds each.

    With `keep` it becomes this machine's certificate, which later results name. Raises RunError
    when a level cannot be carried out.
    """
    levels = []
    sources = set()
    for count in streams:
        level, source = _measure(count)
        levels.append(level)
        sources.add(source)
        if on_level:
            on_level(level)
    true = [
        level.events_per_second
        for level in levels
        if max(level.ttft_error_us_p99, level.gap_error_us_p99) < LIMIT_US
    ]
    clock = describe_clock(SystemClock())
    found = Certificate(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        tool_version=__version__,
        host=describe_host(),
        clock_source=sources.pop() if len(sources) == 1 else "mixed",
        clock_resolution_ns=clock["resolution_ns"],
        levels=levels,
        limit_us=LIMIT_US,
        max_events_per_second=max(true, default=None),
    )
    if keep:
        save_certificate(found)
    return found


def _measure(streams: int) -> tuple[Level, str]:
    config = SimConfig.from_options(**SIMULATED)
    context = Context(id=f"calibrate-{streams}", tool_version=__version__)
    load: Load = {"concurrency": streams, "requests": max(streams, _LEAST_REQUESTS)}
    with TemporaryDirectory(prefix="latency-lens-") as folder, start_simulator(config) as simulator:
        target = Target("openai", "sim", simulator.base_url, max_tokens=_TOKENS)
        build = partial(providers.get("openai").build, target)
        prompt = Prompt.of("calibrate")
        plan = make_plan(load, context, cycle([prompt], build), providers.decode)
        setup = Setup(
            url=build(prompt).url, network=Network(proxy=None), run_dir=Path(folder, "run")
        )
        captured = asyncio.run(capture(plan, context, setup))
        records = list(captured.run.records())
        errors = compare(records, simulator.log())
    return _level(streams, context, records, errors), records[0].clock_source


def compare(records: Iterable[Record], log: Iterable[Sent]) -> Errors:
    """Hold each content event against the send that carried it.

    Raises RunError when a request that succeeded cannot be matched event by event.
    """
    truth = {sent.id: list(compress(sent.sends_ns, sent.content)) for sent in log}
    ttft: list[tuple[float, float]] = []
    gaps: list[tuple[Floats, Floats]] = []
    for record in records:
        if record.status is not Status.OK or record.start_ns is None:
            continue
        assert record.start_unix_ns is not None
        times = np.asarray(truth.get(record.id, []), dtype=np.int64)
        seen = np.frombuffer(record.events.at_ns, dtype=np.int64)
        if len(times) != len(seen):
            raise RunError(
                f"request {record.id}: the simulator sent {len(times)} content events, "
                f"{len(seen)} were seen"
            )
        ttft.append((times[0] - record.start_unix_ns, seen[0] - record.start_ns))
        gaps.append((np.diff(times), np.diff(seen)))
    if not ttft:
        raise RunError("no request succeeded: there is nothing to hold against the send log")
    firsts = np.asarray(ttft, dtype=np.float64)
    true_gaps = np.concatenate([true for true, _ in gaps]).astype(np.float64)
    seen_gaps = np.concatenate([seen for _, seen in gaps]).astype(np.float64)
    return Errors(
        ttft_us=(firsts[:, 1] - firsts[:, 0]) / 1e3,
        gap_us=(seen_gaps - true_gaps) / 1e3,
        true_ttft_ms=firsts[:, 0] / 1e6,
        measured_ttft_ms=firsts[:, 1] / 1e6,
        true_gap_ms=true_gaps / 1e6,
        measured_gap_ms=seen_gaps / 1e6,
    )


def _level(streams: int, context: Context, records: Sequence[Record], errors: Errors) -> Level:
    begun = min(record.start_ns for record in records if record.start_ns is not None)
    ended = max(record.end_ns for record in records if record.end_ns is not None)
    events = sum(len(record.events) for record in records)
    assert context.health is not None
    ttft, gap = np.abs(errors.ttft_us), np.abs(errors.gap_us)
    return Level(
        streams=streams,
        events=events,
        events_per_second=events / ((ended - begun) / 1e9),
        ttft_error_us_p50=float(np.quantile(ttft, 0.5)),
        ttft_error_us_p99=float(np.quantile(ttft, 0.99)),
        ttft_error_us_max=float(ttft.max()),
        gap_error_us_p50=float(np.quantile(gap, 0.5)),
        gap_error_us_p99=float(np.quantile(gap, 0.99)),
        gap_error_us_max=float(gap.max()),
        cpu_us_per_event=context.health.cpu_s * 1e6 / events,
        merged_events=sum(record.merged_events for record in records),
    )
