"""Rules on the instrument: whether a figure says more about the program than about the server."""

from __future__ import annotations

from collections.abc import Iterator

from .context import measured_by
from .facts import Facts, Rule, percent, some
from .result import Reason, Severity, Summary

OWN_SHARE = 0.01
"""Of a figure, that the instrument may account for."""
OWN_SHARE_INVALID = 0.10
TIMER_MS = 1.0
"""Lateness below the granularity of the loop's timer is never more than a note."""
STEP_MS = 1.0
RUN_DELAY_SHARE = {"kernel": 0.10, "mixed": 0.02, "user": 0.02}
"""Of the capture, waiting for a CPU: a kernel stamp does not mind a late reader."""
CPU_SHARE = 0.85
CPU_SHARE_USER = 0.50
CPU_SHORTEST_S = 1.0


def _weight(share: float) -> Severity:
    return "invalid" if share > OWN_SHARE_INVALID else "doubtful"


def tool_lag(facts: Facts) -> Iterator[Reason]:
    share, part_ms = facts.load.tool_share, facts.load.tool_part_ms
    if share > OWN_SHARE:
        yield Reason(
            code="tool_lag",
            severity=_weight(share) if part_ms > TIMER_MS else "note",
            message=(
                f"This program started requests late by itself: {part_ms:.2g} ms,"
                f" {percent(share)} of a corrected figure, are its own."
            ),
            advice="Lower --rate, or give it a CPU of its own; ttft_ms and e2e_ms are not touched.",
            metric="corrected_ttft_ms",
            value=share,
            limit=OWN_SHARE,
        )


def merged(facts: Facts) -> Iterator[Reason]:
    instrument = facts.result.instrument
    share = instrument.merged_events / instrument.events if instrument.events else 0.0
    if share > OWN_SHARE:
        yield Reason(
            code="merged_events",
            severity=_weight(share),
            message=(
                f"{some(instrument.merged_events, instrument.events, 'events')} were read too late"
                " to have a stamp of their own: gaps of 0 are too many, their neighbours too long."
            ),
            advice="Lower the load, or give this program a CPU of its own.",
            metric="itl_ms",
            value=share,
            limit=OWN_SHARE,
        )


def user_stamps(facts: Facts) -> Iterator[Reason]:
    clock = facts.result.run.clock
    if clock.source == "kernel" or not facts.result.requests.ok:
        return
    busy = _cpu_share(facts)
    stalls = facts.context.health.loop_stalls if facts.context.health else 0
    yield Reason(
        code="user_stamps",
        severity="doubtful" if busy > CPU_SHARE_USER or stalls else "note",
        message=(
            f"{some(clock.user_requests, clock.user_requests + clock.kernel_requests, 'requests')}"
            " were stamped by this program after its reads, not by the kernel: at"
            f" {percent(busy)} of a CPU its own delays are in every figure."
        ),
        advice="Measure on Linux over TCP, or keep the load so low that the program idles.",
        metric="ttft_ms",
        value=busy,
        limit=CPU_SHARE_USER,
    )


def resolution(facts: Facts) -> Iterator[Reason]:
    """The clock's own grain, and for TTFT the uncertainty of converting the kernel's stamp."""
    clock = facts.result.run.clock
    grain_ms = (clock.resolution_ns or 0) / 1e6
    offset_ms = (clock.offset_uncertainty_ns or 0) / 1e6 if clock.source != "user" else 0.0
    for name, error_ms in (("ttft_ms", grain_ms + offset_ms), ("itl_ms", grain_ms)):
        summary = getattr(facts.result.metrics, name)
        if isinstance(summary, Summary) and error_ms > OWN_SHARE * summary.p50 > 0.0:
            share = error_ms / summary.p50
            yield Reason(
                code="clock_resolution",
                severity=_weight(share),
                message=(
                    f"The clock is only good to {error_ms:.2g} ms, {percent(share)} of the median"
                    f" of {name}."
                ),
                advice="Measure on a machine with a finer clock.",
                metric=name,
                value=share,
                limit=OWN_SHARE,
            )


