"""The JSON of a result, as types: other programs depend on these names and on this nesting.

A metric without a sample is absent; a fixed field whose value is unknown is null. Every field is
explained in the documentation's page on the result.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from . import schema
from .context import ClockSource, Mode, SinkOutcome

Schema = Literal["latency-lens.result/1"]
SCHEMA: Schema = "latency-lens.result/1"

Interval = tuple[float, float]
CiMethod = Literal[
    "none", "order-statistics", "autocorrelation", "clusters", "cluster-autocorrelation"
]
Code = Literal[
    "no_requests",
    "no_success",
    "killed",
    "stopped_early",
    "interrupted",
    "cancelled",
    "many_errors",
    "timeouts",
    "rate_not_reached",
    "unsent_arrivals",
    "slot_waits",
    "held_back",
    "drift",
    "few_samples",
    "correlated",
    "short_answers",
    "long_answers",
    "empty_answers",
    "pseudo_streaming",
    "tokens_unknown",
    "tokens_mixed",
    "tokens_implausible",
    "tool_lag",
    "merged_events",
    "user_stamps",
    "clock_resolution",
    "clock_step",
    "suspended",
    "cpu_starved",
    "cpu_saturated",
    "loop_stalls",
    "above_certificate",
    "imported",
]
"""Why a verdict is what it is; the table of codes is in the documentation."""
Severity = Literal["note", "doubtful", "invalid"]
Verdict = Literal["valid", "doubtful", "invalid"]

_OptionalInterval = Interval | UnsetType


class Intervals(Struct, kw_only=True, frozen=True):
    """95 % confidence intervals; one that the sample cannot give is absent."""

    mean: _OptionalInterval = UNSET
    p50: _OptionalInterval = UNSET
    p90: _OptionalInterval = UNSET
    p95: _OptionalInterval = UNSET
    p99: _OptionalInterval = UNSET
    p999: _OptionalInterval = UNSET


class Summary(Struct, kw_only=True, frozen=True):
    """One metric over all its samples. `requests` is how many requests the samples came from."""

    count: int
    requests: int
    mean: float
    stddev: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float
    ci95: Intervals
    ci_method: CiMethod


_OptionalSummary = Summary | UnsetType


class Metrics(Struct, kw_only=True, frozen=True):
    """Figures of requests that succeeded at their first attempt, after the warm-up."""

    ttft_ms: _OptionalSummary = UNSET
    itl_ms: _OptionalSummary = UNSET
    tpot_ms: _OptionalSummary = UNSET
    e2e_ms: _OptionalSummary = UNSET
    ttfb_ms: _OptionalSummary = UNSET
    answer_ms: _OptionalSummary = UNSET
    dns_ms: _OptionalSummary = UNSET
    connect_ms: _OptionalSummary = UNSET
    tls_ms: _OptionalSummary = UNSET
    rtt_ms: _OptionalSummary = UNSET
    cold_ttft_ms: _OptionalSummary = UNSET
    send_lag_ms: _OptionalSummary = UNSET
    corrected_ttft_ms: _OptionalSummary = UNSET
    corrected_e2e_ms: _OptionalSummary = UNSET
    read_lag_us: _OptionalSummary = UNSET
    output_tokens_per_second: _OptionalSummary = UNSET
    characters_per_second: _OptionalSummary = UNSET
    tokens_per_event: _OptionalSummary = UNSET


class Where(Struct, kw_only=True, frozen=True):
    """Network against server time, of answers whose server says how long it took itself.

    `server_source` and `server_until` are "mixed" where servers accounted for their time in
    different ways.
    """

    requests: int
    server_source: str
    server_until: Literal["first_byte", "first_token", "end", "mixed"]
    server_ms: Summary
    network_ms: _OptionalSummary = UNSET


class Clock(Struct, kw_only=True, frozen=True):
    """Where the stamps came from."""

    source: ClockSource
    kernel_requests: int
    user_requests: int
    resolution_ns: int | None
    offset_uncertainty_ns: int | None


class Run(Struct, kw_only=True, frozen=True):
    """`duration_s` is the measured window: first start to last end of the measured requests.

    `sinks` are where the requests were streamed to while the run went on, if anywhere.
    """

    id: str
    name: str
    started_at: str
    duration_s: float
    tool_version: str
    mode: Mode
    seed: int
    interrupted: bool
    stopped_early: str | None
    host: dict[str, Any]
    clock: Clock
    sinks: list[SinkOutcome] | UnsetType = UNSET
    measured_by: str | UnsetType = UNSET
    """The program that measured, with its version, where it was another one."""


class ErrorExample(Struct, kw_only=True, frozen=True):
    """One cause of failures, and how often it was met."""

    count: int
    kind: str
    stage: str
    http_status: int | None
    provider_code: str | None
    message: str


class LimitSeen(Struct, kw_only=True, frozen=True):
    """One rate limit of the provider when the least of it was left, of all `answers` that told it.

    Null is what the headers leave out; `reset_s` is how long it took then to be whole again.
    """

    limit: int | None
    remaining: int | None
    reset_s: float | None
    answers: int


class HeldBack(Struct, kw_only=True, frozen=True):
    """Arrivals of an open loop that waited for a rate limit, and how long, all together."""

    count: int = 0
    total_s: float = 0.0


class Requests(Struct, kw_only=True, frozen=True):
    """First attempts of measured requests; `sent` is `ok + failed + cancelled`."""

    planned: int | None
    sent: int
    ok: int
    failed: int
    cancelled: int
    unsent: int
    warmup: int
    errors: dict[str, int]
    errors_by_stage: dict[str, int]
    error_examples: list[ErrorExample]
    rate_limits: dict[str, LimitSeen] = {}
    held_back: HeldBack = HeldBack()


class Retries(Struct, kw_only=True, frozen=True):
    """Attempts after the first, which are in no other figure.

    `stale_connections` counts first attempts that went out again on a new connection, since the
    server had closed the idle one that was to carry them; these are in all figures.
    """

    sent: int
    ok: int
    failed: int
    cancelled: int
    recovered: int
    stale_connections: int


class Throughput(Struct, kw_only=True, frozen=True):
    """Work per second of the measured window; the two rates are of an open loop only."""

    requests_per_second: float | None
    output_tokens_per_second: float | None
    total_tokens_per_second: float | None
    offered_rate: float | UnsetType = UNSET
    achieved_rate: float | UnsetType = UNSET


class Goodput(Struct, kw_only=True, frozen=True):
    """Requests that met every objective; one that failed missed them."""

    objectives: list[str]
    met: int
    share: float | None
    requests_per_second: float | None


class Tokens(Struct, kw_only=True, frozen=True):
    """Sums over the requests that succeeded; null is unknown, never zero."""

    input: int | None
    output: int | None
    reasoning: int | None
    cached_input: int | None
    source: Literal["usage", "tokenizer", "events", "mixed", "none"]


class Cost(Struct, kw_only=True, frozen=True):
    """What the run cost, in dollars; null is unknown, never zero.

    `total` is of every request that was sent, the others are of the requests that succeeded.
    `requests_priced` and `unpriced` count all that were sent, with and without a known cost.
    """

    currency: Literal["USD"] = "USD"
    per_request: Decimal | None = None
    per_1000_requests: Decimal | None = None
    per_million_output_tokens: Decimal | None = None
    total: Decimal | None = None
    source: str | None = None
    requests_priced: int = 0
    unpriced: int = 0
    note: str | None = None


class Stalls(Struct, kw_only=True, frozen=True):
    """Gaps above max(`threshold_ms`, `threshold_factor` x the median gap of the same request)."""

    count: int
    requests: int
    longest_ms: float
    share_of_time: float
    threshold_ms: float
    threshold_factor: float


class PseudoStreaming(Struct, kw_only=True, frozen=True):
    """Answers that were streamed in name only, among those that could be judged."""

    requests: int
    judged: int
    share: float


class Lateness(Struct, kw_only=True, frozen=True):
    """How late the program was, in the unit that the field's name ends in."""

    p50: float
    p99: float
    max: float


