"""OpenTelemetry traces and metrics by its conventions for generative AI, as OTLP's JSON.

Names are those of the package opentelemetry-semantic-conventions 0.66b; times are seconds. What a
client measures has the client's names (`gen_ai.client.operation.time_to_first_chunk`); the names of
the server (`gen_ai.server.time_to_first_token`) are left to servers. What the conventions have no
name for begins with `latency_lens.`. Nothing that was said is in it, and no message of an error
either, for it can quote a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .._version import __version__
from ..metrics.context import Context
from ..metrics.stalls import stalls_of
from ..record import Record, Status
from .moments import Moments, span_id, trace_id
from .tally import Tally

Json = dict[str, Any]
_Attributes = tuple[tuple[str, str], ...]

PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock-invoke": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai-responses": "openai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Where the conventions name a provider otherwise than this program does."""

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
GAPS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = tuple(float(4**power) for power in range(14))
"""Bounds as the conventions give them; those of the first chunk and of the gaps are given there
for the server's figures."""

DURATION = "gen_ai.client.operation.duration"
FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
OUTPUT_CHUNK = "gen_ai.client.operation.time_per_output_chunk"
USAGE = "gen_ai.client.token.usage"
TIME_PER_TOKEN = "latency_lens.time_per_output_token"  # noqa: S105

METRICS = {
    DURATION: ("s", "From the request's start to its end.", SECONDS, 1_000_000_000),
    FIRST_CHUNK: ("s", "From the request's start to its first token.", FIRST, 1_000_000_000),
    OUTPUT_CHUNK: ("s", "Gaps between consecutive content events.", GAPS, 1_000_000_000),
    TIME_PER_TOKEN: ("s", "Time per output token after the first.", GAPS, 1_000_000_000),
    USAGE: ("{token}", "Input and output tokens of a request.", TOKENS, 1),
}
"""By name: unit, description, bounds, and how many parts of the unit a sample is counted in."""

_CLIENT, _ERROR, _CUMULATIVE = 3, 2, 2


class Telemetry:
    """Makes spans of records and sums their metrics up. Those of a `service` are told apart by
    their requests' ids alone, for it starts anew."""

    def __init__(self, context: Context, *, service: bool = False) -> None:
        self._context = context
        self._service = service
        self._moments = Moments(context.started_at_unix_ns)
        self._servers: dict[str | None, list[Json]] = {}
        self._tallies: dict[str, dict[_Attributes, Tally]] = {name: {} for name in METRICS}
        self._latest_ns = context.started_at_unix_ns

    # -- traces -------------------------------------------------------------------------------

    def span(self, record: Record) -> Json:
        """One attempt at a request, with an event for its first token and for each stall."""
        run_id, start_ns = self._run_of(record), self._moments.start(record)
        span: Json = {
            "traceId": trace_id(run_id, record),
            "spanId": span_id(run_id, record),
            "name": f"{record.operation} {record.model}".rstrip(),
            "kind": _CLIENT,
            "startTimeUnixNano": str(start_ns),
            "endTimeUnixNano": str(self._moments.end(record)),
            "attributes": [*_attributes(_told(record)), *self._server(record)],
            "status": {"code": _ERROR} if record.status is Status.FAILED else {},
        }
        if events := list(_events(record, start_ns)):
            span["events"] = events
        return span

    def traces(self, spans: list[Json]) -> Json:
        """`TracesData` of some spans."""
        scope = {"scope": _SCOPE, "spans": spans}
        return {"resourceSpans": [{"resource": self._resource(), "scopeSpans": [scope]}]}

    # -- metrics ------------------------------------------------------------------------------

    def add(self, record: Record) -> None:
        """Take a record into the metrics. Only measured first attempts count; of one that failed
        the duration alone."""
        if record.warmup or record.attempt or record.status is Status.CANCELLED:
            return
        self._latest_ns = max(self._latest_ns, self._moments.end(record))
        shared = _of_metrics(record)
        failed = (("error.type", record.error.kind.value),) if record.error else ()
        self._tally(record, DURATION, shared + failed, record.e2e_ns)
        if record.status is not Status.OK:
            return
        if record.stream:
            self._tally(record, FIRST_CHUNK, shared, record.ttft_ns)
            self._tally(record, OUTPUT_CHUNK, shared, *record.events.gaps_ns())
        self._tally(record, TIME_PER_TOKEN, shared, record.tpot_ns)
        for kind in ("input", "output"):
            typed = (*shared, ("gen_ai.token.type", kind))
            self._tally(record, USAGE, typed, getattr(record.usage, kind))

    def _tally(
        self, record: Record, name: str, attributes: _Attributes, *samples: float | None
    ) -> None:
        known = [sample for sample in samples if sample is not None]
        if known:
            tallies = self._tallies[name]
            _, _, bounds, scale = METRICS[name]
            tally = tallies.get(attributes)
            if tally is None:
                tally = tallies[attributes] = Tally(bounds, scale)
            tally.add(known, trace_id(self._run_of(record), record), self._moments.end(record))

    def metrics(self) -> Json:
        """`MetricsData` of all that was added so far, as cumulative histograms."""
        found = [
            {
                "name": name,
                "description": text,
                "unit": unit,
                "histogram": {
                    "aggregationTemporality": _CUMULATIVE,
                    "dataPoints": [self._point(*item) for item in self._tallies[name].items()],
                },
            }
            for name, (unit, text, _, _) in METRICS.items()
            if self._tallies[name]
        ]
        scope = {"scope": _SCOPE, "metrics": found}
        return {"resourceMetrics": [{"resource": self._resource(), "scopeMetrics": [scope]}]}

    def _point(self, attributes: _Attributes, tally: Tally) -> Json:
        low, high = tally.limits or (0.0, 0.0)
        return {
            "attributes": _attributes(dict(attributes)),
            "startTimeUnixNano": str(self._context.started_at_unix_ns),
            "timeUnixNano": str(self._latest_ns),
            "count": str(tally.count),
            "sum": tally.sum,
            "min": low,
            "max": high,
            "explicitBounds": list(tally.bounds),
            "bucketCounts": [str(count) for count in tally.counts],
            "exemplars": [
                {
                    "traceId": example.trace_id,
                    "timeUnixNano": str(example.unix_ns),
                    "asDouble": example.value,
                }
                for example in tally.examples.values()
            ],
        }

    # -- of both ------------------------------------------------------------------------------

    def _resource(self) -> Json:
        told = {
            "service.name": "latency-lens",
            "service.version": self._context.tool_version,
            "latency_lens.run.id": self._context.id,
            "latency_lens.run.name": self._context.name or None,
        }
        return {"attributes": _attributes(told)}

    def _run_of(self, record: Record) -> str:
        """By which requests of the same index are told apart."""
        return record.id if self._service else self._context.id

    def _server(self, record: Record) -> list[Json]:
        """`server.address` and `server.port` of where the record's arm was sent."""
        if record.arm not in self._servers:
            config = self._context.config
            own = (config.get("arms") or {}).get(record.arm) or {}
            self._servers[record.arm] = _attributes(_server({**config, **own}))
        return self._servers[record.arm]