def clock_step(facts: Facts) -> Iterator[Reason]:
    step_ms = abs(facts.result.instrument.clock_step_ms)
    if step_ms >= STEP_MS and facts.result.run.clock.source != "user":
        yield Reason(
            code="clock_step",
            severity="doubtful",
            message=(
                f"The machine's clock was set by {step_ms:.3g} ms during the run: the kernel's"
                " stamps of the requests under way are off by as much."
            ),
            advice="Let the time service settle, and run again.",
            metric="ttft_ms",
            value=step_ms,
            limit=STEP_MS,
        )


def suspended(facts: Facts) -> Iterator[Reason]:
    health = facts.context.health
    if health is not None and health.suspended_s > 0.0:
        yield Reason(
            code="suspended",
            severity="doubtful",
            message=(
                f"This program stood still for {health.suspended_s:.3g} s: it sent nothing, and"
                " what arrived had to wait."
            ),
            advice="Keep the machine awake and the process running (no SIGSTOP), and run again.",
            metric="e2e_ms",
            value=health.suspended_s,
            limit=0.0,
        )


def cpu(facts: Facts) -> Iterator[Reason]:
    health = facts.context.health
    if health is None or not health.capture_s:
        return
    limit = RUN_DELAY_SHARE[facts.result.run.clock.source]
    share = (health.run_delay_s or 0.0) / health.capture_s
    if share > limit:
        yield Reason(
            code="cpu_starved",
            severity="doubtful",
            message=f"For {percent(share)} of the time this program waited for a CPU.",
            advice="Run it on a machine, or at least a CPU, that the server does not use.",
            metric="send_lag_ms",
            value=share,
            limit=limit,
        )
    busy = _cpu_share(facts)
    if busy > CPU_SHARE and health.capture_s >= CPU_SHORTEST_S:
        yield Reason(
            code="cpu_saturated",
            severity="doubtful",
            message=f"This program used {percent(busy)} of a CPU: it may be the bottleneck itself.",
            advice="Lower the load: requests are sent later than they could be.",
            metric="throughput.requests_per_second",
            value=busy,
            limit=CPU_SHARE,
        )


def loop_stalls(facts: Facts) -> Iterator[Reason]:
    health = facts.context.health
    if health is not None and health.loop_stalls:
        yield Reason(
            code="loop_stalls",
            severity="note",
            message=(
                f"The program's loop stood still {health.loop_stalls:,} times for more than 100 ms,"
                f" at most {health.loop_stall_ms_max:.0f} ms; arrivals in that time started late."
            ),
            advice="Look for other work on this machine; the merged events say what it cost.",
            metric="send_lag_ms",
            value=health.loop_stall_ms_max,
            limit=100.0,
        )


def certificate(facts: Facts) -> Iterator[Reason]:
    highest = (facts.context.certificate or {}).get("max_events_per_second")
    window_s = facts.load.window_s
    if not highest or not window_s:
        return
    rate = facts.result.instrument.events / window_s
    if rate > highest:
        yield Reason(
            code="above_certificate",
            severity="note",
            message=(
                f"{rate:,.0f} events a second came in, and this machine was only calibrated up to"
                f" {highest:,.0f}."
            ),
            advice="Run `latency-lens calibrate` with more streams.",
            metric="itl_ms",
            value=rate,
            limit=float(highest),
        )


def _cpu_share(facts: Facts) -> float:
    health = facts.context.health
    return health.cpu_s / health.capture_s if health is not None and health.capture_s else 0.0


def imported(facts: Facts) -> Iterator[Reason]:
    tool = measured_by(facts.context)
    if tool is not None:
        yield Reason(
            code="imported",
            severity="doubtful",
            message=(
                f"{tool} measured this: how late it was itself when it read its clock is not known."
            ),
            advice="Measure again with `latency-lens benchmark` where the figures matter.",
        )


IMPORTED: tuple[Rule, ...] = (imported,)
"""What can be said of another instrument."""
RULES: tuple[Rule, ...] = (
    tool_lag,
    merged,
    user_stamps,
    resolution,
    clock_step,
    suspended,
    cpu,
    loop_stalls,
    certificate,
)
