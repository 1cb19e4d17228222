"""OTLP over HTTP, as protobuf: traces as requests end, and the metrics so far behind them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from ..errors import SinkError
from ..record import Record
from .http import Receiver
from .opening import Opening
from .otlp import Json, Telemetry

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"


class OtlpSink:
    batch = 256
    rest_s = 0.0
    whole = False

    def __init__(self, receiver: Receiver, telemetry: Telemetry) -> None:
        self._receiver = receiver
        self._telemetry = telemetry
        self._spans: list[Json] = []
        self._body: bytes | None = None
        """The spans on the wire, made once however often they are sent."""

    def take(self, record: Record) -> None:
        self._telemetry.add(record)
        self._spans.append(self._telemetry.span(record))
        self._body = None

    def push(self) -> None:
        if self._spans:
            if self._body is None:
                self._body = traces(self._telemetry.traces(self._spans))
            said = self._receiver.send("/v1/traces", self._body)
            self.drop()
            _check(said)
        if data := self._telemetry.metrics():
            self._receiver.send("/v1/metrics", metrics(data))

    def drop(self) -> None:
        self._spans.clear()
        self._body = None

    def close(self) -> None:
        self._receiver.close()


def _check(said: bytes) -> None:
    """Raise `SinkError` for spans that were refused one by one, in an answer that is none."""
    try:
        refused = ExportTraceServiceResponse.FromString(said).partial_success
    except DecodeError:
        return
    if refused.rejected_spans:
        message = " ".join(refused.error_message.split())
        raise SinkError(f"{refused.rejected_spans} spans were refused: {message}", later=False)


def traces(data: Json) -> bytes:
    """`TracesData` on the wire."""
    message: bytes = ParseDict(_based(data), ExportTraceServiceRequest()).SerializeToString()
    return message


def metrics(data: Json) -> bytes:
    """`MetricsData` on the wire."""
    message: bytes = ParseDict(_based(data), ExportMetricsServiceRequest()).SerializeToString()
    return message


def _based(value: Any, key: str = "") -> Any:
    """OTLP's JSON has ids in hex where protobuf's own has base64."""
    if isinstance(value, dict):
        return {name: _based(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_based(item) for item in value]
    if key in ("traceId", "spanId"):
        return base64.b64encode(bytes.fromhex(value)).decode()
    return value


def sink(opening: Opening) -> OtlpSink:
    given = _headers(opening.environ.get(HEADERS, ""))
    receiver = Receiver(opening.address, {"Content-Type": "application/x-protobuf", **given})
    return OtlpSink(receiver, Telemetry(opening.context, service=opening.service))


def _headers(given: str) -> dict[str, str]:
    """`name=value,name=value`, percent-encoded, as OpenTelemetry's exporters read it."""
    pairs = (item.partition("=") for item in given.split(",") if "=" in item)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
