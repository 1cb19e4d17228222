"""What other tools wrote is read as they meant it, and nothing is made up."""

from __future__ import annotations

import gzip
import json
import statistics
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens import imports
from llm_latency_lens.errors import UsageError
from llm_latency_lens.imports import Foreign
from llm_latency_lens.imports.foreign import Times, answer, failure, nanoseconds
from llm_latency_lens.record import Record, Status, Usage
from llm_latency_lens.timeline import ErrorKind

FIXTURES = Path(__file__).parent / "fixtures"
MS = 1_000_000


def data_of(name: str) -> bytes:
    path = FIXTURES / name
    return gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()


def alone(_name: str) -> None:
    """No other file lies beside it."""


def beside(folder: str) -> Callable[[str], bytes | None]:
    def find(name: str) -> bytes | None:
        path = FIXTURES / folder / name.replace("*", "llmperf_550_150")
        return path.read_bytes() if path.is_file() else None

    return find


def ok(run: Foreign) -> list[Record]:
    return [one for one in run.records if one.status is Status.OK and not one.warmup]


def median_ms(values: list[float | int | None]) -> float:
    return statistics.median(value for value in values if value is not None) / MS


# -- GuideLLM ---------------------------------------------------------------------------------


def test_guidellm() -> None:
    document = json.loads(data_of("guidellm-0.8.1.json.gz"))
    first, second = imports.read(data_of("guidellm-0.8.1.json.gz"), alone)
    assert (first.tool, first.version, first.model) == ("GuideLLM", "0.8.1", "sim")
    assert (first.base_url, first.stream) == ("http://127.0.0.1:8078", True)
    assert (first.concurrency, second.concurrency, first.rate) == (1, 3, None)
    for run, benchmark in zip((first, second), document["benchmarks"], strict=True):
        assert run.started_at_unix_ns == round(benchmark["start_time"] * 1e9)
        requests = benchmark["requests"]
        assert len(ok(run)) == len(requests["successful"])
        failed = [one for one in run.records if one.status is Status.FAILED]
        assert len(failed) == len(requests["errored"]) > 0
        assert {(one.error.kind, one.error.http_status) for one in failed if one.error} == {
            (ErrorKind.OVERLOADED, 503)
        }
        theirs = [one["time_to_first_token_ms"] for one in requests["successful"]]
        assert median_ms([one.ttft_ns for one in ok(run)]) == pytest.approx(
            statistics.median(theirs), abs=1e-3
        )
        theirs = [one["inter_token_latency_ms"] for one in requests["successful"]]
        assert median_ms([one.tpot_ns for one in ok(run)]) == pytest.approx(
            statistics.median(theirs), abs=1e-3
        )
        theirs = [1e3 * one["request_latency"] for one in requests["successful"]]
        assert median_ms([one.e2e_ns for one in ok(run)]) == pytest.approx(
            statistics.median(theirs), abs=1e-3
        )
        assert {(one.usage.input, one.usage.output) for one in ok(run)} == {(5, 16)}


def test_guidellm_keeps_no_gaps() -> None:
    for run in imports.read(data_of("guidellm-0.8.1.json.gz"), alone):
        assert all(one.events.gaps_ns() == [] for one in run.records)
        assert all(one.tokens_per_event is None for one in run.records)
        assert "gaps between tokens are not in it" in run.notes[0]


def _guide(**benchmark: Any) -> list[Foreign]:
    request = {
        "request_start_time": 100.0,
        "prompt_tokens": 3,
        "output_tokens": 4,
        "info": {"timings": {"first_iteration": 100.1, "last_iteration": 100.4}},
    }
    known = {"metrics": {}, "requests": {"successful": [request]}, **benchmark}
    return imports.read(json.dumps({"benchmarks": [known]}).encode(), alone)


def test_guidellm_of_before_and_with_less() -> None:
    (run,) = _guide()
    assert (run.version, run.model, run.started_at_unix_ns) == (None, None, None)
    assert run.records[0].ttft_ns == pytest.approx(100 * MS, abs=100)
    assert run.records[0].tpot_ns == pytest.approx(100 * MS, abs=100)
    assert run.records[0].e2e_ns is None


