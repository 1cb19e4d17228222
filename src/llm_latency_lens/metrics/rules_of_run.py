"""Rules on how the run went: what became of its requests, and whether the load was the one asked
for.
"""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts, Rule, percent, some
from .result import Reason

CANCELLED_SHARE = 0.05
ERROR_SHARE = 0.10
TIMEOUT_PART = 0.1
"""Timeouts shift a quantile noticeably when they are more than this part of its upper tail."""
RATE_SHARE = 0.95
RATE_FEWEST = 20
UNSENT_SHARE = 0.01
SLOT_SHARE = 0.01
DRIFT = 1.25


def nothing_measured(facts: Facts) -> Iterator[Reason]:
    requests = facts.result.requests
    if not requests.sent:
        yield Reason(
            code="no_requests",
            severity="invalid",
            message="No measured request was sent.",
            advice="Run longer, or with more requests than the warm-up has.",
        )
    elif not requests.ok:
        yield Reason(
            code="no_success",
            severity="invalid",
            message=f"None of {requests.sent:,} requests succeeded: there is no figure.",
            advice="See the errors: `requests.error_examples` has the provider's own words.",
        )


def ended_early(facts: Facts) -> Iterator[Reason]:
    if facts.context.health is None and facts.context.source is None:
        yield Reason(
            code="killed",
            severity="doubtful",
            message="The run was killed: its last requests and the instrument's health are lost.",
            advice="Run again; end a run by Ctrl-C, which reports what was measured.",
        )
    if facts.result.run.stopped_early is not None:
        yield Reason(
            code="stopped_early",
            severity="doubtful",
            message=f"The run ended before its plan: {facts.result.run.stopped_early.rstrip('.')}.",
            advice="Remove the cause and run again.",
        )
    if facts.result.run.interrupted:
        yield Reason(
            code="interrupted",
            severity="note",
            message="The run was interrupted: the figures are of the part that was measured.",
            advice="Run to the end where results are compared.",
        )


def cancelled(facts: Facts) -> Iterator[Reason]:
    requests = facts.result.requests
    if not requests.cancelled:
        return
    share = requests.cancelled / requests.sent
    yield Reason(
        code="cancelled",
        severity="doubtful" if share > CANCELLED_SHARE else "note",
        message=(
            f"{some(requests.cancelled, requests.sent, 'requests')} were cancelled and are in no"
            " figure; the longest answers are the likeliest to be cut off."
        ),
        advice="Let the running requests finish: raise --grace.",
        metric="e2e_ms",
        value=share,
        limit=CANCELLED_SHARE,
    )


def errors(facts: Facts) -> Iterator[Reason]:
    rate = facts.result.error_rate or 0.0
    if facts.result.requests.ok and rate > ERROR_SHARE:
        yield Reason(
            code="many_errors",
            severity="doubtful",
            message=f"{percent(rate)} of the requests failed: the figures are of the survivors.",
            advice="Lower the load, or remove the cause of the errors, and run again.",
            metric="error_rate",
            value=rate,
            limit=ERROR_SHARE,
        )


def timeouts(facts: Facts) -> Iterator[Reason]:
    """An answer that timed out was slower than most, and is in no latency figure."""
    slow, ok = facts.result.requests.errors.get("timeout", 0), facts.result.requests.ok
    if not slow or not ok:
        return
    share = slow / (slow + ok)
    levels = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
    touched = [name for name, p in levels.items() if share > TIMEOUT_PART * (1.0 - p)]
    yield Reason(
        code="timeouts",
        severity="doubtful" if "p99" in touched else "note",
        message=(
            f"{some(slow, slow + ok, 'requests')} timed out and are in no latency figure:"
            f" {', '.join([*touched, 'max'])} are too low."
        ),
        advice="Raise the timeout so that slow answers are measured, or read lower bounds.",
        metric=f"e2e_ms.{touched[0] if touched else 'max'}",
        value=share,
        limit=TIMEOUT_PART * 0.01,
    )


