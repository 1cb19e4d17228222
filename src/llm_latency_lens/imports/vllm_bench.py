"""`vllm bench serve` (and benchmark_serving.py before it): the file of `--save-result`.

With `--save-detailed` it holds each request's TTFT and every gap; without, only a summary. It does
not say which version wrote it. A file of `--append-result` holds one run a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..record import Record, Usage
from .foreign import (
    SECOND_NS,
    Beside,
    Foreign,
    Times,
    answer,
    count,
    failure,
    name,
    nanoseconds,
    number,
)

TOOL = "vllm bench serve"
_FIGURES = {"ttft": "ttft_ms", "tpot": "tpot_ms", "itl": "itl_ms", "e2el": "e2e_ms"}
_OF_FIGURE = {"mean": "mean", "median": "p50", "p50": "p50", "p90": "p90", "p95": "p95"} | {
    "p99": "p99",
    "p99.9": "p999",
}


def knows(document: Any) -> bool:
    """A result has a duration, a throughput, and the model's id."""
    runs = document if isinstance(document, list) else [document]
    return bool(runs) and all(
        isinstance(run, dict)
        and {"duration", "completed", "request_throughput", "model_id"} <= run.keys()
        for run in runs
    )


def read(document: Any, _beside: Beside) -> list[Foreign]:
    """The runs of a file."""
    return [_run(run) for run in (document if isinstance(document, list) else [document])]


def _run(run: Mapping[str, Any]) -> Foreign:
    duration_s = number(run["duration"])
    model = name(run["model_id"])
    detailed = isinstance(run.get("ttfts"), list)
    records = list(_records(run, model)) if detailed else []
    known = bool(records) and isinstance(run.get("start_times"), list)
    return Foreign(
        tool=TOOL,
        name=name(run.get("label")) or "",
        started_at_unix_ns=_started(run.get("date"), duration_s or 0.0),
        window_s=None if known else duration_s,
        model=model,
        stream=True,
        concurrency=count(run.get("max_concurrency")),
        rate=number(run.get("request_rate")),
        records=records,
        told={} if detailed else _told(run),
        notes=[*_notes(detailed), "the date is read as local time of this machine"],
    )


def _notes(detailed: bool) -> Iterator[str]:
    if not detailed:
        yield "only a summary: `vllm bench serve` keeps the requests with --save-detailed"


def _records(run: Mapping[str, Any], model: str | None) -> Iterator[Record]:
    n = len(run["ttfts"])
    starts = _column(run, "start_times", n)
    origin = min((start for start in starts if start is not None), default=0.0)
    started = _started(run.get("date"), number(run["duration"]) or 0.0)
    columns = ("itls", "input_lens", "output_lens", "errors", "latencies")
    rows = zip(run["ttfts"], starts, *(_column(run, one, n) for one in columns), strict=True)
    for index, (ttft, start, itls, inputs, outputs, error, latency) in enumerate(rows):
        after_ns = 0 if start is None else nanoseconds(start - origin) or 0
        unix_ns = None if start is None or started is None else started + after_ns
        if error or not outputs:
            end_ns = None if not latency else after_ns + (nanoseconds(latency) or 0)
            record = failure(index, after_ns, end_ns, error or "", start_unix_ns=unix_ns)
        else:
            usage = Usage(count(inputs), count(outputs))
            record = answer(index, _times(after_ns, ttft, itls), usage, start_unix_ns=unix_ns)
        record.model = model or ""
        yield record


def _times(start_ns: int, ttft_s: float, itls_s: Sequence[float] | None) -> Times:
    first_ns = nanoseconds(ttft_s)
    gaps_ns = None if itls_s is None else [nanoseconds(gap) or 0 for gap in itls_s]
    # Its clock stops at the last token: that is the end, as far as it is known.
    end_ns = None if first_ns is None or gaps_ns is None else first_ns + sum(gaps_ns)
    return Times(start_ns=start_ns, first_ns=first_ns, end_ns=end_ns, gaps_ns=gaps_ns)


def _column(run: Mapping[str, Any], one: str, n: int) -> list[Any]:
    found = run.get(one)
    if not isinstance(found, list):
        return [None] * n
    if len(found) != n:
        raise ValueError(f"{one} has {len(found)} values, ttfts {n}")
    return found


def _started(date: object, duration_s: float) -> int | None:
    """The date is of the end."""
    try:
        ended = datetime.strptime(str(date), "%Y%m%d-%H%M%S")
    except ValueError:
        return None
    return round((ended.astimezone().timestamp() - duration_s) * SECOND_NS)


def _told(run: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ok": count(run["completed"]),
        "failed": count(run.get("failed")),
        "input_tokens": count(run.get("total_input_tokens")),
        "output_tokens": count(run.get("total_output_tokens")),
        "throughput": {
            "requests_per_second": number(run["request_throughput"]),
            "output_tokens_per_second": number(run.get("output_throughput")),
            "total_tokens_per_second": number(run.get("total_token_throughput")),
        },
    }
    for short, metric in _FIGURES.items():
        figures = {
            figure: value
            for prefix, figure in _OF_FIGURE.items()
            if (value := number(run.get(f"{prefix}_{short}_ms"))) is not None
        }
        if figures:
            told[metric] = figures
    return told