def test_guidellm_warm_up_and_what_was_cut_off() -> None:
    early = {"request_start_time": 1.0, "info": {}}
    late = {"info": {"timings": {"resolve_start": 3.0, "resolve_end": 4.0}, "error": None}}
    (run,) = _guide(
        warmup_duration=1.0,
        scheduler_metrics={"measure_start_time": 2.0},
        requests={"successful": [early], "incomplete": [late], "errored": None},
    )
    assert [(one.warmup, one.status) for one in run.records] == [
        (True, Status.OK),
        (False, Status.CANCELLED),
    ]
    assert run.records[0].ttft_ns is None
    assert [one.index for one in run.records] == [0, 1]


def test_guidellm_without_a_start_is_not_known() -> None:
    with pytest.raises(UsageError, match=r"looks like a result of GuideLLM.*without a start"):
        _guide(requests={"successful": [{"info": {}}]})


# -- AIPerf -----------------------------------------------------------------------------------


def test_aiperf() -> None:
    lines = data_of("aiperf-0.13.0/profile_export.jsonl")
    summary = json.loads(data_of("aiperf-0.13.0/profile_export_aiperf.json"))
    (run,) = imports.read(lines, beside("aiperf-0.13.0"))
    assert (run.tool, run.version, run.model) == ("AIPerf", "0.13.0", "sim")
    assert (run.stream, run.concurrency, run.base_url) == (True, 3, "http://127.0.0.1:8078")
    assert sum(one.warmup for one in run.records) == 2
    failed = [one for one in run.records if one.status is Status.FAILED]
    assert len(failed) == 4
    assert {one.error.http_status for one in failed if one.error} == {503}
    assert len(ok(run)) == summary["request_count"]["avg"] == 8
    for metric, name in (("ttft_ns", "time_to_first_token"), ("e2e_ns", "request_latency")):
        found = [getattr(one, metric) for one in ok(run)]
        assert median_ms(found) == pytest.approx(summary[name]["p50"], abs=1e-5)
    gaps = [gap for one in ok(run) for gap in one.events.gaps_ns()]
    assert len(gaps) == 8 * 15
    assert max(gaps) / MS == pytest.approx(summary["inter_chunk_latency"]["max"], abs=1e-5)
    assert min(one.start_unix_ns or 0 for one in run.records if not one.warmup) == (
        run.started_at_unix_ns
    )


def test_aiperf_by_its_summary_is_the_same_run() -> None:
    lines = data_of("aiperf-0.13.0/profile_export.jsonl")
    summary = data_of("aiperf-0.13.0/profile_export_aiperf.json")
    folder = beside("aiperf-0.13.0")
    assert imports.read(summary, folder) == imports.read(lines, folder)
    with pytest.raises(UsageError, match=r"profile_export\.jsonl is not beside it"):
        imports.read(summary, alone)


def test_aiperf_lines_alone() -> None:
    lines = data_of("aiperf-0.13.0/profile_export.jsonl")
    (run,) = imports.read(lines, alone)
    assert (run.version, run.model, run.concurrency) == (None, None, None)
    assert "version and model are not known" in run.notes[0]
    (one,) = imports.read(lines.splitlines()[0], alone)
    assert len(one.records) == 1


def test_aiperf_of_before_and_odd_units() -> None:
    line = {
        "metadata": {"request_start_ns": 5, "benchmark_phase": "profiling"},
        "metrics": {
            "time_to_first_token": {"value": 250.0, "unit": "us"},
            "request_latency": {"value": 1.5, "unit": "s"},
            "output_sequence_length": {"value": 7, "unit": "tokens"},
        },
    }
    cancelled = {
        "metadata": {"request_start_ns": 9, "was_cancelled": True, "request_end_ns": 12},
        "metrics": {},
        "error": {"code": 499, "type": "RequestCancellationError", "message": "gone"},
    }
    data = b"\n".join(json.dumps(one).encode() for one in (cancelled, line))
    told = {
        "aiperf_version": "0.2",
        "input_config": {
            "endpoint": {"model_names": ["old"], "url": "http://h"},
            "loadgen": {"request_rate": 2.5},
        },
    }
    (run,) = imports.read(data, lambda _: json.dumps(told).encode())
    assert (run.model, run.rate, run.base_url) == ("old", 2.5, "http://h")
    first, second = run.records
    assert (first.ttft_ns, first.e2e_ns, first.usage.output) == (250_000, 1_500 * MS, 7)
    assert first.events.partial
    assert (second.status, second.error) == (Status.CANCELLED, None)


def test_aiperf_with_a_unit_that_is_not_known() -> None:
    line = {
        "metadata": {"request_start_ns": 5},
        "metrics": {"time_to_first_token": {"value": 1, "unit": "fortnights"}},
    }
    with pytest.raises(UsageError, match=r"looks like a result of AIPerf.*fortnights"):
        imports.read(json.dumps(line).encode(), alone)


