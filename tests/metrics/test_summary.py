"""The result of records: every definition, exactly."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_records import MS, answer, clean, context, failed, open_loop, summed
from msgspec import UNSET

from llm_latency_lens.metrics.columns import FIGURES
from llm_latency_lens.metrics.context import Health
from llm_latency_lens.metrics.result import Result, Summary, encode
from llm_latency_lens.record import EventKind, Record, Status, Usage
from llm_latency_lens.timeline import Connection, ErrorKind, Stage


def figure(result: Result, name: str) -> Summary:
    found = getattr(result.metrics, name)
    assert isinstance(found, Summary)
    return found


def test_a_summary_is_what_numpy_says_of_the_values() -> None:
    records = clean(40)
    ttft = figure(summed(records), "ttft_ms")
    values = [record.ttft_ns / 1e6 for record in records if record.ttft_ns is not None]
    assert ttft.count == ttft.requests == 40
    assert ttft.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert ttft.stddev == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert (ttft.min, ttft.max) == (min(values), max(values))
    for name, level in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)):
        assert getattr(ttft, name) == pytest.approx(np.quantile(values, level), rel=1e-12)


def test_gaps_are_pooled_and_never_averaged_by_request() -> None:
    records = [answer(0, gaps_ms=[10] * 98), answer(1, start_ms=9, gaps_ms=[10, 500])]
    itl = figure(summed(records), "itl_ms")
    assert (itl.count, itl.requests) == (100, 2)
    assert itl.mean == pytest.approx(14.9)
    assert itl.p99 == pytest.approx(14.9)
    assert itl.max == 500.0
    assert itl.ci_method == "none"


def test_each_figure_is_the_records_own() -> None:
    record = answer(
        ttft_ms=250,
        gaps_ms=[20, 40],
        tokens=5,
        planned_ns=-3 * MS,
        connection=Connection(False, 1 * MS, 2 * MS, 3 * MS, rtt_us=1_500),
        read_lag_ns_max=12_500,
    )
    result = summed([record], open_loop())
    names = {*FIGURES, "itl_ms"} - {"server_ms", "network_ms"}
    assert {name: figure(result, name).mean for name in names} == {
        "ttft_ms": 250.0,
        "tpot_ms": 15.0,
        "e2e_ms": 310.1,
        "ttfb_ms": 249.9,
        "answer_ms": 250.0,
        "dns_ms": 1.0,
        "connect_ms": 2.0,
        "tls_ms": 3.0,
        "rtt_ms": 1.5,
        "cold_ttft_ms": 256.0,
        "send_lag_ms": 3.0,
        "corrected_ttft_ms": 253.0,
        "corrected_e2e_ms": 313.1,
        "read_lag_us": 12.5,
        "output_tokens_per_second": pytest.approx(1000 / 15),
        "characters_per_second": pytest.approx(8000 / 60),
        "tokens_per_event": pytest.approx(5 / 3),
        "itl_ms": 30.0,
    }
    assert figure(result, "ttft_ms").stddev == 0.0


def test_a_metric_without_a_sample_is_absent() -> None:
    record = answer(
        gaps_ms=[], usage=Usage(), tokens_source="events", clock_source="user", planned_ns=5
    )
    written = json.loads(encode(summed([record])))
    assert set(written["metrics"]) == {"ttft_ms", "e2e_ms", "ttfb_ms", "answer_ms"}
    assert written["tokens"] == {
        "input": None,
        "output": None,
        "reasoning": None,
        "cached_input": None,
        "source": "events",
    }
    assert written["throughput"]["output_tokens_per_second"] is None
    assert "offered_rate" not in written["throughput"]


def test_reasoning_comes_before_the_answer() -> None:
    record = answer(ttft_ms=100, gaps_ms=[50, 50])
    record.events.kind[0] = EventKind.REASONING
    result = summed([record])
    assert figure(result, "ttft_ms").mean == 100.0
    assert figure(result, "answer_ms").mean == 150.0


def test_only_first_attempts_that_succeeded_are_in_figures() -> None:
    records = [
        answer(0, ttft_ms=100, connection=Connection(resent=True)),
        failed(1, ErrorKind.TIMEOUT, Stage.WAIT),
        failed(2, ErrorKind.NETWORK, Stage.CONNECT, start_ms=None),
        failed(3, ErrorKind.CANCELLED, Stage.STREAM, status=Status.CANCELLED),
        answer(4, ttft_ms=9000, warmup=True),
        answer(1, ttft_ms=8000, attempt=1),
        failed(2, attempt=1),
        failed(2, attempt=2, status=Status.CANCELLED),
    ]
    result = summed(records, context(planned=4))
    requests = result.requests
    assert (requests.planned, requests.sent, requests.ok) == (4, 4, 1)
    assert (requests.failed, requests.cancelled, requests.warmup) == (2, 1, 1)
    assert requests.errors == {"network": 1, "timeout": 1}
    assert requests.errors_by_stage == {"connect": 1, "wait": 1}
    assert result.error_rate == pytest.approx(2 / 3)
    assert figure(result, "ttft_ms").max == 100.0
    assert figure(result, "itl_ms").requests == 1
    retries = result.retries
    assert (retries.sent, retries.ok, retries.failed, retries.cancelled) == (3, 1, 1, 1)
    assert retries.recovered == 1
    assert retries.stale_connections == 1


def test_gaps_of_a_broken_answer_are_in_no_figure() -> None:
    broken = answer(1, gaps_ms=[5000], status=Status.FAILED)
    result = summed([answer(0), broken])
    assert figure(result, "itl_ms").max == 20.0
    assert result.stalls.count == 0


def test_throughput_is_over_the_measured_window() -> None:
    records = [
        answer(0, start_ms=1000, ttft_ms=500, gaps_ms=[500], tokens=20),
        answer(1, start_ms=2000, ttft_ms=500, gaps_ms=[499.9], tokens=30),
        failed(2, start_ms=4000),
        answer(3, start_ms=0, warmup=True),
        answer(4, start_ms=90_000, attempt=1),
    ]
    result = summed(records)
    assert result.run.duration_s == 4.0
    assert result.throughput.requests_per_second == 0.5
    assert result.throughput.output_tokens_per_second == 12.5
    assert result.throughput.total_tokens_per_second == 17.5
    assert result.tokens.output == 50


def test_an_open_loop_has_its_rates_side_by_side() -> None:
    records = clean(41, open_loop=True)
    result = summed(records, open_loop(planned=41))
    assert result.throughput.offered_rate == 20.0
    assert result.throughput.achieved_rate == pytest.approx(20.0)
    assert result.instrument.tool_lag_ms is not UNSET
    assert 0.02 <= result.instrument.tool_lag_ms.p50 <= 0.3


def test_a_closed_loop_has_no_plan_to_correct_by() -> None:
    metrics = summed(clean(10, open_loop=True)).metrics
    assert metrics.corrected_ttft_ms is UNSET
    assert metrics.corrected_e2e_ms is UNSET
    assert metrics.send_lag_ms is UNSET


def test_waiting_for_a_slot_and_opening_a_connection_are_not_the_tools_own_lag() -> None:
    first = answer(0, start_ms=10, ttft_ms=1000, planned_ns=0)
    first.connection = Connection(False, 1 * MS, 2 * MS, 3 * MS)
    waiting = answer(1, start_ms=1100, planned_ns=50 * MS)
    result = summed([first, waiting], open_loop(concurrency=1))
    assert result.instrument.tool_lag_ms is not UNSET
    assert result.instrument.tool_lag_ms.max == 4.0
    free = summed([first, waiting], open_loop(concurrency=None))
    assert free.instrument.tool_lag_ms is not UNSET
    assert free.instrument.tool_lag_ms.max == 1050.0


def test_where_the_stamps_came_from() -> None:
    kernel, user = answer(0), answer(1, clock_source="user")
    refused = failed(2, clock_source="user")
    assert summed([kernel, refused]).run.clock.source == "kernel"
    mixed = summed([kernel, user])
    assert mixed.run.clock.source == mixed.instrument.clock_source == "mixed"
    assert (mixed.run.clock.kernel_requests, mixed.run.clock.user_requests) == (1, 1)
    assert figure(mixed, "read_lag_us").count == 1
    assert summed([user]).metrics.read_lag_us is UNSET
    assert summed([refused]).run.clock.source == "kernel"
    assert summed([refused], context(health=None)).run.clock.source == "user"


def test_the_instruments_own_health() -> None:
    health = Health(
        capture_s=2.0,
        cpu_s=0.5,
        run_delay_s=0.01,
        loop_stall_ms_max=7.0,
        reads=9,
        spool_bytes=1234,
        gc_disabled=True,
        clock_step_ms=0.5,
    )
    records = [
        answer(0, gaps_ms=[1] * 9, late_events=3, merged_events=2, coalesced_events=1),
        answer(1, gaps_ms=[1] * 9, warmup=True),
        answer(2, gaps_ms=[1] * 9, clock_step_ns=-2 * MS),
    ]
    certificate = {"max_events_per_second": 1e6}
    seen = summed(records, context(health=health, certificate=certificate)).instrument
    assert (seen.events, seen.late_events, seen.merged_events) == (20, 3, 2)
    assert seen.coalesced_events == 1
    assert seen.cpu_us_per_event == pytest.approx(0.5e6 / 30)
    assert seen.clock_step_ms == -2.0
    assert (seen.capture_s, seen.run_delay_s, seen.reads, seen.spool_bytes) == (2.0, 0.01, 9, 1234)
    assert seen.certificate == certificate
    assert seen.read_lag_us is not UNSET
    assert seen.read_lag_us.max == 20.0


def test_what_a_killed_run_did_not_say_is_absent() -> None:
    written = json.loads(encode(summed([answer()], context(health=None))))
    assert set(written["instrument"]) == {
        "events",
        "late_events",
        "merged_events",
        "coalesced_events",
        "clock_source",
        "clock_step_ms",
        "read_lag_us",
    }
    unknown_delay = Health(capture_s=1.0)
    assert summed([], context(health=unknown_delay)).instrument.run_delay_s is UNSET


def test_causes_of_errors_are_counted_in_the_providers_words() -> None:
    records = [failed(i, message="too\nmany   requests") for i in range(3)]
    records.append(failed(9, ErrorKind.CONTENT_FILTER, message="refused: 'my secret prompt'"))
    records += [failed(10 + i, ErrorKind.AUTH, message=f"key {i}") for i in range(8)]
    examples = summed(records).requests.error_examples
    assert len(examples) == 5
    assert (examples[0].count, examples[0].message) == (3, "too many requests")
    assert (examples[0].kind, examples[0].stage, examples[0].http_status) == ("server", "wait", 500)
    assert b"secret" not in encode(summed(records))


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["usage"], "usage"),
        (["tokenizer", "tokenizer"], "tokenizer"),
        (["usage", "events"], "mixed"),
        ([], "none"),
    ],
)
def test_where_token_counts_come_from(sources: list[str], expected: str) -> None:
    records = [answer(i, tokens_source=source) for i, source in enumerate(sources)]
    assert summed(records).tokens.source == expected


def test_a_run_without_records_has_a_result() -> None:
    result = summed([])
    assert result.run.duration_s == 0.0
    assert result.run.started_at == "2023-11-14T22:13:20.000Z"
    assert result.error_rate is None
    assert result.throughput.requests_per_second is None
    assert json.loads(encode(result))["metrics"] == {}


def spoiled(random: Random, n: int) -> list[Record]:
    records: list[Record] = []
    for record in clean(n, events=random.choice([1, 2, 8]), seed=random.randrange(99)):
        kind = random.choice(list(ErrorKind))
        records.append(
            record if random.random() < 0.7 else failed(record.index, kind, start_ms=record.index)
        )
    return records


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 60))
def test_the_order_in_which_records_come_changes_no_digit(random: Random, n: int) -> None:
    records = spoiled(random, n)
    straight = encode(summed(records))
    random.shuffle(records)
    assert encode(summed(records)) == straight


def test_more_records_may_be_added_after_a_result() -> None:
    from llm_latency_lens.metrics.summary import Summarizer

    summarizer = Summarizer()
    summarizer.add(answer(0))
    first = summarizer.result(context())
    summarizer.add(answer(1))
    assert (first.requests.ok, summarizer.result(context()).requests.ok) == (1, 2)
