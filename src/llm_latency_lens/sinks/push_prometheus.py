"""Metrics to Prometheus: through its Pushgateway, or by remote write.

Both carry the state of all metrics, so that a push makes good for those before it.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from ..metrics.context import Context
from ..record import Record
from .http import Receiver
from .metric_set import MetricSet
from .moments import Moments
from .opening import Opening

_JOB = "latency_lens"
_MS_NS = 1_000_000
_REMOTE_WRITE = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

Labels = list[tuple[str, str]]
Series = tuple[Labels, float]
Send = Callable[[MetricSet, int], None]
"""Sends the metrics as they stood at this Unix time in nanoseconds."""


class MetricSink:
    batch = 5000
    rest_s = 0.0
    whole = True

    def __init__(self, context: Context, send: Send, close: Callable[[], None]) -> None:
        self._metrics = MetricSet(context)
        self._moments = Moments(context.started_at_unix_ns)
        self._latest_ns = context.started_at_unix_ns
        self._send = send
        self.close = close

    def take(self, record: Record) -> None:
        self._metrics.add(record)
        self._latest_ns = max(self._latest_ns, self._moments.end(record))

    def push(self) -> None:
        self._send(self._metrics, self._latest_ns)

    def drop(self) -> None:
        """Nothing is held that the next push would not carry."""


# -- Pushgateway ----------------------------------------------------------------------------------


def grouping(params: Mapping[str, str]) -> str:
    """The path of a group of metrics. A value that is empty or holds a slash is base64."""
    named = {"job": _JOB, **params}
    job = named.pop("job")
    return "/metrics" + "".join(_label(*item) for item in (("job", job), *named.items()))


def _label(name: str, value: str) -> str:
    if "/" in value:
        return f"/{name}@base64/{urlsafe_b64encode(value.encode()).decode().rstrip('=')}"
    return f"/{name}/{quote(value, safe='')}" if value else f"/{name}@base64/="


# -- remote write ---------------------------------------------------------------------------------


def series(metrics: MetricSet, labels: Mapping[str, str]) -> Iterator[Series]:
    """Every sample with its name among its labels, in the order that the protocol wants."""
    for family in metrics.collect():
        for sample in family.samples:
            named = {**labels, **{name: text for name, text in sample.labels.items() if text}}
            yield sorted({**named, "__name__": sample.name}.items()), sample.value


def write_request(found: Iterable[Series], unix_ms: int) -> bytes:
    """The protocol's only message, in protobuf:

    WriteRequest {1: TimeSeries...}, TimeSeries {1: Label..., 2: Sample...},
    Label {1: name, 2: value}, Sample {1: double value, 2: int64 milliseconds}
    """
    stamp = b"\x10" + _varint(unix_ms)
    request = bytearray()
    for labels, value in found:
        body = b"".join(
            _part(1, _part(1, name.encode()) + _part(2, text.encode("utf-8", "replace")))
            for name, text in labels
        )
        request += _part(1, body + _part(2, b"\x09" + struct.pack("<d", value) + stamp))
    return bytes(request)


def _part(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _remote_write(receiver: Receiver, labels: Mapping[str, str], path: str) -> Send:
    import cramjam

    last_ms = 0

    def send(metrics: MetricSet, unix_ns: int) -> None:
        nonlocal last_ms
        # A series takes one value for a millisecond.
        stamp = max(unix_ns // _MS_NS, last_ms + 1)
        body = write_request(series(metrics, labels), stamp)
        receiver.send(path, bytes(cramjam.snappy.compress_raw(body)))
        last_ms = stamp

    return send


def sink(opening: Opening) -> MetricSink:
    address, context = opening.address, opening.context
    if address.way == "pushgateway":
        receiver = Receiver(address, {"Content-Type": CONTENT_TYPE_LATEST})
        path = grouping(address.params)

        def send(metrics: MetricSet, _unix_ns: int) -> None:
            receiver.send(path, generate_latest(metrics), method="PUT")

        return MetricSink(context, send, receiver.close)
    receiver = Receiver(address, _REMOTE_WRITE)
    named = {"job": _JOB, **address.params}
    path = "" if address.url.count("/") > 2 else "/api/v1/write"
    return MetricSink(context, _remote_write(receiver, named, path), receiver.close)
