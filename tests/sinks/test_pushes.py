"""What goes over the wire, and what is made of the answers."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from prometheus_client.parser import text_string_to_metric_families
from recording_server import Server, recording
from remote_writes import read_request, write_request_type
from sunk_records import BEGAN, answer, context, failed

from llm_latency_lens.errors import RunError, SinkError
from llm_latency_lens.sinks.address import parse
from llm_latency_lens.sinks.moments import span_id, trace_id
from llm_latency_lens.sinks.opening import Opening
from llm_latency_lens.sinks.push_prometheus import grouping, packed, write_request
from llm_latency_lens.sinks.sink import Sink, open_sink


@pytest.fixture
def server() -> Iterator[Server]:
    with recording() as found:
        yield found


def opened(url: str, *, keep_text: bool = False, **environ: str) -> Sink:
    return open_sink(Opening(parse(url, environ), context(), environ, keep_text))


@pytest.mark.parametrize(
    ("url", "environ", "path", "params_and_authorization"),
    [
        (
            "influx+http://{}?db=runs&rp=week",
            {"INFLUX_USERNAME": "me", "INFLUX_PASSWORD": "pw"},
            "/write",
            ({"db": "runs", "rp": "week", "precision": "ns"}, "Basic bWU6cHc="),
        ),
        (
            "influx+http://you:own@{}/below?db=runs",
            {"INFLUX_USERNAME": "me"},
            "/below/write",
            ({"db": "runs", "precision": "ns"}, "Basic eW91Om93bg=="),
        ),
        (
            "influx2+http://{}?org=o&bucket=b",
            {"INFLUX_TOKEN": "t0ken"},
            "/api/v2/write",
            ({"org": "o", "bucket": "b", "precision": "ns"}, "Token t0ken"),
        ),
        (
            "influx3+http://{}?db=b&token_env=MINE",
            {"MINE": "t0ken"},
            "/api/v3/write_lp",
            ({"db": "b", "precision": "nanosecond"}, "Bearer t0ken"),
        ),
        ("influx3+http://{}?db=b", {}, "/api/v3/write_lp", ({}, None)),
    ],
)
def test_influx(server: Server, url, environ, path, params_and_authorization):
    params, authorization = params_and_authorization
    sink = opened(url.format(server.host), **environ)
    for index in range(2):
        sink.take(answer(index))
    sink.push()
    sink.push()  # there is nothing more
    sink.close()
    (got,) = server.got
    assert (got.method, got.path) == ("POST", path)
    assert params.items() <= got.params.items()
    assert got.headers.get("authorization") == authorization
    assert got.headers["user-agent"].startswith("latency-lens/")
    assert [line.split(b",")[0] for line in got.body.splitlines()] == [b"latency_lens_request"] * 2
    assert got.body.endswith(str(BEGAN + 10_000_000).encode())


def test_otlp(server: Server):
    given = "api-key=a%20b, x-other = 1,nonsense"
    sink = opened(f"otlp+http://{server.host}/base/", OTEL_EXPORTER_OTLP_HEADERS=given)
    record = answer(0)
    for one in (record, failed(1)):
        sink.take(one)
    sink.push()
    sink.close()
    traces, metrics = server.got
    assert (traces.path, metrics.path) == ("/base/v1/traces", "/base/v1/metrics")
    for got in server.got:
        assert got.headers["content-type"] == "application/x-protobuf"
        assert (got.headers["api-key"], got.headers["x-other"]) == ("a b", "1")
    spans = ExportTraceServiceRequest.FromString(traces.body).resource_spans[0].scope_spans[0].spans
    assert [span.name for span in spans] == ["chat m", "chat m"]
    assert spans[0].trace_id.hex() == trace_id("run-1", record)
    assert spans[0].span_id.hex() == span_id("run-1", record)
    assert spans[0].start_time_unix_nano == BEGAN
    sent = ExportMetricsServiceRequest.FromString(metrics.body)
    found = {metric.name: metric for metric in sent.resource_metrics[0].scope_metrics[0].metrics}
    point = found["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points[0]
    assert (point.count, point.sum) == (1, 0.2)


def test_otlp_sends_spans_once_and_metrics_again(server: Server):
    sink = opened(f"otlp+http://{server.host}")
    sink.take(answer(0))
    server.answers = [(204, ""), (503, "later")]
    with pytest.raises(SinkError):
        sink.push()
    sink.push()
    assert [got.path for got in server.got] == ["/v1/traces", "/v1/metrics", "/v1/metrics"]
    sink.take(answer(1))
    sink.drop()
    sink.push()
    assert server.got[-1].path == "/v1/metrics"
    sink.close()


def test_otlp_that_refuses_some(server: Server):
    refused = ExportTraceServiceResponse()
    refused.partial_success.rejected_spans = 1
    refused.partial_success.error_message = "too\nold"
    server.answers = [(200, refused.SerializeToString().decode()), (200, "<html>")]
    sink = opened(f"otlp+http://{server.host}")
    sink.take(answer(0))
    with pytest.raises(SinkError, match=r"1 spans were refused: too old") as raised:
        sink.push()
    assert not raised.value.later
    sink.take(answer(1))
    sink.push()  # what is said is no protobuf, and so no refusal
    sink.close()


def test_pushgateway(server: Server):
    sink = opened(f"pushgateway+http://{server.host}?job=a/b&instance=n")
    sink.take(answer(0))
    sink.push()
    sink.drop()
    sink.take(answer(1))
    sink.push()
    sink.close()
    first, second = server.got
    assert (first.method, first.path) == ("PUT", "/metrics/job@base64/YS9i/instance/n")
    assert first.headers["content-type"].startswith("text/plain; version=")
    counts = [
        sample.value
        for got in (first, second)
        for family in text_string_to_metric_families(got.body.decode())
        for sample in family.samples
        if sample.name == "latency_lens_ttft_seconds_count"
    ]
    assert counts == [1, 2]


def test_groups():
    assert grouping({}) == "/metrics/job/latency_lens"
    assert grouping({"instance": "", "job": "ä b"}) == "/metrics/job/%C3%A4%20b/instance@base64/="


def test_remote_write(server: Server):
    sink = opened(f"remote-write+http://{server.host}?job=j")
    for _ in range(2):
        sink.take(answer(0))
        sink.push()
    sink.close()
    first, second = (read_request(got.body) for got in server.got)
    (got, _) = server.got
    assert (got.method, got.path, got.params) == ("POST", "/api/v1/write", {})
    assert got.headers["content-encoding"] == "snappy"
    assert got.headers["x-prometheus-remote-write-version"] == "0.1.0"
    series = (
        ("__name__", "latency_lens_ttft_seconds_sum"),
        ("job", "j"),
        ("model", "m"),
        ("provider", "openai"),
    )
    ended_ms = BEGAN // 1_000_000 + 271
    assert first[series] == (0.2, ended_ms)
    assert second[series] == (0.4, ended_ms + 1)  # one millisecond takes one value
    bucket = (("__name__", "latency_lens_ttft_seconds_bucket"), ("job", "j"), ("le", "+Inf"))
    assert second[(*bucket, ("model", "m"), ("provider", "openai"))][0] == 2


def test_remote_write_to_a_path_of_its_own(server: Server):
    sink = opened(f"remote-write+http://{server.host}/api/v1/push")
    sink.take(failed(0))
    sink.push()
    sink.close()
    assert server.got[0].path == "/api/v1/push"


def test_the_message_is_protobuf():
    labels = [("__name__", "x"), ("long", "ü" * 100)]
    sample = (packed("x", {"long": "ü" * 100}), -0.5)
    request = write_request_type().FromString(write_request([sample], 1_700_000_000_123))
    (one,) = request.timeseries
    assert [(label.name, label.value) for label in one.labels] == labels
    assert (one.samples[0].value, one.samples[0].timestamp) == (-0.5, 1_700_000_000_123)


def test_statsd():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sink = opened(f"dogstatsd://127.0.0.1:{receiver.getsockname()[1]}")
        sink.take(answer(0))
        sink.push()
        sink.close()
        lines = receiver.recv(2000).decode().splitlines()
    assert lines[0] == "latency_lens.ttft:200.0|d|#provider:openai,model:m"
    assert lines[-1].startswith("latency_lens.tokens:4|c|#")


def test_statsd_where_nobody_listens():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
    sink = opened(f"statsd://127.0.0.1:{port}")
    with pytest.raises(SinkError, match="Connection refused") as raised:  # noqa: PT012
        for _ in range(50):
            sink.take(answer(0))
            sink.push()
    assert raised.value.later
    sink.drop()
    sink.push()
    sink.close()
    with pytest.raises(RunError, match=r"cannot send to nosuch\.invalid:8125: "):
        opened("statsd://nosuch.invalid")


def test_a_file_grows(tmp_path: Path):
    path = tmp_path / "live.jsonl"
    for keep_text in (False, True):
        sink = opened(f"file:{path}", keep_text=keep_text)
        sink.take(answer(0))
        sink.push()
        sink.take(answer(1))
        sink.drop()
        sink.push()
        sink.close()
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["id"], first["ttft_ms"]) == ("run-1-0", 200.0)
    assert "text" not in first
    assert second["text"].startswith("SECRET WORD")
    private = tmp_path / "private.jsonl"
    opened(str(private), keep_text=True).close()
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(RunError, match=r"cannot write /nosuch/a\.jsonl: No such file"):
        opened("/nosuch/a.jsonl")
    sink = opened("file:/dev/full")
    sink.take(answer(0))
    with pytest.raises(SinkError, match="No space left on device"):
        sink.push()
    sink.drop()
    sink.close()


@pytest.mark.parametrize(
    ("status", "said", "message", "later"),
    [
        (400, "bad\n  line", "HTTP 400: bad line", False),
        (401, "", "HTTP 401", False),
        (429, "slow", "HTTP 429: slow", True),
        (503, "x" * 999, "HTTP 503: " + "x" * 200, True),
    ],
)
def test_what_a_server_says(server: Server, status: int, said: str, message: str, later: bool):
    server.answers = [(status, said)]
    sink = opened(f"influx+http://{server.host}?db=a")
    sink.take(answer(0))
    with pytest.raises(SinkError) as raised:
        sink.push()
    assert (str(raised.value), raised.value.later) == (message, later)
    sink.push()
    assert len(server.got) == 2  # it was still held
    sink.take(answer(1))
    sink.drop()
    sink.push()
    assert len(server.got) == 2
    sink.close()


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    sink = opened(f"influx+http://me:pa55@127.0.0.1:{port}?db=a")
    sink.take(answer(0))
    with pytest.raises(SinkError, match="refused") as raised:
        sink.push()
    assert raised.value.later
    assert "pa55" not in str(raised.value)
    sink.close()
