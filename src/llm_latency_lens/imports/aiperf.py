"""AIPerf: `profile_export.jsonl`, one line a request, and a summary, `profile_export_aiperf.json`.

The lines hold each gap between chunks; the summary the version, the model and the load. Whichever
is given, the other one is looked for beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..errors import UsageError
from ..record import Record, Status, Usage
from ..timeline import Connection
from .foreign import Beside, Foreign, Times, answer, count, failure, name, number

TOOL = "AIPerf"
LINES, SUMMARY = "profile_export.jsonl", "profile_export_aiperf.json"
_UNITS_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "sec": 1e9}


def knows(document: Any) -> bool:
    """Lines with `metadata` and `metrics`, or a summary with the tool's own version."""
    if isinstance(document, dict) and {"metadata", "metrics"} <= document.keys():
        document = [document]  # a single line
    if isinstance(document, list):
        return bool(document) and all(
            isinstance(line, dict)
            and isinstance(line.get("metadata"), dict)
            and "request_start_ns" in line["metadata"]
            and isinstance(line.get("metrics"), dict)
            for line in document
        )
    return isinstance(document, dict) and "aiperf_version" in document


def read(document: Any, beside: Beside) -> list[Foreign]:
    """The run of an export."""
    if isinstance(document, dict) and "aiperf_version" in document:
        summary: Mapping[str, Any] = document
        lines = _beside_lines(beside)
    else:
        lines = document if isinstance(document, list) else [document]
        summary = _beside_summary(beside)
    config = summary.get("input_config") or {}
    model, endpoint = _model(config), config.get("endpoint") or {}
    phase = _phase(config)
    records = list(_records(lines, model))
    urls = endpoint.get("urls") or [endpoint.get("url")]
    return [
        Foreign(
            tool=TOOL,
            version=name(summary.get("aiperf_version")),
            started_at_unix_ns=min(
                (record.start_unix_ns or 0 for record in records if not record.warmup), default=None
            ),
            model=model,
            base_url=name(urls[0]) if urls else None,
            stream=endpoint.get("streaming")
            if isinstance(endpoint.get("streaming"), bool)
            else None,
            concurrency=count(phase.get("concurrency")),
            rate=number(phase.get("rate", phase.get("request_rate"))),
            records=records,
            notes=[] if summary else [f"no {SUMMARY} beside it: version and model are not known"],
        )
    ]


def _beside_lines(beside: Beside) -> list[Any]:
    data = beside(LINES)
    if data is None:
        raise UsageError(
            f"it is AIPerf's summary, which holds no requests: {LINES} is not beside it"
        )
    return [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]


def _beside_summary(beside: Beside) -> Mapping[str, Any]:
    data = beside(SUMMARY)
    found: Any = {} if data is None else msgspec.json.decode(data)
    return found if isinstance(found, dict) else {}


def _model(config: Mapping[str, Any]) -> str | None:
    items = (config.get("models") or {}).get("items") or []
    if items and isinstance(items[0], dict):
        return name(items[0].get("name"))
    names = (config.get("endpoint") or {}).get("model_names") or []
    return name(names[0]) if names else None


def _phase(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the measured requests were sent; older versions say it of the whole run."""
    phases = config.get("phases") or []
    named = [phase for phase in phases if isinstance(phase, dict)]
    measured = [phase for phase in named if phase.get("kind", phase.get("name")) == "profiling"]
    found: Mapping[str, Any] = (measured or named or [config.get("loadgen") or {}])[-1]
    return found


def _records(lines: list[Any], model: str | None) -> Iterator[Record]:
    lines = sorted(lines, key=lambda line: line["metadata"]["request_start_ns"])
    for index, line in enumerate(lines):
        metadata, metrics = line["metadata"], line["metrics"]
        record = _record(index, line, metadata, metrics)
        record.model = model or ""
        record.warmup = metadata.get("benchmark_phase") == "warmup"
        record.start_unix_ns = int(metadata["request_start_ns"])
        yield record


def _record(
    index: int, line: Mapping[str, Any], metadata: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Record:
    start_ns = int(metadata["request_start_ns"])
    if line.get("error") is not None or metadata.get("was_cancelled"):
        error = line.get("error") or {}
        end_ns = count(metadata.get("request_end_ns"))
        told = error.get("code") or _words(error)
        # It gives a request that failed its start for an end.
        record = failure(index, start_ns, None if end_ns == start_ns else end_ns, told)
        if metadata.get("was_cancelled"):
            record.status, record.error = Status.CANCELLED, None
        return record
    gaps = metrics.get("inter_chunk_latency")
    output = _first(metrics, "usage_completion_tokens", "output_sequence_length")
    usage = Usage(
        input=_first(metrics, "usage_prompt_tokens", "input_sequence_length"),
        output=output,
        reasoning=_first(metrics, "usage_reasoning_tokens", "reasoning_token_count"),
        cached_input=_first(metrics, "usage_prompt_cache_read_tokens"),
    )
    times = Times(
        start_ns=start_ns,
        first_ns=_length(metrics.get("time_to_first_token")),
        end_ns=_length(metrics.get("request_latency")),
        gaps_ns=None if gaps is None else _lengths(gaps),
    )
    record = answer(index, times, usage)
    record.connection = _connection(metrics)
    return record


def _connection(metrics: Mapping[str, Any]) -> Connection:
    reused = metrics.get("http_req_connection_reused")
    return Connection(
        reused=bool(reused and reused.get("value")),
        dns_ns=_length(metrics.get("http_req_dns_lookup")),
    )


def _words(error: Mapping[str, Any]) -> str:
    return f"{error.get('type')} {error.get('message')}"


def _first(metrics: Mapping[str, Any], *names: str) -> int | None:
    """The first of these counts that there is."""
    told = (metrics[one]["value"] for one in names if one in metrics)
    return next((found for value in told if (found := count(value)) is not None), None)


def _length(metric: Mapping[str, Any] | None) -> int | None:
    if metric is None or number(metric["value"]) is None:
        return None
    return round(float(metric["value"]) * _unit_ns(metric))


def _lengths(metric: Mapping[str, Any]) -> list[int]:
    unit_ns = _unit_ns(metric)
    return [round(value * unit_ns) for value in metric["value"]]


def _unit_ns(metric: Mapping[str, Any]) -> float:
    unit = re.sub(r"[^a-z]", "", str(metric["unit"]).lower())
    return _UNITS_NS[unit]
