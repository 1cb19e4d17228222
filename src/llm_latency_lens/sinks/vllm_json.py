"""The file that `vllm bench serve --save-result --save-detailed` writes, with the figures of this
program in its fields.

Fields are those of vLLM's benchmarks/serve.py, in seconds where its are. What is not known is null,
never 0; but a request that failed has the noughts and the empty list that it has there, beside its
error.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from msgspec import UNSET

from ..clock import SECOND_NS
from ..metrics import schema
from ..metrics.context import Context
from ..metrics.lines import texts_of
from ..metrics.result import Result
from ..record import Record, Status
from .exported import Exported
from .vllm import LEVELS, summaries
from .vllm_peaks import PeakFinder, Peaks, measured

_BACKENDS = {"chat": "openai-chat", "embeddings": "openai-embeddings", "rerank": "vllm-rerank"}
_LISTS = (
    "input_lens",
    "output_lens",
    "ttfts",
    "itls",
    "latencies",
    "start_times",
    "queue_times",
    "generated_texts",
    "errors",
)


def write(exported: Exported, file: BinaryIO) -> None:
    """One line of JSON; its lists are in the order in which the requests were made."""
    finder, planned = PeakFinder(), exported.context.mode == "open"
    rows: list[tuple[int, dict[str, bytes]]] = []
    for record in exported.records(with_result=True):
        finder.add(record)
        if measured(record):
            row = _row(record, planned=planned, keep_text=exported.keep_text)
            rows.append((record.index, row))
    rows.sort(key=lambda row: row[0])
    fields = [*_head(exported), *_totals(exported.result)]
    file.write(b"{")
    for name, value in fields:
        file.write(schema.encode(name) + b":" + schema.encode(value) + b",")
    for name in _LISTS:
        if rows and name in rows[0][1]:
            values = b",".join(row[name] for _, row in rows)
            file.write(schema.encode(name) + b":[" + values + b"],")
    last = [*_peaks(finder.peaks()), *_statistics(exported.result)]
    file.write(b",".join(schema.encode(name) + b":" + schema.encode(value) for name, value in last))
    file.write(b"}\n")


def _row(record: Record, *, planned: bool, keep_text: bool) -> dict[str, bytes]:
    """One entry of each list, already as JSON: a million gaps would take room as numbers."""
    ok, usage = record.status is Status.OK, record.usage
    row: dict[str, Any] = {
        "input_lens": usage.input,
        "output_lens": usage.output if ok else 0,
        "ttfts": _s(record.ttft_ns) if ok else 0.0,
        "itls": [gap_ns / SECOND_NS for gap_ns in record.events.gaps_ns()] if ok else [],
        "latencies": _s(record.e2e_ns) if ok else 0.0,
        "start_times": _s(record.start_ns),
        "errors": _error(record, keep_text=keep_text),
    }
    if planned:
        row["queue_times"] = _s(record.send_lag_ns)
    if keep_text:
        row["generated_texts"] = texts_of(record.events).get("text", "")
    return {name: schema.encode(value) for name, value in row.items()}


def _error(record: Record, *, keep_text: bool) -> str:
    if record.error is None:
        return ""
    error = record.error if keep_text else record.error.unquoted()
    return f"{error.kind} ({error.stage}): {error.message}"


def _head(exported: Exported) -> Iterator[tuple[str, Any]]:
    context = exported.context
    config = context.config
    backend = _BACKENDS[str(config.get("operation", "chat"))]
    if config.get("provider") != "openai":
        backend = str(config.get("provider"))
    yield "date", _ended(context, exported.result)
    yield "endpoint_type", backend
    yield "backend", backend
    yield "label", context.name or None
    yield "model_id", config.get("model")
    yield "tokenizer_id", None
    yield "num_prompts", context.planned or exported.result.requests.sent
    yield "request_rate", "inf" if context.offered_rate is None else context.offered_rate
    yield "burstiness", _burstiness(context)
    yield "max_concurrency", context.concurrency


def _ended(context: Context, result: Result) -> str:
    """When the run ended, in this machine's time, as vLLM has it."""
    took_s = result.run.duration_s if context.health is None else context.health.capture_s
    ended = datetime.fromtimestamp(context.started_at_unix_ns / SECOND_NS + took_s, UTC)
    return f"{ended.astimezone():%Y%m%d-%H%M%S}"


def _burstiness(context: Context) -> float | str:
    """1 is a Poisson process, and endless burstiness a constant distance."""
    constant = context.mode == "open" and context.config.get("arrival") != "poisson"
    return "inf" if constant else 1.0


def _totals(result: Result) -> Iterator[tuple[str, Any]]:
    work, goodput = result.throughput, result.goodput
    yield "duration", result.run.duration_s
    yield "completed", result.requests.ok
    yield "failed", result.requests.failed
    yield "total_input_tokens", result.tokens.input
    yield "total_output_tokens", result.tokens.output
    yield "request_throughput", work.requests_per_second
    yield "request_goodput", None if goodput is UNSET else goodput.requests_per_second
    yield "output_throughput", work.output_tokens_per_second
    yield "total_token_throughput", work.total_tokens_per_second


def _peaks(peaks: Peaks) -> Iterator[tuple[str, Any]]:
    yield "max_output_tokens_per_s", peaks.tokens_per_second
    yield "max_concurrent_requests", peaks.concurrent
    yield "rtfx", 0.0


def _statistics(result: Result) -> Iterator[tuple[str, Any]]:
    for name, summary in summaries(result):
        yield f"mean_{name}_ms", summary.mean
        yield f"median_{name}_ms", summary.p50
        yield f"std_{name}_ms", summary.stddev
        for level in LEVELS:
            yield f"{level}_{name}_ms", getattr(summary, level)


def _s(duration_ns: float | None) -> float | None:
    return None if duration_ns is None else duration_ns / SECOND_NS
