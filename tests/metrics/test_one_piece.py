"""Runs of embeddings and ranks: an end, a count of what was read, and no complaint."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import pytest
from metrics_records import MS, answer, clean, reasons, summed
from msgspec import UNSET

from llm_latency_lens.metrics.result import Result
from llm_latency_lens.record import Events, Record, Usage
from llm_latency_lens.report.text import text
from llm_latency_lens.request import Operation


def embedded(n: int, operation: Operation = Operation.EMBEDDINGS, **fields: Any) -> list[Record]:
    """`n` answers in one piece, of 12 tokens read, one every 50 ms."""
    random = Random(1)
    records = []
    for index in range(n):
        record = answer(index, start_ms=50.0 * index, gaps_ms=(), limit=16, finish_reason=None)
        record.operation, record.stream = operation, False
        record.events, record.usage = Events(), Usage(input=12)
        record.first_byte_ns = None
        assert record.start_ns is not None
        record.end_ns = record.start_ns + round(20 * MS * random.lognormvariate(0, 0.2))
        for name, value in fields.items():
            setattr(record, name, value)
        records.append(record)
    return records


def shown(result: Result) -> str:
    out = io.StringIO()
    text(result, out, color=False)
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize("operation", [Operation.EMBEDDINGS, Operation.RERANK])
def test_a_run_has_an_end_and_nothing_speaks_against_it(operation: Operation) -> None:
    result = summed(embedded(300, operation))
    assert (result.validity.verdict, result.validity.reasons) == ("valid", [])
    assert (result.metrics.ttft_ms, result.metrics.itl_ms) == (UNSET, UNSET)
    assert result.metrics.e2e_ms is not UNSET
    assert result.metrics.e2e_ms.count == 300


def test_what_was_read_is_counted_and_nothing_was_written() -> None:
    result = summed(embedded(300))
    tokens, work = result.tokens, result.throughput
    assert (tokens.input, tokens.output, tokens.source) == (3600, None, "usage")
    assert work.output_tokens_per_second is None
    assert work.total_tokens_per_second == pytest.approx(3600 / result.run.duration_s)


def test_without_a_count_the_sum_is_unknown() -> None:
    result = summed(embedded(300, usage=Usage(), tokens_source="events"))
    assert (result.tokens.input, result.throughput.total_tokens_per_second) == (None, None)
    assert result.validity.reasons == []
    assert "unknown: no usage was reported" in shown(result)


def test_the_table_has_no_line_of_what_is_not_there() -> None:
    page = shown(summed(embedded(300)))
    assert "3,600 in, 240 a second in all; counted by the server" in page
    assert not any(word in page for word in ("TTFT", "ITL", "stalls", "no event merged", "out,"))
    streamed = shown(summed(clean(20)))
    assert all(word in streamed for word in ("TTFT", "ITL", "stalls", "no event merged"))


def test_a_chat_without_content_is_still_complained_of() -> None:
    found = reasons(summed(embedded(300, Operation.CHAT)))
    assert {"empty_answers", "tokens_unknown"} <= set(found)
