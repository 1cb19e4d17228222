"""The log of histograms, read back by the HdrHistogram library itself."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_runs import MS, SECOND, STARTED, answered, later, run_of, saved, written

from llm_latency_lens.sinks.hlog import encoded

HOUR = 3600 * SECOND


def read(path: Path) -> dict[str, list[HdrHistogram]]:
    """The histograms of each tag, in the order of the log."""
    found = defaultdict(list)
    reader = HistogramLogReader(str(path), HdrHistogram(1, HOUR, 3))
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found[histogram.get_tag()].append(histogram)
    reader.close()
    return found


def test_the_histograms_have_the_figures_of_the_result(tmp_path: Path):
    found = read(saved("hlog", run_of(), tmp_path / "run.hlog"))
    metrics = run_of().result.metrics
    names = ("ttft", "itl", "tpot", "e2e", "ttfb", "answer", "send_lag", "cold_ttft")
    for name in (*names, "corrected_ttft", "corrected_e2e"):
        summary = getattr(metrics, f"{name}_ms")
        histograms = found[name]
        assert sum(one.get_total_count() for one in histograms) == summary.count
        largest = max(one.get_max_value() for one in histograms)
        assert largest / MS == pytest.approx(summary.max, rel=1e-3)
    assert set(found) == {*names, "corrected_ttft", "corrected_e2e"}
    (gaps,) = (one for one in found["itl"] if one.get_total_count() > 20)
    assert gaps.get_value_at_percentile(50) / MS == pytest.approx(metrics.itl_ms.p50, rel=1e-3)


def test_each_value_stands_in_the_interval_in_which_it_was_seen(tmp_path: Path):
    records = [answered(index) for index in range(0, 90, 10)]
    found = read(saved("hlog", run_of(records), tmp_path / "run.hlog"))
    started_ms = (STARTED + 4 * SECOND) // MS
    expected = defaultdict(int)
    for record in records:
        seen_ns = record.events.at_ns[0] - 4 * SECOND
        expected[seen_ns // SECOND] += 1
    counts = {
        round((one.get_start_time_stamp() - started_ms) / 1000): one.get_total_count()
        for one in found["ttft"]
    }
    assert counts == expected
    assert [one.get_end_time_stamp() - one.get_start_time_stamp() for one in found["ttft"]] == (
        [1000.0] * len(expected)
    )


def test_the_lines_are_in_the_order_of_time_and_hold_the_largest_in_ms():
    lines = written("hlog", run_of()).decode().splitlines()
    assert lines[1] == "#[Histogram log format version 1.3]"
    assert lines[3] == "#[BaseTime: 1700000004.123 (seconds since epoch)]"
    intervals = [line.split(",") for line in lines[5:]]
    assert [tag for tag, *_ in intervals[:3]] == ["Tag=ttft", "Tag=answer", "Tag=tpot"]
    begins = [float(begin) for _, begin, *_ in intervals]
    assert begins == sorted(begins)
    stalls = [float(largest) for tag, _, _, largest, _ in intervals if tag == "Tag=itl"]
    assert max(stalls) == round(run_of().result.metrics.itl_ms.max, 3)


def test_a_long_run_has_longer_intervals(tmp_path: Path):
    late = later(answered(1, planned_ns=None), 8 * HOUR)
    lines = written("hlog", run_of([answered(0), late])).decode().splitlines()[5:]
    assert {line.split(",")[2] for line in lines} == {"30.000"}
    assert {line.split(",")[1] for line in lines} == {"0.000", "28800.000"}


def test_the_arms_of_an_experiment_have_tags_of_their_own():
    records = [answered(1, arm="a"), answered(2, arm="b, c")]
    lines = written("hlog", run_of(records, config={"experiment": "compare"})).decode()
    tags = {line.split(",")[0] for line in lines.splitlines()[5:]}
    assert {"Tag=ttft.a", "Tag=ttft.b__c", "Tag=itl.a", "Tag=itl.b__c"} <= tags


def test_a_run_without_answers_has_no_interval():
    assert len(written("hlog", run_of([])).splitlines()) == 5


@settings(max_examples=15)
@given(st.lists(st.integers(0, 3 * HOUR), min_size=1, max_size=30))
def test_the_librarys_own_decoding_gives_the_values_back(values: list[int]):
    mine = HdrHistogram.decode(encoded(np.array(values), 3 * HOUR))
    theirs = HdrHistogram(1, 3 * HOUR, 3)
    for value in values:
        theirs.record_value(value)
    assert list(mine.counts) == list(theirs.counts)
    assert encoded(np.array(values), 3 * HOUR)[:8] == theirs.encode()[:8]
