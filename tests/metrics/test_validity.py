"""The verdict: a clean run is valid, and each thing that can be wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from metrics_records import MS, answer, clean, context, failed, open_loop, reasons, summed

from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.metrics.result import Result
from llm_latency_lens.record import Events, Record, Status, Usage
from llm_latency_lens.timeline import ErrorKind, Stage


def test_an_ordinary_run_is_valid() -> None:
    result = summed(clean(400))
    assert result.validity.verdict == "valid"
    assert result.validity.reasons == []
    result = summed(clean(400, open_loop=True), open_loop())
    assert result.validity.verdict == "valid"
    assert result.validity.reasons == []


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_run_of_100_requests_is_valid_whatever_the_draw(seed: int) -> None:
    result = summed(clean(100, events=8, seed=seed))
    assert result.validity.verdict == "valid"
    few = reasons(result)["few_samples"]
    assert (few.severity, few.metric, few.value, few.limit) == ("note", "ttft_ms.p99", 100, 299)


def test_a_clean_run_of_8_requests_is_valid_and_says_what_it_cannot_know() -> None:
    result = summed(clean(8))
    assert result.validity.verdict == "valid"
    few = reasons(result)["few_samples"]
    assert (few.severity, few.metric, few.limit) == ("note", "ttft_ms.p95", 59)


def test_three_requests_do_not_even_have_a_median() -> None:
    few = reasons(summed(clean(3)))["few_samples"]
    assert (few.severity, few.metric, few.limit) == ("doubtful", "ttft_ms.p50", 6)


def test_one_request_is_a_profile_and_is_valid() -> None:
    result = summed(clean(1))
    assert result.validity.verdict == "valid"
    assert reasons(result)["few_samples"].severity == "note"


def spoil(n: int, change: Callable[[Record], None], records: int = 400) -> list[Record]:
    made = clean(records)
    for record in made[:n]:
        change(record)
    return made


def health(**fields: Any) -> Context:
    known = {"capture_s": 30.0, "cpu_s": 2.0, "run_delay_s": 0.1, "clock_source": "kernel"}
    return context(health=Health(**{**known, **fields}))


def timed_out(n: int) -> list[Record]:
    return clean(400) + [failed(900 + i, ErrorKind.TIMEOUT, Stage.WAIT) for i in range(n)]


def set_(**fields: Any) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        for name, value in fields.items():
            setattr(record, name, value)

    return change


def arriving(lag_ms: float, rate: float = 20.0, n: int = 400, ttft_ms: float = 200) -> list[Record]:
    """An open loop in which each request starts `lag_ms` late."""
    random = Random(1)
    return [
        answer(
            i,
            start_ms=1000 * i / rate,
            ttft_ms=ttft_ms * random.lognormvariate(0, 0.2),
            planned_ns=round((1000 * i / rate - lag_ms) * MS),
        )
        for i in range(n)
    ]


def falling_behind(n: int, slots: int) -> list[Record]:
    """20 arrivals a second, each with a slot for 0.2 s: `slots` decides what is reached."""
    ends = [0.0] * slots
    records = []
    for i in range(n):
        begin = max(50.0 * i, min(ends))
        ends[ends.index(min(ends))] = begin + 200.0
        records.append(
            answer(i, start_ms=begin, ttft_ms=199.8, gaps_ms=[0.1], planned_ns=50 * i * MS)
        )
    return records


def drifting(factor: float) -> list[Record]:
    random = Random(2)
    return [
        answer(
            i,
            start_ms=50 * i,
            ttft_ms=200 * (1 + (factor - 1) * i / 200) * random.lognormvariate(0, 0.05),
        )
        for i in range(200)
    ]


def lumps(share: float) -> list[Record]:
    return [
        answer(i, start_ms=50 * i, ttft_ms=900 + i % 7, gaps_ms=[0.0] * 40)
        if i < 400 * share
        else answer(i, start_ms=50 * i, gaps_ms=[20.0] * 40)
        for i in range(400)
    ]


CASES: list[tuple[str, str, list[Record], Context]] = [
    ("no_requests", "invalid", [], context()),
    ("no_success", "invalid", [failed(i) for i in range(5)], context()),
    ("killed", "doubtful", clean(400), context(health=None)),
    ("stopped_early", "doubtful", clean(400), context(stopped_early="the disk is full")),
    ("interrupted", "note", clean(400), context(interrupted=True)),
    ("cancelled", "note", spoil(4, set_(status=Status.CANCELLED)), context()),
    ("cancelled", "doubtful", spoil(40, set_(status=Status.CANCELLED)), context()),
    ("many_errors", "doubtful", clean(400) + [failed(i) for i in range(60)], context()),
    ("timeouts", "doubtful", timed_out(3), context()),
    ("timeouts", "note", timed_out(1) + clean(1000, events=2), context()),
    ("rate_not_reached", "doubtful", falling_behind(400, 3), open_loop(concurrency=3)),
    ("slot_waits", "note", falling_behind(400, 3), open_loop(concurrency=3)),
    ("unsent_arrivals", "doubtful", arriving(0.1), open_loop(unsent=20)),
    ("unsent_arrivals", "note", arriving(0.1), open_loop(unsent=2)),
    ("unsent_arrivals", "note", arriving(0.1), open_loop(unsent=20, interrupted=True)),
    ("held_back", "note", arriving(0.1), open_loop(held_back=20, held_back_s=9.0)),
    ("drift", "note", drifting(3.0), context()),
    ("drift", "note", drifting(0.2), context()),
    ("drift", "doubtful", drifting(3.0), open_loop()),
    ("correlated", "note", drifting(1.2), context()),
    ("short_answers", "note", spoil(100, set_(max_tokens=99, finish_reason="stop")), context()),
    ("long_answers", "doubtful", spoil(9, set_(max_tokens=9)), context()),
    ("empty_answers", "note", [*clean(400), answer(999, events=Events())], context()),
    ("pseudo_streaming", "doubtful", lumps(0.2), context()),
    ("pseudo_streaming", "note", lumps(0.05), context()),
    ("tokens_unknown", "note", spoil(400, set_(usage=Usage())), context()),
    ("tokens_unknown", "doubtful", spoil(40, set_(usage=Usage())), context()),
    ("tokens_mixed", "doubtful", spoil(40, set_(tokens_source="tokenizer")), context()),
    ("tokens_implausible", "doubtful", spoil(400, set_(usage=Usage(9, 9))), context()),
    ("tool_lag", "doubtful", arriving(5.0), open_loop()),
    ("tool_lag", "invalid", arriving(50.0), open_loop()),
    ("tool_lag", "note", arriving(0.5, ttft_ms=10), open_loop()),
    ("merged_events", "doubtful", spoil(400, set_(merged_events=1)), context()),
    ("merged_events", "invalid", spoil(400, set_(merged_events=8)), context()),
    ("user_stamps", "note", spoil(400, set_(clock_source="user")), context()),
    ("user_stamps", "doubtful", spoil(9, set_(clock_source="user")), health(cpu_s=20.0)),
    ("user_stamps", "doubtful", spoil(9, set_(clock_source="user")), health(loop_stalls=1)),
    ("clock_resolution", "doubtful", clean(400), context(clock={"resolution_ns": MS})),
    ("clock_resolution", "invalid", clean(400), context(clock={"resolution_ns": 16 * MS})),
    ("clock_resolution", "doubtful", clean(400), context(clock={"offset_uncertainty_ns": 9 * MS})),
    ("clock_step", "doubtful", spoil(1, set_(clock_step_ns=-2 * MS)), context()),
    ("clock_step", "doubtful", clean(400), health(clock_step_ms=30.0)),
    ("suspended", "doubtful", clean(400), health(suspended_s=3.0)),
    ("cpu_starved", "doubtful", clean(400), health(run_delay_s=4.0)),
    ("cpu_starved", "doubtful", spoil(9, set_(clock_source="user")), health(run_delay_s=1.0)),
    ("cpu_saturated", "doubtful", clean(400), health(cpu_s=28.0)),
    ("loop_stalls", "note", clean(400), health(loop_stalls=2, loop_stall_ms_max=180.0)),
    ("above_certificate", "note", clean(400), context(certificate={"max_events_per_second": 99.0})),
]


@pytest.mark.parametrize(
    ("code", "severity", "records", "given"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_what_is_wrong_is_named(
    code: str, severity: str, records: list[Record], given: Context
) -> None:
    result = summed(records, given)
    found = reasons(result)
    assert code in found
    assert found[code].severity == severity
    assert found[code].message.endswith(".")
    assert found[code].advice
    assert result.validity.verdict == gravest(result)


def gravest(result: Result) -> str:
    severities = [reason.severity for reason in result.validity.reasons]
    return next((s for s in ("invalid", "doubtful") if s in severities), "valid")


WARM = answer(500, warmup=True)

QUIET: list[tuple[str, list[Record], Context]] = [
    ("rate_not_reached", falling_behind(400, 8), open_loop(concurrency=8)),
    ("slot_waits", falling_behind(400, 8), open_loop(concurrency=8)),
    ("many_errors", clean(400) + [failed(i) for i in range(30)], context()),
    ("clock_step", spoil(400, set_(clock_source="user", clock_step_ns=9 * MS)), context()),
    ("clock_step", clean(400), health(clock_step_ms=0.4)),
    ("cpu_starved", clean(400), health(run_delay_s=2.0)),
    ("cpu_starved", clean(400), health(run_delay_s=None)),
    ("cpu_saturated", clean(400), health(capture_s=0.5, cpu_s=0.5)),
    ("tool_lag", arriving(1.0), open_loop()),
    ("merged_events", spoil(100, set_(merged_events=1)), context()),
    ("short_answers", spoil(20, set_(max_tokens=99, finish_reason="stop")), context()),
    ("long_answers", spoil(400, set_(max_tokens=31)), context()),
    ("drift", drifting(1.1), context()),
    ("above_certificate", clean(400), context(certificate={"max_events_per_second": 9e9})),
    ("timeouts", clean(400), context()),
    ("user_stamps", [failed()], context(health=None)),
    ("unsent_arrivals", clean(400), context(unsent=3)),
]


@pytest.mark.parametrize(("code", "records", "given"), QUIET)
def test_what_is_in_order_is_not_complained_of(
    code: str, records: list[Record], given: Context
) -> None:
    assert code not in reasons(summed(records, given))


def test_the_gravest_reasons_come_first() -> None:
    result = summed(spoil(400, set_(merged_events=8)), health(loop_stalls=1, suspended_s=2.0))
    severities = [reason.severity for reason in result.validity.reasons]
    assert severities == ["invalid", "doubtful", "note"]
    assert result.validity.verdict == "invalid"


def test_timeouts_name_the_quantiles_that_they_touch() -> None:
    few = reasons(summed(timed_out(1)))["timeouts"]
    assert few.metric == "e2e_ms.p99"
    assert "p99, p999, max are too low" in few.message
    many = reasons(summed(timed_out(50)))["timeouts"]
    assert many.metric == "e2e_ms.p50"
    assert many.severity == "doubtful"


def test_the_tools_share_is_what_its_lateness_adds_to_a_quantile() -> None:
    lag = reasons(summed(arriving(10.0, ttft_ms=70), open_loop()))["tool_lag"]
    assert lag.severity == "invalid"
    assert lag.value == pytest.approx(0.12, abs=0.03)
    # Lateness that hits only requests which were answered at once does not move the p99.
    records = arriving(0.0)
    for record in sorted(records, key=lambda record: record.ttft_ns or 0)[:20]:
        assert record.planned_ns is not None
        record.planned_ns -= 3 * MS
    assert "tool_lag" not in reasons(summed(records, open_loop()))


def test_answers_without_tokens_still_have_a_verdict() -> None:
    silent = [answer(i, start_ms=50 * i, ttft_ms=i % 9, gaps_ms=[]) for i in range(400)]
    for record in silent:
        record.events = Events()
    found = reasons(summed(silent, open_loop()))
    assert found["empty_answers"].severity == "doubtful"
    assert "few_samples" not in found


def held_until(end_ms: float, n: int = 400) -> list[Record]:
    """20 arrivals a second, of which those of the first part wait until a hold ends."""
    return [
        answer(
            i,
            start_ms=max(50.0 * i, end_ms if 50 * i >= 1000 else 0.0) + 0.01,
            planned_ns=50 * i * MS,
        )
        for i in range(n)
    ]


def test_waiting_for_a_rate_limit_is_not_the_programs_own_lateness() -> None:
    records = held_until(3000.0)
    holds = [(1000 * MS, 3000 * MS)]
    told = reasons(summed(records, open_loop(holds_ns=holds, held_back=40, held_back_s=40.0)))
    assert set(told) == {"held_back"}
    assert told["held_back"].message.startswith("40 of 400 arrivals were held back by the rate")
    assert "1 s each" in told["held_back"].message
    assert "tool_lag" in reasons(summed(records, open_loop()))


def test_a_hold_is_no_wait_for_a_slot() -> None:
    holds = [(1000 * MS, 3000 * MS)]
    context = open_loop(concurrency=50, holds_ns=holds, held_back=40, held_back_s=40.0)
    assert set(reasons(summed(held_until(3000.0), context))) == {"held_back"}


def test_a_rate_that_the_limit_does_not_allow_is_told_as_such() -> None:
    records = falling_behind(400, 3)
    told = reasons(summed(records, open_loop(concurrency=3, held_back=1, held_back_s=1.0)))
    assert told["rate_not_reached"].advice.startswith("The rate limit allows no more")
