from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_records import answer, clean, failed

from llm_latency_lens.metrics.shapes import (
    BINS,
    DOTS,
    MARKS,
    PLACES,
    STEPS,
    Axis,
    Shapes,
    axis_of,
    ecdf,
    histogram,
    log_axis,
    spread,
)
from llm_latency_lens.metrics.stalls import find_stalls
from llm_latency_lens.metrics.traces import Traces
from llm_latency_lens.record import Record
from llm_latency_lens.timeline import ErrorKind


def shapes(*records: Record) -> Shapes:
    traces = Traces()
    for record in records:
        traces.add(record)
    return Shapes(traces)


def test_samples_are_sorted_and_of_answers_alone():
    found = shapes(
        answer(0, start_ms=50, ttft_ms=300, gaps_ms=(30, 10)),
        answer(1, start_ms=0, ttft_ms=100, gaps_ms=(20,)),
        failed(2),
    )
    assert found.ttft_ms().tolist() == [100, 300]
    assert found.itl_ms().tolist() == [10, 20, 30]
    assert found.e2e_ms().tolist() == [120.1, 340.1]
    columns, causes = found.requests(10)
    assert columns["index"].tolist() == [1, 2, 0]
    assert [causes[cause] for cause in columns["cause"]] == ["ok", "server", "ok"]
    assert found.count == 3
    assert found.requests(2)[0]["index"].tolist() == [1, 0]


def test_few_values_are_all_steps():
    assert ecdf(np.array([1.0, 2.0, 4.0])) == [(1, 0), (1, 1 / 3), (2, 2 / 3), (4, 1)]
    assert ecdf(np.array([])) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 3))
def test_steps_lie_on_the_distribution_and_reach_its_ends(n: int, seed: int):
    values = np.sort(np.random.default_rng(seed).lognormal(5, 1, n))
    steps = ecdf(values)
    assert len(steps) <= STEPS + 3
    assert steps[0] == (values[0], 0.0)
    assert steps[-1] == (values[-1], 1.0)
    for ms, share in steps[1:]:
        assert np.searchsorted(values, ms, side="right") / n == pytest.approx(share)
    assert all(a <= b for a, b in pairwise(steps))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 500), st.booleans())
def test_a_histogram_counts_everything_once(n: int, log: bool):
    values = np.sort(np.random.default_rng(n).lognormal(3, 1, n))
    bins = histogram(values, Axis(5.0, 60.0, log))
    assert len(bins) == BINS
    assert sum(share for *_, share in bins) == pytest.approx(1)
    assert (bins[0][0], bins[-1][1]) == pytest.approx((5, 60))
    inside = [np.count_nonzero((values >= low) & (values < high)) / n for low, high, _ in bins]
    assert [share for *_, share in bins[1:-1]] == pytest.approx(inside[1:-1], abs=1.01 / n)
    assert histogram(values[:0], Axis(1, 2, log)) == []


def test_an_axis_is_logarithmic_where_the_tail_is_long():
    even, tailed = np.linspace(90, 110, 100), np.append(np.full(900, 10.0), [5000.0] * 9)
    assert tuple(axis_of([even])) == pytest.approx((89.0, 110.4, False), abs=0.1)
    assert axis_of([even, tailed]) == (10, 5000, True)
    assert axis_of([np.array([])]) == (0, 1, False)
    assert axis_of([np.array([5.0])]).high > axis_of([np.array([5.0])]).low
    assert log_axis([np.array([0.0, 0.0])]).low > 0
    assert log_axis([np.array([0.0, 1.0, 100.0, 100.0])]) == (1, 100, True)
    assert log_axis([np.array([7.0])]).high > 7


def test_a_run_over_time():
    records = clean(240)
    found = shapes(*records).over_time()
    assert sum(moment.answers for moment in found.moments) == 240
    assert len(found.moments) == 10
    first = sorted((r.ttft_ns or 0) / 1e6 for r in records[:24])
    assert found.moments[0].p50_ms == pytest.approx(np.quantile(first, 0.5))
    assert found.moments[0].p95_ms == pytest.approx(np.quantile(first, 0.95))
    assert [moment.p95_ms for moment in shapes(*records[:40]).over_time().moments] == [None] * 4
    assert found.dots[2] == (0.1, pytest.approx((records[2].ttft_ns or 0) / 1e6))
    assert (found.failed, found.stalled) == (0, 0)