class Instrument(Struct, kw_only=True, frozen=True):
    """How the measuring program itself fared; what it could not observe is absent."""

    events: int
    late_events: int
    merged_events: int
    coalesced_events: int
    clock_source: ClockSource
    clock_step_ms: float
    read_lag_us: Lateness | UnsetType = UNSET
    tool_lag_ms: Lateness | UnsetType = UNSET
    capture_s: float | UnsetType = UNSET
    cpu_s: float | UnsetType = UNSET
    cpu_us_per_event: float | UnsetType = UNSET
    run_delay_s: float | UnsetType = UNSET
    loop_stall_ms_max: float | UnsetType = UNSET
    loop_stalls: int | UnsetType = UNSET
    suspended_s: float | UnsetType = UNSET
    reads: int | UnsetType = UNSET
    spool_bytes: int | UnsetType = UNSET
    gc_disabled: bool | UnsetType = UNSET
    progress_decode_ms: float | UnsetType = UNSET
    certificate: dict[str, Any] | UnsetType = UNSET


class Reason(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One thing that a reader of the figures should know, and what to do about it."""

    code: Code
    severity: Severity
    message: str
    advice: str
    metric: str | UnsetType = UNSET
    value: float | UnsetType = UNSET
    limit: float | UnsetType = UNSET


class Validity(Struct, kw_only=True, frozen=True):
    """The gravest severity among the reasons; a note leaves the verdict valid."""

    verdict: Verdict
    reasons: list[Reason]


class Result(Struct, kw_only=True, frozen=True):
    """One run, summed up."""

    schema: Schema
    run: Run
    config: dict[str, Any]
    requests: Requests
    retries: Retries
    metrics: Metrics
    where: Where | UnsetType = UNSET
    error_rate: float | None
    throughput: Throughput
    goodput: Goodput | UnsetType = UNSET
    tokens: Tokens
    cost: Cost = Cost()
    stalls: Stalls
    pseudo_streaming: PseudoStreaming
    instrument: Instrument
    validity: Validity


def encode(result: Result) -> bytes:
    """The result as one JSON document without line breaks."""
    return schema.encode(result)


def decode(text: bytes | str) -> Result:
    """Read a result back; raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(text, type=Result)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a result."""
    return schema.schema_of(Result)
