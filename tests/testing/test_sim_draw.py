"""Drawn records: the plans, the queue and the faults, without network or clock."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.record import Record, Status
from llm_latency_lens.testing.model import SimConfig, draw, plan

MS = 1_000_000
SECOND = 1_000_000_000


def drawn(
    n: int = 1, *, concurrency: int = 1, max_tokens: int | None = None, **options: str
) -> list[Record]:
    config = SimConfig.from_options(**options)
    return list(draw(config, n, concurrency=concurrency, max_tokens=max_tokens))


def test_one_record_is_its_plan() -> None:
    config = SimConfig.from_options(ttft="lognormal:200ms,0.3", gap="gamma:20ms,0.5", tokens="10")
    (record,) = draw(config, 1, concurrency=1, prompt_tokens=7)
    answer = plan(config, 0, prompt_tokens=7)
    assert list(record.events.at_ns) == answer.offsets_ns
    assert record.status is Status.OK
    assert (record.ttft_ns, record.e2e_ns) == (answer.first_ns, answer.end_ns)
    assert record.ttfb_ns == record.ttft_ns
    assert (record.usage.input, record.usage.output, record.usage.reasoning) == (7, 10, 0)
    assert record.tokens_source == "usage"
    assert record.finish_reason == "stop"
    assert list(record.events.read) == list(range(10))
    assert list(record.events.chars) == [len(text) for text in record.events.text]
    assert record.planned_ns is None
    assert record.start_unix_ns == 1_700_000_000 * SECOND


def test_a_closed_loop_asks_again_when_answered() -> None:
    records = drawn(6, concurrency=2, ttft="100ms", gap="10ms", tokens="2")
    assert [record.start_ns for record in records] == [
        start * MS for start in (0, 0, 110, 110, 220, 220)
    ]
    assert [record.index for record in records] == list(range(6))


def test_an_open_loop_plans_its_arrivals() -> None:
    config = SimConfig.from_options(tokens="1")
    constant = list(draw(config, 4, rate=10, arrival="constant"))
    assert [record.planned_ns for record in constant] == [0, 100 * MS, 200 * MS, 300 * MS]
    assert all(record.send_lag_ns == 0 for record in constant)
    poisson = [record.planned_ns or 0 for record in draw(config, 5000, rate=10)]
    gaps = [b - a for a, b in pairwise(poisson)]
    assert statistics.fmean(gaps) == pytest.approx(100 * MS, rel=0.05)
    assert statistics.pstdev(gaps) == pytest.approx(100 * MS, rel=0.05)


def test_slots_make_requests_wait_first_come_first_served() -> None:
    records = drawn(4, concurrency=4, slots="1", ttft="100ms", gap="0", tokens="1")
    assert [record.ttft_ns for record in records] == [100 * MS, 200 * MS, 300 * MS, 400 * MS]


def test_saturation_is_real() -> None:
    """Two slots of 100 ms serve 20 a second: at 30 a second the wait grows without end."""
    config = SimConfig.from_options(slots="2", ttft="100ms", tokens="1")
    waits = [record.ttft_ns or 0 for record in draw(config, 600, rate=30, arrival="constant")]
    assert waits[0] == 100 * MS
    assert waits[-1] == pytest.approx(600 * (SECOND / 20 - SECOND / 30), rel=0.02)
    calm = [record.ttft_ns for record in draw(config, 600, rate=15, arrival="constant")]
    assert set(calm) == {100 * MS}


def test_others_under_way_slow_an_answer_down() -> None:
    first, second, third = drawn(3, concurrency=3, slowdown="50%", ttft="100ms", tokens="2")
    gaps = [record.events.gaps_ns() for record in (first, second, third)]
    assert gaps == [[20 * MS], [30 * MS], [40 * MS]]


def test_an_early_role_is_the_first_byte() -> None:
    (record,) = drawn(role="early", tokens="2")
    assert (record.ttfb_ns, record.ttft_ns) == (0, 200 * MS)


def test_a_burst_is_coalesced() -> None:
    (record,) = drawn(burst="all", tokens="5")
    assert record.coalesced_events == 4
    assert record.events.gaps_ns() == [0, 0, 0, 0]


def test_hidden_reasoning_is_no_streamed_token() -> None:
    (record,) = drawn(reasoning="10", tokens="5", reasoning_hidden="yes")
    assert (record.usage.output, record.usage.reasoning, record.streamed_tokens) == (15, 10, 5)
    assert record.tpot_ns == 20 * MS
    (shown,) = drawn(reasoning="10", tokens="5")
    assert (shown.streamed_tokens, shown.ttft_ns, shown.answer_ns) == (15, 200 * MS, 400 * MS)


@pytest.mark.parametrize(
    ("fault", "kind", "stage", "events", "end_ms"),
    [
        ("429", "rate_limit", "wait", 0, 0),
        ("401", "auth", "wait", 0, 0),
        ("404", "bad_request", "wait", 0, 0),
        ("500", "server", "wait", 0, 0),
        ("529", "overloaded", "wait", 0, 0),
        ("reset", "network", "wait", 0, 200),
        ("reset@3", "network", "stream", 3, 260),
        ("cut", "network", "stream", 4, 280),
        ("cut@8", "network", "stream", 8, 340),
        ("error-event@2", "server", "stream", 2, 240),
        ("malformed@2", "protocol", "decode", 2, 340),
        ("html", "protocol", "wait", 0, 200),
        ("silence", "timeout", "wait", 0, 60_000),
        ("endless", "timeout", "stream", 8, 60_000),
    ],
)
def test_faults_fail(fault: str, kind: str, stage: str, events: int, end_ms: int) -> None:
    failed, sound = drawn(2, faults=f"{fault}:#0", tokens="8")
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert (failed.error.kind, failed.error.stage) == (kind, stage)
    assert failed.error.http_status == (int(fault) if fault.isdecimal() else None)
    assert len(failed.events) == events
    assert failed.e2e_ns == end_ms * MS
    assert failed.usage.output is None
    assert sound.status is Status.OK
    assert sound.start_ns == failed.end_ns


def test_faults_that_do_not_fail() -> None:
    slow, wrong, open_end = drawn(
        3, faults="slow-headers=210ms:#0,wrong-usage=3:#1,no-done:#2", tokens="3"
    )
    assert list(slow.events.at_ns) == [210 * MS, 220 * MS, 240 * MS]
    assert wrong.usage.output == 9
    assert open_end.status is Status.OK


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "either a rate or a concurrency"),
        ({"rate": 1, "concurrency": 1}, "either a rate or a concurrency"),
        ({"rate": 0}, "more than 0"),
        ({"concurrency": -1}, "more than 0"),
        ({"rate": 1, "arrival": "bursty"}, "poisson or constant, not 'bursty'"),
    ],
)
def test_impossible_loads_are_refused(arguments: dict[str, float], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        next(draw(SimConfig(), 1, **arguments))  # type: ignore[arg-type]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 4))
def test_any_run_is_in_order_and_reproducible(seed: int, concurrency: int, slots: int) -> None:
    config = SimConfig.from_options(
        gap="lognormal:20ms,0.5", tokens="lognormal:8,0.5", slots=str(slots), slowdown="5%"
    )

    def run() -> list[tuple[int | None, int | None, list[int]]]:
        records = draw(config, 30, concurrency=concurrency, seed=seed)
        return [(r.start_ns, r.end_ns, list(r.events.at_ns)) for r in records]

    first = run()
    assert first == run()
    starts = [start for start, _, _ in first]
    assert starts == sorted(starts, key=lambda start: start or 0)
    edges = sorted(
        [(at[0] - 200 * MS, 1) for _, _, at in first] + [(end or 0, -1) for _, end, _ in first]
    )
    busy = most = 0
    for _, change in edges:
        busy += change
        most = max(most, busy)
    assert most <= (min(slots, concurrency) if slots else concurrency)