def test_failures_and_stalls_have_their_moment():
    records = [
        answer(0, start_ms=1000, ttft_ms=200, gaps_ms=(20, 600, 20, 20)),
        answer(1, start_ms=1500, gaps_ms=()),
        failed(2, ErrorKind.TIMEOUT, start_ms=2000),
        failed(3, start_ms=None),
    ]
    found = shapes(*records).over_time()
    assert found.failures == [(2.0, "timeout", 1000.0)]
    assert found.stalls == [(pytest.approx(0.82), "", 600.0)]
    assert (found.failed, found.stalled) == (1, 1)


def test_without_a_start_a_stall_has_no_moment():
    record = answer(0, gaps_ms=(20, 600, 20, 20))
    record.start_ns = None
    assert shapes(record).over_time().stalls == []


def test_stalls_are_those_that_the_result_counts():
    records = [
        answer(i, gaps_ms=(20.0, 240.0 + 30 * i, 25.0, 1.0 * i, 400.0 * (i % 3))) for i in range(9)
    ]
    gaps = [gap for record in records for gap in record.events.gaps_ns()]
    expected = find_stalls(np.array(gaps), np.arange(0, len(gaps), 5))
    found = shapes(*records).over_time()
    assert found.stalled == expected.count > 0
    assert max(mark.ms for mark in found.stalls) == expected.longest_ms


def test_whatever_happened_there_are_few_marks_and_dots():
    bad = [failed(i, start_ms=i) for i in range(MARKS + 50)]
    found = shapes(*bad, *clean(DOTS + 50)).over_time()
    assert (len(found.failures), found.failed) == (MARKS, MARKS + 50)
    assert len(found.dots) == DOTS
    assert found.failures[0].at_s == 1.0
    assert found.failures[-1].at_s == pytest.approx(1.0 + (MARKS + 49) / 1000)


def test_whole_answers_stand_in_for_what_was_not_streamed():
    records = [answer(i, start_ms=10 * i) for i in range(3)]
    for record in records:
        record.events = type(record.events)()
    found = shapes(*records).over_time()
    assert [ms for _, ms in found.dots] == [260.1, 260.1, 260.1]
    assert shapes().over_time().dots == []
    assert shapes(failed(start_ms=None)).over_time().failures == []


def test_the_map_counts_the_gaps_of_each_place():
    found = shapes(
        answer(0, gaps_ms=(10, 100)), answer(1, gaps_ms=(10,)), answer(2, gaps_ms=(1000,))
    )
    cells = found.gap_map(Axis(10, 1000, log=True))
    assert [(cell.from_event, cell.to_event, round(cell.share, 3)) for cell in cells] == [
        (1, 1, 0.667),
        (1, 1, 0.333),
        (2, 2, 1),
    ]
    assert (cells[0].low_ms, cells[1].high_ms) == pytest.approx((10, 1000))
    assert cells[2].low_ms <= 100.0 <= cells[2].high_ms + 1e-9
    assert shapes(failed()).gap_map(Axis(1, 2, log=True)) == []


def test_long_answers_have_wider_places():
    found = shapes(answer(0, gaps_ms=[10.0] * 100), answer(1, gaps_ms=[20.0] * 7))
    cells = found.gap_map(Axis(5, 50, log=True))
    assert {cell.from_event for cell in cells} == set(range(1, 101, 3))
    assert cells[-1].to_event == 100
    assert len({cell.from_event for cell in cells}) <= PLACES
    for place in {cell.from_event for cell in cells}:
        assert sum(c.share for c in cells if c.from_event == place) == pytest.approx(1)


def test_a_map_of_many_gaps_is_made_in_parts(monkeypatch: pytest.MonkeyPatch):
    records = [answer(i, gaps_ms=[10.0 + i] * (1 + i % 4)) for i in range(20)]
    axis = Axis(10, 30, log=True)
    whole = shapes(*records).gap_map(axis)
    monkeypatch.setattr("llm_latency_lens.metrics.shapes._CHUNK", 7)
    assert shapes(*records).gap_map(axis) == whole


def test_a_spread_is_a_histogram_on_its_own_axis():
    values = np.linspace(10, 20, 400)
    found = spread(values)
    assert found is not None
    assert found.axis == axis_of([values])
    assert len(found.shares) == BINS
    assert sum(found.shares) == pytest.approx(1)
    assert spread(values[:0]) is None