# -- vllm bench serve -------------------------------------------------------------------------


def test_vllm() -> None:
    (run,) = imports.read(data_of("vllm-bench-detailed.json"), alone)
    assert (run.tool, run.version) == ("vllm bench serve", None)
    assert (run.model, run.rate, run.concurrency) == ("meta-llama/Llama-3.2-1B-Instruct", 2.0, None)
    ended = datetime(2026, 3, 4, 5, 6, 7).astimezone().timestamp()
    assert run.started_at_unix_ns == round((ended - 7.5) * 1e9)
    assert [one.status for one in run.records] == ["ok", "ok", "failed", "ok"]
    first = run.records[0]
    assert (first.ttft_ns, first.e2e_ns) == (51 * MS, 111 * MS)
    assert first.events.gaps_ns() == [20 * MS, 21 * MS, 0, 19 * MS]
    assert first.tpot_ns == 15 * MS
    assert [one.start_ns for one in run.records] == [0, 500 * MS, 1250 * MS, 1750 * MS]
    assert run.records[1].start_unix_ns == run.started_at_unix_ns + 500 * MS
    assert run.window_s is None
    error = run.records[2].error
    assert error is not None
    assert (error.kind, error.http_status, error.message) == (
        ErrorKind.OVERLOADED,
        503,
        "HTTP 503",
    )


def test_vllm_without_starts_and_gaps() -> None:
    document = json.loads(data_of("vllm-bench-detailed.json"))
    del document["start_times"], document["itls"]
    document["request_rate"] = "inf"
    (run,) = imports.read(json.dumps(document).encode(), alone)
    assert (run.window_s, run.rate) == (7.5, None)
    assert (run.records[0].ttft_ns, run.records[0].e2e_ns) == (51 * MS, None)
    assert run.records[0].events.gaps_ns() == []
    assert run.records[0].start_unix_ns is None


def test_vllm_summary_is_what_it_tells() -> None:
    (run,) = imports.read(data_of("vllm-bench-summary.json"), alone)
    assert run.records == []
    assert (run.told["ok"], run.told["failed"]) == (3, 1)
    assert run.told["ttft_ms"] == {"mean": 53.666666666666664, "p50": 51.0, "p99": 61.78}
    assert run.told["throughput"]["output_tokens_per_second"] == 1.6
    assert "e2e_ms" not in run.told
    assert "--save-detailed" in run.notes[0]


def test_vllm_appended_results_are_runs_of_their_own() -> None:
    one = json.dumps(json.loads(data_of("vllm-bench-summary.json"))).encode()
    assert len(imports.read(one + b"\n" + one, alone)) == 2


def test_vllm_with_columns_of_unequal_length() -> None:
    document = json.loads(data_of("vllm-bench-detailed.json"))
    document["itls"].pop()
    with pytest.raises(UsageError, match="itls has 3 values, ttfts 4"):
        imports.read(json.dumps(document).encode(), alone)


# -- LLMPerf ----------------------------------------------------------------------------------


def test_llmperf() -> None:
    data = data_of("llmperf_550_150_individual_responses.json")
    (run,) = imports.read(data, beside("."))
    assert (run.tool, run.version, run.model) == ("LLMPerf", "2023-08-31", "some/model")
    assert (run.concurrency, run.window_s) == (2, pytest.approx(22.0))
    assert run.started_at_unix_ns == pytest.approx((1772600000 - 22) * 1e9)
    assert [one.status for one in run.records] == ["ok", "ok", "failed", "ok"]
    first = run.records[0]
    assert (first.ttft_ns, first.e2e_ns) == (600 * MS, 7200 * MS)
    assert (first.tpot_ns, first.events.gaps_ns(), first.start_unix_ns) == (None, [], None)
    assert (first.usage.output, first.tokens_source) == (160, "tokenizer")
    error = run.records[2].error
    assert error is not None
    assert (error.kind, error.message) == (ErrorKind.RATE_LIMIT, "HTTP 429")


def test_llmperf_by_its_summary_or_without_it() -> None:
    data = data_of("llmperf_550_150_individual_responses.json")
    summary = data_of("llmperf_550_150_summary.json")
    assert imports.read(summary, beside(".")) == imports.read(data, beside("."))
    (run,) = imports.read(data, alone)
    assert (run.model, run.started_at_unix_ns, run.window_s) == (None, None, 0.0)
    with pytest.raises(UsageError, match=r"individual_responses\.json is not beside it"):
        imports.read(summary, alone)


