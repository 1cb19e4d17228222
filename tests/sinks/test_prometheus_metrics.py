"""The metrics of Prometheus: names, buckets, sums and exemplars, read back by its own parser."""

from __future__ import annotations

import io
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text
from sunk_records import MS, SECOND, answer, context, failed

from llm_latency_lens.record import Record, Status
from llm_latency_lens.sinks import FORMATS, Exported, export_of
from llm_latency_lens.sinks.metric_set import COUNTS, TIMES, MetricSet
from llm_latency_lens.sinks.moments import trace_id
from llm_latency_lens.sinks.tally import Tally
from llm_latency_lens.timeline import Connection

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def written(name: str, records: Iterable[Record]) -> str:
    file = io.BytesIO()
    held = list(records)
    export_of(name)(Exported(context(), lambda: held), file)
    return file.getvalue().decode()


def samples(name: str, *records: Record) -> Samples:
    read = read_text if name == "prometheus" else read_open
    return {
        (sample.name.removeprefix("latency_lens_"), tuple(sorted(sample.labels.items()))): (
            sample.value
        )
        for family in read(written(name, records))
        for sample in family.samples
    }


OURS = (("model", "m"), ("provider", "openai"))


def of(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((*OURS, *labels.items())))


@pytest.mark.parametrize("name", ["prometheus", "openmetrics"])
def test_every_sample_of_a_small_run(name: str):
    fresh = Connection(dns_ns=MS, connect_ns=2 * MS, tls_ns=3 * MS)
    found = samples(
        name,
        answer(0, connection=fresh, cost_usd=Decimal("0.25")),
        answer(1, ttft_ms=300.0, gaps_ms=(20.0, 900.0, 20.0), merged_events=2),
        failed(2),
        failed(3, status=Status.CANCELLED),
        answer(4, warmup=True, cost_usd=Decimal("0.5")),
        answer(5, attempt=1),
    )
    assert found["ttft_seconds_count", OURS] == 2
    assert found["ttft_seconds_sum", OURS] == 0.5
    assert found["ttft_seconds_bucket", of(le="0.15")] == 0
    assert found["ttft_seconds_bucket", of(le="0.2")] == 1  # a bucket holds its own bound
    assert found["ttft_seconds_bucket", of(le="0.3")] == 2
    assert found["ttft_seconds_bucket", of(le="+Inf")] == 2
    assert found["itl_seconds_count", OURS] == 6
    assert found["itl_seconds_sum", OURS] == (70 + 940) / 1e3
    assert found["itl_seconds_bucket", of(le="0.02")] == 4
    assert found["tpot_seconds_sum", OURS] == pytest.approx((70 + 940) / 3e3)
    assert found["e2e_seconds_sum", OURS] == (271 + 1241) / 1e3
    assert found["ttfb_seconds_sum", OURS] == (199 + 299) / 1e3
    for phase, value in (("dns", 0.001), ("connect", 0.002), ("tls", 0.003)):
        assert found["connection_seconds_sum", of(phase=phase)] == value
        assert found["connection_seconds_count", of(phase=phase)] == 1
    assert found["requests_total", of(status="ok")] == 2
    assert found["requests_total", of(status="failed")] == 1
    assert found["requests_total", of(status="cancelled")] == 1
    assert found["errors_total", of(kind="rate_limit", stage="wait")] == 1
    assert found["retries_total", of(status="ok")] == 1
    assert found["warmup_requests_total", OURS] == 1
    assert found["tokens_total", of(type="input")] == 20
    assert found["tokens_total", of(type="output")] == 8
    assert ("tokens_total", of(type="reasoning")) not in found  # unknown is not zero
    assert found["content_events_total", OURS] == 8
    assert found["merged_events_total", OURS] == 2
    assert found["stalls_total", OURS] == 1
    assert found["cost_usd_total", OURS] == 0.75
    assert found["unpriced_requests_total", OURS] == 4
    assert found["run_start_time_seconds", ()] == 1_700_000_000
    run = (("id", "run-1"), ("mode", "closed"), ("name", "nightly"), ("version", "0.1.0"))
    assert found["run_info", run] == 1


def test_openmetrics_has_units_an_end_and_exemplars_that_lead_to_traces():
    record = answer(7)
    text = written("openmetrics", [record])
    assert text.endswith("# EOF\n")
    assert "# UNIT latency_lens_ttft_seconds seconds\n" in text
    assert "# UNIT latency_lens_cost_usd usd\n" not in text  # nothing was priced
    (family,) = (found for found in read_open(text) if found.name == "latency_lens_ttft_seconds")
    (exemplar,) = (sample.exemplar for sample in family.samples if sample.exemplar)
    assert exemplar.labels == {"trace_id": trace_id("run-1", record)}
    assert exemplar.value == 0.2
    assert float(exemplar.timestamp) == pytest.approx(1_700_000_000.07 + 0.271, abs=1e-6)


def test_arms_are_targets_and_labels_are_escaped():
    one, two = answer(0, arm='a"b\n', model="x\\y"), answer(1, arm="other")
    found = samples("prometheus", one, two)
    key = tuple(sorted({"model": "x\\y", "provider": "openai", "target": 'a"b\n'}.items()))
    assert found["ttft_seconds_count", key] == 1


def test_a_service_can_name_targets_and_leave_out_the_run():
    metrics = MetricSet(target_of=lambda record: f"probe-{record.index}")
    metrics.add(answer(0))
    (family, *_) = metrics.collect()
    assert family.name == "latency_lens_ttft_seconds"
    assert family.samples[0].labels["target"] == "probe-0"
    assert not any(sample.exemplar for sample in family.samples)
    metrics.add(answer(0))
    (family, *_) = metrics.collect()
    assert family.samples[-1].value == 0.4


def test_planned_times_have_histograms_of_their_own():
    record = answer(0)
    record.planned_ns = record.start_ns and record.start_ns - 50 * MS
    found = samples("prometheus", record)
    assert found["corrected_ttft_seconds_sum", OURS] == 0.25
    assert found["corrected_e2e_seconds_sum", OURS] == 0.321


def test_a_run_without_an_answer_has_counts_alone():
    found = samples("prometheus", failed(0))
    assert not any("seconds_bucket" in name for name, _ in found)
    assert found["errors_total", of(kind="rate_limit", stage="wait")] == 1


def test_names_keep_to_the_conventions():
    assert {times.name for times in TIMES} >= {"ttft", "itl", "tpot", "e2e", "connection"}
    assert not any(name.endswith("_total") for name in COUNTS)
    assert {FORMATS[name].extra for name in ("prometheus", "openmetrics")} == {"prometheus"}


@given(st.lists(st.integers(0, 10 * SECOND), max_size=30), st.integers(1, 5))
@settings(max_examples=40)
def test_a_tally_counts_every_sample_once_and_sums_exactly(values: list[int], parts: int):
    tally = Tally((0.5, 1.0, 5.0))
    for begin in range(parts):
        tally.add(values[begin::parts])
    assert sum(tally.counts) == tally.count == len(values)
    assert tally.counts[0] == sum(value <= SECOND // 2 for value in values)
    assert tally.counts[3] == sum(value > 5 * SECOND for value in values)
    assert tally.sum == sum(values) / SECOND
    if values:
        assert tally.limits == (min(values) / SECOND, max(values) / SECOND)
    else:
        assert tally.limits is None
