"""The block of text that `vllm bench serve` prints, with this program's figures under its labels.

Labels, widths and order are those of vLLM's benchmarks/serve.py; a figure that is not known has no
line. The documentation's page on exports says where its definitions differ from those here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from msgspec import UNSET

from ..metrics.result import Result, Summary
from .exported import Exported
from .vllm_peaks import Peaks, peaks_of

_WIDTH = 50
SECTIONS = {
    "ttft": ("ttft_ms", "TTFT", "Time to First Token"),
    "tpot": ("tpot_ms", "TPOT", "Time per Output Token (excl. 1st token)"),
    "itl": ("itl_ms", "ITL", "Inter-token Latency"),
    "e2el": ("e2e_ms", "E2EL", "End-to-end Latency"),
}
"""By vLLM's name: the metric here, its short and its long name there."""
LEVELS = {"p90": "P90", "p95": "P95", "p99": "P99"}


def write(exported: Exported, file: BinaryIO) -> None:
    """The block, without what comes before it."""
    peaks = peaks_of(exported.records(with_result=True))
    for line in _lines(exported.result, exported.context.concurrency, peaks):
        file.write(f"{line}\n".encode())


def summaries(result: Result) -> Iterator[tuple[str, Summary]]:
    """The summaries that there are, by vLLM's names."""
    for name, (metric, _, _) in SECTIONS.items():
        if (found := getattr(result.metrics, metric)) is not UNSET:
            yield name, found


def _lines(result: Result, concurrency: int | None, peaks: Peaks) -> Iterator[str]:
    yield " Serving Benchmark Result ".center(_WIDTH, "=")
    yield from _counts(result, concurrency)
    yield from _rates(result, peaks)
    for name, summary in summaries(result):
        _, short, title = SECTIONS[name]
        yield title.center(_WIDTH, "-")
        yield _number(f"Mean {short} (ms):", summary.mean)
        yield _number(f"Median {short} (ms):", summary.p50)
        for level, shown in LEVELS.items():
            yield _number(f"{shown} {short} (ms):", getattr(summary, level))
    yield "=" * _WIDTH


def _counts(result: Result, concurrency: int | None) -> Iterator[str]:
    offered = result.throughput.offered_rate
    yield _line("Successful requests:", result.requests.ok)
    yield _line("Failed requests:", result.requests.failed)
    if concurrency is not None:
        yield _line("Maximum request concurrency:", concurrency)
    if offered is not UNSET:
        yield _number("Request rate configured (RPS):", offered)
    yield _number("Benchmark duration (s):", result.run.duration_s)
    if result.tokens.input is not None:
        yield _line("Total input tokens:", result.tokens.input)
    if result.tokens.output is not None:
        yield _line("Total generated tokens:", result.tokens.output)


def _rates(result: Result, peaks: Peaks) -> Iterator[str]:
    work, goodput = result.throughput, result.goodput
    known = (
        ("Request throughput (req/s):", work.requests_per_second),
        ("Request goodput (req/s):", None if goodput is UNSET else goodput.requests_per_second),
        ("Output token throughput (tok/s):", work.output_tokens_per_second),
        ("Peak output token throughput (tok/s):", peaks.tokens_per_second),
        ("Peak concurrent requests:", peaks.concurrent),
        ("Total token throughput (tok/s):", work.total_tokens_per_second),
    )
    yield from (_number(label, value) for label, value in known if value is not None)


def _line(label: str, value: int | str) -> str:
    return f"{label:<40} {value:<10}"


def _number(label: str, value: float) -> str:
    return _line(label, f"{value:.2f}")