# -- LLMeter ----------------------------------------------------------------------------------


def test_llmeter() -> None:
    lines = data_of("llmeter-0.2.0/responses.jsonl")
    theirs = [json.loads(line) for line in lines.splitlines()]
    (run,) = imports.read(lines, beside("llmeter-0.2.0"))
    assert (run.tool, run.version, run.name) == ("LLMeter", None, "demo")
    assert (run.provider, run.model, run.concurrency) == ("openai", "sim", 2)
    assert run.window_s == pytest.approx(1.515357402)
    assert len(ok(run)) == len(theirs) == 12
    for metric, name in (("ttft_ns", "time_to_first_token"), ("e2e_ns", "time_to_last_token")):
        found = median_ms([getattr(one, metric) for one in ok(run)])
        assert found == pytest.approx(
            1e3 * statistics.median(one[name] for one in theirs), abs=1e-5
        )
    assert median_ms([one.tpot_ns for one in ok(run)]) == pytest.approx(
        1e3 * statistics.median(one["time_per_output_token"] for one in theirs), abs=1e-5
    )
    assert all(one.events.gaps_ns() == [] for one in run.records)
    assert {(one.usage.input, one.usage.output) for one in ok(run)} == {(5, 16)}
    assert run.started_at_unix_ns == 1795909540 * 1_000_000_000


def test_llmeter_alone_and_with_a_failure() -> None:
    line = {
        "response_text": None,
        "time_to_first_token": None,
        "time_to_last_token": None,
        "num_tokens_output": None,
        "error": "Error code: 429 - slow down",
    }
    (run,) = imports.read(json.dumps(line).encode(), alone)
    assert (run.model, run.started_at_unix_ns, run.window_s) == (None, None, 0.0)
    error = run.records[0].error
    assert error is not None
    assert error.kind is ErrorKind.RATE_LIMIT
    odd = {**line, "error": None, "request_time": "noon"}
    with pytest.raises(UsageError, match="looks like a result of LLMeter"):
        imports.read(json.dumps(odd).encode(), alone)
    naive = {**line, "error": None, "request_time": "2026-11-28T23:45:40"}
    (run,) = imports.read(json.dumps(naive).encode(), alone)
    assert run.started_at_unix_ns == 1795909540 * 1_000_000_000


# -- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no result of a tool"),
        (b"not json", "neither JSON nor JSON lines"),
        (b"\xff\xfe{}", "neither JSON nor JSON lines"),
        (
            b"[]",
            "no result of a tool that is known: GuideLLM, AIPerf, vllm bench serve, LLMPerf",
        ),
        (b"{}", "no result of a tool"),
        (b"5", "no result of a tool"),
        (b'{"benchmarks": []}', "holds no run"),
        (b'{"benchmarks": [5]}', "no result of a tool"),
    ],
)
def test_something_else_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        imports.read(data, alone)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (429, ErrorKind.RATE_LIMIT),
        (401, ErrorKind.AUTH),
        (400, ErrorKind.BAD_REQUEST),
        (500, ErrorKind.SERVER),
        ("Error code: 529 - overloaded", ErrorKind.OVERLOADED),
        ("asyncio.TimeoutError()", ErrorKind.TIMEOUT),
        ("Cannot connect to host 127.0.0.1", ErrorKind.NETWORK),
        ("ServerDisconnectedError", ErrorKind.NETWORK),
        (-1, None),
        ("a prompt of 503 words", None),
        ("", None),
    ],
)
def test_a_failure_has_a_kind_where_it_can_be_seen(told: object, kind: ErrorKind | None) -> None:
    record = failure(0, 0, None, told)
    assert record.status is Status.FAILED
    assert (record.error.kind if record.error else None) == kind


def test_an_answer_of_which_only_the_first_token_is_known() -> None:
    record = answer(0, Times(start_ns=5, first_ns=10, last_ns=10), Usage(1, 9))
    assert (record.ttft_ns, record.tpot_ns, len(record.events)) == (10, None, 1)
    assert answer(0, Times(start_ns=5), Usage()).ttft_ns is None


def test_what_is_no_number_is_unknown() -> None:
    assert [nanoseconds(one) for one in (True, "1", None, float("nan"), 1.5)] == [
        None,
        None,
        None,
        None,
        1_500_000_000,
    ]
