"""What `calibrate` found out about this machine, kept so that later results can refer to it."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import StoreError
from ..store import runs

_NAME = "certificate.json"


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One load: how far the measured values lay from the server's own send times."""

    streams: int
    events: int
    events_per_second: float
    ttft_error_us_p50: float
    ttft_error_us_p99: float
    ttft_error_us_max: float
    gap_error_us_p50: float
    gap_error_us_p99: float
    gap_error_us_max: float
    cpu_us_per_event: float
    merged_events: int


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The instrument's errors on this machine, at rising load."""

    made_at: str
    tool_version: str
    host: dict[str, Any]
    clock_source: str
    clock_resolution_ns: int
    levels: list[Level]
    limit_us: float
    max_events_per_second: float | None
    """The highest rate measured at which the p99 error of gaps and TTFT stayed under `limit_us`."""


def save_certificate(certificate: Certificate) -> None:
    """Keep it as the newest; raises StoreError."""
    home = runs.home()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{home}: {error.strerror}") from None
    data = msgspec.json.format(msgspec.json.encode(certificate), indent=2)
    runs.write_private(home / _NAME, data)


def newest_certificate() -> dict[str, Any] | None:
    """What the last calibration on this machine said; None when there was none."""
    try:
        data = (runs.home() / _NAME).read_bytes()
        certificate = msgspec.json.decode(data, type=Certificate)
    except (OSError, msgspec.MsgspecError):
        return None
    kept = ("made_at", "tool_version", "clock_source", "limit_us", "max_events_per_second")
    return {name: getattr(certificate, name) for name in kept}