_SCOPE = {"name": "llm_latency_lens", "version": __version__}


def _server(config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        parts = urlsplit(str(config.get("base_url") or ""))
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return {}
    return {"server.address": parts.hostname, "server.port": port if parts.hostname else None}


def provider_name(record: Record) -> str:
    """The provider as the conventions name it."""
    return PROVIDERS.get(record.provider, record.provider)


def _of_metrics(record: Record) -> _Attributes:
    told = {
        "gen_ai.operation.name": record.operation.value,
        "gen_ai.provider.name": provider_name(record),
        "gen_ai.request.model": record.model,
        "latency_lens.arm": record.arm,
    }
    return tuple((name, value) for name, value in told.items() if value)


def _told(record: Record) -> dict[str, Any]:
    error, usage, connection = record.error, record.usage, record.connection
    return {
        "gen_ai.operation.name": record.operation.value,
        "gen_ai.provider.name": provider_name(record),
        "gen_ai.request.model": record.model,
        "gen_ai.request.max_tokens": record.max_tokens,
        "gen_ai.request.stream": record.stream,
        "gen_ai.response.model": record.response_model,
        "gen_ai.response.id": record.response_id,
        "gen_ai.response.finish_reasons": [record.finish_reason] if record.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": _s(record.ttft_ns) if record.stream else None,
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
        "error.type": error.kind.value if error else None,
        "http.response.status_code": error.http_status if error else None,
        "latency_lens.request.id": record.id,
        "latency_lens.request.status": record.status.value,
        "latency_lens.request.attempt": record.attempt,
        "latency_lens.request.warmup": record.warmup,
        "latency_lens.error.stage": error.stage.value if error else None,
        "latency_lens.arm": record.arm,
        "latency_lens.time_per_output_token": _s(record.tpot_ns),
        "latency_lens.content_events": record.events.count,
        "latency_lens.connection.reused": connection.reused,
        "latency_lens.connection.duration": _s(record.connection_ns),
        "latency_lens.cost_usd": None if record.cost_usd is None else float(record.cost_usd),
        "latency_lens.clock_source": record.clock_source,
    }


def _events(record: Record, start_unix_ns: int) -> Iterator[Json]:
    at_ns, start_ns = record.events.at_ns, record.start_ns
    if start_ns is None or not at_ns:
        return

    def event(name: str, mark_ns: int, **told: float) -> Json:
        moment = start_unix_ns + mark_ns - start_ns
        attributes = _attributes({f"latency_lens.{key}": value for key, value in told.items()})
        return {"timeUnixNano": str(moment), "name": name, "attributes": attributes}

    yield event("first_token", at_ns[0])
    gaps_ns = record.events.gaps_ns()
    for place in stalls_of(gaps_ns):
        yield event("stall", at_ns[place + 1], gap=gaps_ns[place] / 1e9)


def _s(ns: float | None) -> float | None:
    return None if ns is None else ns / 1e9


def _attributes(told: Mapping[str, Any]) -> list[Json]:
    """Key-value pairs; what is None is left out."""
    return [
        {"key": name, "value": _any_value(value)}
        for name, value in told.items()
        if value is not None
    ]


def _any_value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    return {"stringValue": str(value).encode("utf-8", "replace").decode()}
