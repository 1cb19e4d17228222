"""OpenTelemetry: spans, events and metrics by its conventions; its own types read the JSON."""

from __future__ import annotations

import base64
import io
import json
import warnings
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from sunk_records import BEGAN, MS, SECOND, answer, context, failed, never_started

from llm_latency_lens.record import Record, Status
from llm_latency_lens.sinks import Exported, export_of
from llm_latency_lens.sinks import otlp as names
from llm_latency_lens.sinks.otlp import provider_name

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # they have moved to a repository of their own
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

Json = dict[str, Any]


def written(*records: Record, **told: Any) -> tuple[list[Json], dict[str, Json], Json]:
    """The spans, the metrics by name, and the attributes of the resource."""
    traces, metrics = io.BytesIO(), io.BytesIO()
    export_of("otlp-json")(Exported(context(**told), lambda: records), traces, metrics)
    lines = [json.loads(text) for text in traces.getvalue().splitlines()]
    (measured,) = (json.loads(text) for text in metrics.getvalue().splitlines())
    spans = [
        span
        for data in lines
        for part in data["resourceSpans"]
        for scope in part["scopeSpans"]
        for span in scope["spans"]
    ]
    (part,) = measured["resourceMetrics"]
    found = {metric["name"]: metric for metric in part["scopeMetrics"][0]["metrics"]}
    assert "SECRET" not in traces.getvalue().decode()
    _judge(lines, measured)
    return spans, found, attributes(part["resource"])


