"""What `vllm bench serve` prints and saves, with the figures of the result."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from sink_runs import (
    MS,
    SECOND,
    STARTED,
    answered,
    later,
    mixed,
    refused,
    run_of,
    unreachable,
    written,
)

from llm_latency_lens.imports import read
from llm_latency_lens.record import Status, Usage
from llm_latency_lens.sinks.vllm_peaks import peaks_of


def block(*args: Any, **fields: Any) -> dict[str, float]:
    """The numbers by their labels, as scripts take them from the text."""
    text = written("vllm", run_of(*args, **fields)).decode()
    found = re.findall(r"^(\w[^:]*):\s+([\d.]+)\s*$", text, re.MULTILINE)
    return {label: float(value) for label, value in found}


def saved(*args: Any, **fields: Any) -> dict[str, Any]:
    kept = fields.pop("keep_text", False)
    found = json.loads(written("vllm", run_of(*args, keep_text=kept, **fields), "result.json"))
    assert isinstance(found, dict)
    return found


def test_the_block_has_the_labels_and_widths_of_vllm():
    text = written("vllm", run_of(objectives=("ttft_ms<1s",), concurrency=64)).decode()
    lines = text.splitlines()
    assert lines[0] == "============ Serving Benchmark Result ============"
    assert lines[1] == "Successful requests:                     8         "
    assert "---------------Time to First Token----------------" in lines
    assert "-----Time per Output Token (excl. 1st token)------" in lines
    assert "---------------Inter-token Latency----------------" in lines
    assert "----------------End-to-end Latency----------------" in lines
    assert lines[-1] == "=" * 50
    labels = [line.partition(":")[0] for line in lines if ":" in line]
    assert labels[:13] == [
        "Successful requests",
        "Failed requests",
        "Maximum request concurrency",
        "Request rate configured (RPS)",
        "Benchmark duration (s)",
        "Total input tokens",
        "Total generated tokens",
        "Request throughput (req/s)",
        "Request goodput (req/s)",
        "Output token throughput (tok/s)",
        "Peak output token throughput (tok/s)",
        "Peak concurrent requests",
        "Total token throughput (tok/s)",
    ]
    assert labels[13:18] == [
        "Mean TTFT (ms)",
        "Median TTFT (ms)",
        *(f"{level} TTFT (ms)" for level in ("P90", "P95", "P99")),
    ]


def test_the_block_has_the_figures_of_the_result():
    found, result = block(), run_of().result
    for name, summary in {
        "TTFT": result.metrics.ttft_ms,
        "TPOT": result.metrics.tpot_ms,
        "ITL": result.metrics.itl_ms,
        "E2EL": result.metrics.e2e_ms,
    }.items():
        assert found[f"Mean {name} (ms)"] == round(summary.mean, 2)
        assert found[f"Median {name} (ms)"] == round(summary.p50, 2)
        assert found[f"P99 {name} (ms)"] == round(summary.p99, 2)
    assert found["Output token throughput (tok/s)"] == round(
        result.throughput.output_tokens_per_second, 2
    )
    assert found["Total generated tokens"] == result.tokens.output


def test_what_is_not_known_has_no_line():
    records = [answered(index, usage=Usage(), tokens_source="events") for index in range(3)]
    found = block(records, mode="closed", offered_rate=None)
    assert not [label for label in found if "TPOT" in label or "generated" in label]
    assert "Request rate configured (RPS)" not in found
    assert saved(records)["total_output_tokens"] is None
    assert saved(records)["output_lens"] == [None] * 3
    nothing = block([])
    assert "Peak concurrent requests" not in nothing
    assert nothing["Successful requests"] == 0


def test_the_file_has_the_fields_of_vllm():
    assert list(saved(keep_text=True)) == [
        *("date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts"),
        *("request_rate", "burstiness", "max_concurrency", "duration", "completed", "failed"),
        *("total_input_tokens", "total_output_tokens", "request_throughput", "request_goodput"),
        *("output_throughput", "total_token_throughput", "input_lens", "output_lens", "ttfts"),
        *("itls", "latencies", "start_times", "queue_times", "generated_texts", "errors"),
        *("max_output_tokens_per_s", "max_concurrent_requests", "rtfx"),
        *(
            f"{figure}_{name}_ms"
            for name in ("ttft", "tpot", "itl", "e2el")
            for figure in ("mean", "median", "std", "p90", "p95", "p99")
        ),
    ]


def test_the_lists_of_the_file_give_its_figures():
    found = saved()
    answers = [not error for error in found["errors"]]
    assert sum(answers) == found["completed"] == run_of().result.requests.ok
    assert answers.count(False) == found["failed"]
    for name, values in {
        "ttft": [value for value, ok in zip(found["ttfts"], answers, strict=True) if ok],
        "e2el": [value for value, ok in zip(found["latencies"], answers, strict=True) if ok],
        "itl": [gap for gaps in found["itls"] for gap in gaps],
    }.items():
        ms = np.array(values) * 1000
        assert found[f"mean_{name}_ms"] == pytest.approx(ms.mean())
        assert found[f"p99_{name}_ms"] == pytest.approx(np.percentile(ms, 99))
        assert found[f"std_{name}_ms"] == pytest.approx(ms.std(ddof=1))
    assert found["total_output_tokens"] == sum(found["output_lens"])
    assert found["queue_times"][0] == 0.009


def test_the_lists_are_in_the_order_of_the_requests_and_without_texts():
    found = saved([answered(2), refused(1), answered(0, warmup=True), unreachable(5)])
    assert found["errors"] == [
        "rate_limit (wait): slow down",
        "",
        "network (connect): connection refused",
    ]
    assert (found["ttfts"][0], found["itls"][0]) == (0.0, [])
    assert found["start_times"][2] is None
    assert "generated_texts" not in found
    kept = saved([answered(2)], keep_text=True)
    assert kept["generated_texts"] == ["".join(f"word {number}" for number in range(2, 8))]


def test_the_reader_of_vllms_own_files_finds_the_same_requests():
    (found,) = read(written("vllm", run_of(), "result.json"), lambda _: None)
    assert (found.tool, found.model, found.rate) == ("vllm bench serve", "m", 20.0)
    measured = {record.index: record for record in mixed() if not record.attempt}
    ok = [record for record in found.records if record.status is Status.OK]
    answers = [record for record in measured.values() if record.status is Status.OK]
    answers = [record for record in answers if not record.warmup]
    assert [record.ttft_ns for record in ok] == [record.ttft_ns for record in answers]
    assert [record.events.gaps_ns() for record in ok] == [
        record.events.gaps_ns() for record in answers
    ]
    assert [record.usage.output for record in ok] == [record.usage.output for record in answers]
    assert len(found.records) == len(ok) + 2


def test_the_load_is_told_in_vllms_words():
    found = saved(mode="closed", offered_rate=None, concurrency=8, planned=None)
    assert (found["request_rate"], found["burstiness"], found["max_concurrency"]) == ("inf", 1.0, 8)
    assert "queue_times" not in found
    assert found["num_prompts"] == 11
    config = {"provider": "ollama", "model": "m", "arrival": "poisson"}
    found = saved(config=config)
    assert (found["request_rate"], found["burstiness"]) == (20.0, 1.0)
    assert found["backend"] == "ollama"
    assert saved()["burstiness"] == "inf"
    assert saved()["backend"] == "openai-chat"


def test_the_date_is_that_of_the_end_in_local_time():
    ended = datetime.strptime(saved()["date"], "%Y%m%d-%H%M%S").astimezone()
    assert ended.timestamp() == (STARTED + 4 * SECOND) // SECOND + 2
    killed = datetime.strptime(saved(health=None)["date"], "%Y%m%d-%H%M%S").astimezone()
    assert killed.timestamp() == (STARTED + 4 * SECOND) // SECOND + 10


def test_the_peaks_are_those_of_the_busiest_moment():
    first, second = answered(0), later(answered(0), 30 * SECOND)
    first.usage.output = second.usage.output = 10
    beside = later(answered(0), 30 * SECOND + 100 * MS)
    peaks = peaks_of([second, refused(1), first, beside])
    assert peaks.concurrent == 2
    assert peaks.tokens_per_second == pytest.approx(20.0)
    touching = answered(0)
    after = later(answered(0), touching.end_ns - touching.start_ns)
    assert peaks_of([touching, after]).concurrent == 1
    assert peaks_of([]).concurrent is None
    assert peaks_of(mixed()).tokens_per_second == saved()["max_output_tokens_per_s"]