def rate(facts: Facts) -> Iterator[Reason]:
    load = facts.load
    achieved, planned = load.achieved_rate, load.planned_rate
    if not achieved or not planned or load.arrivals < RATE_FEWEST:
        return
    share = achieved / planned
    if share < RATE_SHARE:
        yield Reason(
            code="rate_not_reached",
            severity="doubtful",
            message=(
                f"{achieved:.4g} requests a second were started where {planned:.4g} were planned:"
                " this load was never on the server."
            ),
            advice=(
                "The rate limit allows no more: lower --rate to what it allows."
                if facts.result.requests.held_back.count
                else "Raise --max-concurrency if requests waited for a slot; otherwise the server"
                " is beyond its capacity: read the corrected figures, or lower --rate."
            ),
            metric="throughput.achieved_rate",
            value=share,
            limit=RATE_SHARE,
        )


def unsent(facts: Facts) -> Iterator[Reason]:
    requests = facts.result.requests
    if not requests.unsent or facts.result.run.mode != "open":
        return
    share = requests.unsent / (requests.unsent + requests.sent)
    grave = share > UNSENT_SHARE and not facts.result.run.interrupted
    yield Reason(
        code="unsent_arrivals",
        severity="doubtful" if grave else "note",
        message=(
            f"{some(requests.unsent, requests.unsent + requests.sent, 'arrivals')} were due but"
            " never sent: their waiting is in no figure, and they would have been the slowest."
        ),
        advice="Lower --rate or raise --max-concurrency, so that every arrival gets its turn.",
        metric="corrected_ttft_ms",
        value=share,
        limit=UNSENT_SHARE,
    )


def slot_waits(facts: Facts) -> Iterator[Reason]:
    load = facts.load
    share = load.slot_waits / load.arrivals if load.arrivals else 0.0
    if share > SLOT_SHARE:
        yield Reason(
            code="slot_waits",
            severity="note",
            message=(
                f"{some(load.slot_waits, load.arrivals, 'arrivals')} waited for one of"
                f" {facts.context.concurrency} slots: ttft_ms leaves that waiting out."
            ),
            advice="Read corrected_ttft_ms and corrected_e2e_ms, or raise --max-concurrency.",
            metric="ttft_ms",
            value=share,
            limit=SLOT_SHARE,
        )


def held_back(facts: Facts) -> Iterator[Reason]:
    requests = facts.result.requests
    held = requests.held_back
    if not held.count:
        return
    share = held.count / max(1, requests.sent)
    yield Reason(
        code="held_back",
        severity="note",
        message=(
            f"{some(held.count, max(held.count, requests.sent), 'arrivals')} were held back by the"
            f" rate limit, {held.total_s / held.count:.2g} s each: the rate was not the one asked"
            " for."
        ),
        advice="Lower --rate to what the limit allows; the corrected figures hold the waiting.",
        metric="corrected_ttft_ms",
        value=share,
        limit=0.0,
    )


def drift(facts: Facts) -> Iterator[Reason]:
    trend = facts.trend
    if 1.0 / DRIFT < trend < DRIFT:
        return
    rises = trend > 1.0
    yield Reason(
        code="drift",
        severity="doubtful" if facts.result.run.mode == "open" else "note",
        message=(
            f"Latency {'rose' if rises else 'fell'} throughout the run: the second half's median is"
            f" {trend:.2g} times the first half's, so the figures depend on how long the run was."
        ),
        advice=(
            "A queue that grows never settles: lower the load."
            if rises
            else "The server was still warming up: raise --warmup."
        ),
        metric="ttft_ms",
        value=trend,
        limit=DRIFT,
    )


RULES: tuple[Rule, ...] = (
    nothing_measured,
    ended_early,
    cancelled,
    errors,
    timeouts,
    rate,
    unsent,
    slot_waits,
    held_back,
    drift,
)