def _judge(traces: list[Json], metrics: Json) -> None:
    """OpenTelemetry's own types know every field; their JSON has ids in hex, protobuf in base64."""

    def based(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: based(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [based(item) for item in value]
        if key in ("traceId", "spanId"):
            return base64.b64encode(bytes.fromhex(value)).decode()
        return value

    for data in traces:
        ParseDict(based(data), TracesData())
    ParseDict(based(metrics), MetricsData())


def attributes(holder: Json) -> Json:
    return {item["key"]: _value(item["value"]) for item in holder["attributes"]}


def _value(value: Json) -> Any:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return [_value(item) for item in content["values"]]
    return int(content) if kind == "intValue" else content


def test_a_request_is_a_span_with_its_first_token_and_its_stalls():
    record = answer(2, gaps_ms=(20.0, 900.0, 20.0), cost_usd=Decimal("0.25"), max_tokens=16)
    ((span,), _, resource) = written(record)
    start = BEGAN + 20 * MS
    assert (span["name"], span["kind"], span["status"]) == ("chat m", 3, {})
    assert (len(span["traceId"]), len(span["spanId"])) == (32, 16)
    assert span["startTimeUnixNano"] == str(start)
    assert span["endTimeUnixNano"] == str(start + 1141 * MS)
    told = attributes(span)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.request.model"] == "m"
    assert told["gen_ai.request.max_tokens"] == 16
    assert told["gen_ai.request.stream"] is True
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["gen_ai.response.time_to_first_chunk"] == 0.2
    assert told["gen_ai.usage.input_tokens"] == 10
    assert told["gen_ai.usage.output_tokens"] == 4
    assert told["latency_lens.cost_usd"] == 0.25
    assert (told["server.address"], told["server.port"]) == ("api.example.com", 443)
    assert "error.type" not in told
    first, stall = span["events"]
    assert (first["name"], first["timeUnixNano"]) == ("first_token", str(start + 200 * MS))
    assert (stall["name"], stall["timeUnixNano"]) == ("stall", str(start + 1120 * MS))
    assert attributes(stall) == {"latency_lens.gap": 0.9}
    assert resource == {
        "service.name": "latency-lens",
        "service.version": "0.1.0",
        "latency_lens.run.id": "run-1",
        "latency_lens.run.name": "nightly",
    }


def test_failures():
    spans, metrics, _ = written(
        failed(0), failed(1, status=Status.CANCELLED), never_started(2, model="")
    )
    refused, cancelled, early = spans
    assert refused["status"] == {"code": 2}
    assert attributes(refused)["error.type"] == "rate_limit"
    assert attributes(refused)["http.response.status_code"] == 429
    assert cancelled["status"] == {}
    assert "events" not in refused
    assert early["name"] == "chat"
    assert early["startTimeUnixNano"] == early["endTimeUnixNano"]
    assert list(metrics) == ["gen_ai.client.operation.duration"]
    (point,) = metrics["gen_ai.client.operation.duration"]["histogram"]["dataPoints"]
    assert attributes(point)["error.type"] == "rate_limit"
    assert (point["count"], point["sum"]) == ("1", 0.25)


def test_attempts_of_a_request_share_a_trace():
    (one, two, other), metrics, _ = written(failed(0), answer(0, attempt=1), answer(1, warmup=True))
    assert one["traceId"] == two["traceId"] != other["traceId"]
    assert len({span["spanId"] for span in (one, two, other)}) == 3
    assert list(metrics) == ["gen_ai.client.operation.duration"]  # neither is measured


def test_metrics():
    _, metrics, _ = written(answer(0), answer(1, ttft_ms=300.0))
    assert list(metrics) == list(names.METRICS)
    (point,) = metrics["gen_ai.client.operation.time_to_first_chunk"]["histogram"]["dataPoints"]
    assert (point["count"], point["sum"], point["min"], point["max"]) == ("2", 0.5, 0.2, 0.3)
    assert sum(map(int, point["bucketCounts"])) == 2
    assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1
    assert point["startTimeUnixNano"] == str(BEGAN)
    assert point["timeUnixNano"] == str(BEGAN + 10 * MS + 371 * MS)
    assert len(point["exemplars"]) == 2
    gaps = metrics["gen_ai.client.operation.time_per_output_chunk"]["histogram"]["dataPoints"][0]
    assert (gaps["count"], gaps["sum"]) == ("6", 0.14)
    usage = metrics["gen_ai.client.token.usage"]["histogram"]["dataPoints"]
    assert {attributes(item)["gen_ai.token.type"]: item["sum"] for item in usage} == {
        "input": 20.0,
        "output": 8.0,
    }
    assert all(item["histogram"]["aggregationTemporality"] == 2 for item in metrics.values())


def test_what_was_not_streamed_has_no_chunks():
    (span,), metrics, _ = written(answer(0, stream=False))
    assert "gen_ai.response.time_to_first_chunk" not in attributes(span)
    assert "gen_ai.client.operation.time_to_first_chunk" not in metrics
    assert "gen_ai.client.operation.duration" in metrics


def test_each_arm_has_its_server():
    config = {"base_url": "http://a:8000/v1", "arms": {"new": {"base_url": "https://b/v1"}}}
    old, new = written(answer(0, arm="old"), answer(1, arm="new"), config=config)[0]
    assert (attributes(old)["server.address"], attributes(old)["server.port"]) == ("a", 8000)
    assert (attributes(new)["server.address"], attributes(new)["server.port"]) == ("b", 443)


@pytest.mark.parametrize("url", ["", "http://[::1", "nothing"])
def test_an_address_that_is_none_is_left_out(url: str):
    (span,) = written(answer(0), config={"base_url": url})[0]
    assert "server.address" not in attributes(span)
    assert "server.port" not in attributes(span)


def test_names_are_those_of_the_conventions():
    known = {value for name, value in vars(gen_ai_metrics).items() if name.startswith("GEN_AI_")}
    assert {name for name in names.METRICS if name.startswith("gen_ai.")} <= known
    attributes_known = {
        value for name, value in vars(gen_ai_attributes).items() if isinstance(value, str)
    }
    (span,), _, _ = written(answer(0))
    used = {name for name in attributes(span) if name.startswith("gen_ai.")}
    assert used <= attributes_known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        providers = {item.value for item in gen_ai_attributes.GenAiProviderNameValues}
    assert set(names.PROVIDERS.values()) <= providers
    assert provider_name(answer(0, provider="bedrock")) == "aws.bedrock"
    assert provider_name(answer(0, provider="vllm")) == "vllm"


def test_many_spans_are_several_lines():
    traces, metrics = io.BytesIO(), io.BytesIO()
    records = [answer(index, gaps_ms=()) for index in range(300)]
    export_of("otlp-json")(Exported(context(), lambda: records), traces, metrics)
    assert len(traces.getvalue().splitlines()) == 2
    assert BEGAN > SECOND
