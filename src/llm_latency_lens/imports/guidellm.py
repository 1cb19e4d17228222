"""GuideLLM: the report that `guidellm run` (`guidellm benchmark` before 0.8) writes as JSON.

Each benchmark of a report is a run. Of a request it keeps the first and the last token and how many
there were: no gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..record import Record, Status, Usage
from .foreign import (
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

TOOL = "GuideLLM"


def knows(document: Any) -> bool:
    """A report has a list of benchmarks, each with its requests by how they ended."""
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        return False
    return all(
        isinstance(one, dict) and isinstance(one.get("requests"), dict) and "metrics" in one
        for one in document["benchmarks"]
    )


def read(document: Any, _beside: Beside) -> list[Foreign]:
    """The benchmarks of a report."""
    metadata = document.get("metadata") or {}
    return [_run(one, metadata) for one in document["benchmarks"]]


def _run(benchmark: Mapping[str, Any], metadata: Mapping[str, Any]) -> Foreign:
    config = benchmark.get("config") or {}
    backend = config.get("backend") or {}
    strategy = config.get("strategy") or {}
    model = name(backend.get("model"))
    records = sorted(_records(benchmark, model), key=lambda record: record.start_ns or 0)
    for index, record in enumerate(records):
        record.index, record.id = index, f"{index}"
    return Foreign(
        tool=TOOL,
        version=name(metadata.get("guidellm_version")),
        name=name(strategy.get("type_")) or "",
        started_at_unix_ns=nanoseconds(benchmark.get("start_time")),
        model=model,
        base_url=name(backend.get("target")),
        stream=backend.get("stream") if isinstance(backend.get("stream"), bool) else None,
        concurrency=count(strategy.get("streams")),
        rate=number(strategy.get("rate")),
        records=records,
        notes=["gaps between tokens are not in it: only the first and the last token"],
    )


def _records(benchmark: Mapping[str, Any], model: str | None) -> Iterator[Record]:
    requests = benchmark["requests"]
    begin = _warm_from(benchmark)
    for ended, make in (("successful", _answer), ("errored", _failure), ("incomplete", _cut_off)):
        for request in requests.get(ended) or []:
            record = make(request)
            record.model = model or ""
            record.warmup = begin is not None and (record.start_ns or 0) < begin
            yield record


def _warm_from(benchmark: Mapping[str, Any]) -> int | None:
    """When the warm-up ended, where there was one."""
    if not number(benchmark.get("warmup_duration")):
        return None
    return nanoseconds((benchmark.get("scheduler_metrics") or {}).get("measure_start_time"))


def _answer(request: Mapping[str, Any]) -> Record:
    start_ns, timings = _start_ns(request), _timings(request)
    first = _of(timings, "first_token_iteration", "first_iteration")
    last = _of(timings, "last_token_iteration", "last_iteration")
    end = _of(request, "request_end_time") or _of(timings, "request_end")
    inputs = request.get("input_metrics") or {}
    usage = Usage(
        input=count(request.get("prompt_tokens")),
        output=count(request.get("output_tokens")),
        cached_input=count(inputs.get("cached_tokens")),
    )
    times = Times(
        start_ns=start_ns,
        first_ns=_since(first, start_ns),
        last_ns=_since(last, start_ns),
        end_ns=_since(end, start_ns),
    )
    return answer(
        0, times, usage, start_unix_ns=start_ns, response_id=name(request.get("response_id"))
    )


def _failure(request: Mapping[str, Any]) -> Record:
    start_ns, info = _start_ns(request), request.get("info") or {}
    end_ns = _of(info, "completed_at") or _of(_timings(request), "request_end", "resolve_end")
    return failure(0, start_ns, end_ns, info.get("error"), start_unix_ns=start_ns)


def _cut_off(request: Mapping[str, Any]) -> Record:
    """A request that the tool itself ended, since its time was over."""
    record = _failure(request)
    record.status, record.error = Status.CANCELLED, None
    return record


def _timings(request: Mapping[str, Any]) -> Mapping[str, Any]:
    info = request.get("info") or request.get("scheduler_info") or {}
    found: Mapping[str, Any] = info.get("timings") or info.get("request_timings") or {}
    return found


def _start_ns(request: Mapping[str, Any]) -> int:
    found = _of(request, "request_start_time")
    found = found or _of(_timings(request), "request_start", "resolve_start")
    if found is None:
        raise ValueError("a request without a start")
    return found


def _of(told: Mapping[str, Any], *names: str) -> int | None:
    """The first of these moments that there is."""
    return next((found for one in names if (found := nanoseconds(told.get(one))) is not None), None)


def _since(moment_ns: int | None, start_ns: int) -> int | None:
    return None if moment_ns is None else moment_ns - start_ns
