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
from .address import Address
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

Series = tuple[bytes, float]
"""A sample: what `packed` made of its name and labels, and its value."""
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
            yield packed(sample.name, named), sample.value


def packed(name: str, labels: Mapping[str, str]) -> bytes:
    """A series' name among its labels, as `write_request` wants it."""
    return b"".join(
        _part(1, _part(1, label.encode()) + _part(2, text.encode("utf-8", "replace")))
        for label, text in sorted({**labels, "__name__": name}.items())
    )


def write_request(found: Iterable[Series], unix_ms: int) -> bytes:
    """The protocol's only message, in protobuf:

    WriteRequest {1: TimeSeries...}, TimeSeries {1: Label..., 2: Sample...},
    Label {1: name, 2: value}, Sample {1: double value, 2: int64 milliseconds}
    """
    stamp = b"\x10" + _varint(unix_ms)
    request = bytearray()
    for labels, value in found:
        request += _part(1, labels + _part(2, b"\x09" + struct.pack("<d", value) + stamp))
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


class Gateway:
    """A Pushgateway: what is put there takes the place of what was there of this job."""

    def __init__(self, address: Address) -> None:
        self._receiver = Receiver(address, {"Content-Type": CONTENT_TYPE_LATEST})
        self._path = grouping(address.params)
        self.close = self._receiver.close

    def put(self, text: bytes) -> None:
        self._receiver.send(self._path, text, method="PUT")


class RemoteWrite:
    """Whoever takes remote writes. `body` makes ready what `write` sends."""

    def __init__(self, address: Address) -> None:
        self.labels = {"job": _JOB, **address.params}
        self._receiver = Receiver(address, _REMOTE_WRITE)
        self._path = "" if address.url.count("/") > 2 else "/api/v1/write"
        self._last_ms = 0
        self.close = self._receiver.close

    def body(self, found: Iterable[Series], unix_ns: int) -> bytes:
        """Samples of one moment, or of the next millisecond that none was made ready for: a series
        takes one value for each."""
        import cramjam

        self._last_ms = max(unix_ns // _MS_NS, self._last_ms + 1)
        return bytes(cramjam.snappy.compress_raw(write_request(found, self._last_ms)))

    def write(self, body: bytes) -> None:
        self._receiver.send(self._path, body)


def sink(opening: Opening) -> MetricSink:
    address, context = opening.address, opening.context
    if address.way == "pushgateway":
        gateway = Gateway(address)

        def put(metrics: MetricSet, _unix_ns: int) -> None:
            gateway.put(generate_latest(metrics))

        return MetricSink(context, put, gateway.close)
    remote = RemoteWrite(address)

    def write(metrics: MetricSet, unix_ns: int) -> None:
        remote.write(remote.body(series(metrics, remote.labels), unix_ns))

    return MetricSink(context, write, remote.close)
