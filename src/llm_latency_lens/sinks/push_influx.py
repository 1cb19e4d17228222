"""Line protocol to InfluxDB 1, 2 and 3, and to what speaks their write endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..record import Record
from .address import Address
from .http import Receiver
from .influx import Points
from .opening import Opening

_WRITES = {
    "influx": ("/write", {"precision": "ns"}),
    "influx2": ("/api/v2/write", {"precision": "ns"}),
    "influx3": ("/api/v3/write_lp", {"precision": "nanosecond"}),
}
"""The endpoint of each version, and how it calls a nanosecond."""


class InfluxSink:
    batch = 1000
    rest_s = 0.0
    whole = False

    def __init__(self, receiver: Receiver, path: str, params: Mapping[str, str], points: Points):
        self._receiver, self._path, self._params = receiver, path, params
        self._points = points
        self._held: list[str] = []

    def take(self, record: Record) -> None:
        self._held.append(self._points.line(record))

    def push(self) -> None:
        if self._held:
            body = "\n".join(self._held).encode()
            self._receiver.send(self._path, body, params=self._params)
            self._held.clear()

    def drop(self) -> None:
        self._held.clear()

    def close(self) -> None:
        self._receiver.close()


def sink(opening: Opening) -> InfluxSink:
    address, context = opening.address, opening.context
    path, params = _WRITES[address.way]
    receiver = Receiver(
        _signed(address, opening.environ),
        {"Content-Type": "text/plain; charset=utf-8"},
        scheme="Token" if address.way == "influx2" else "Bearer",
    )
    points = Points(context.id, context.started_at_unix_ns)
    return InfluxSink(receiver, path, {**params, **address.params}, points)


def _signed(address: Address, environ: Mapping[str, str]) -> Address:
    """With the user that InfluxDB 1's own client takes from the environment."""
    user = environ.get("INFLUX_USERNAME")
    if address.way != "influx" or address.user is not None or address.token or not user:
        return address
    return replace(address, user=user, password=environ.get("INFLUX_PASSWORD", ""))
