"""OpenMetrics text, with units, and with exemplars that name the trace of a sample."""

from __future__ import annotations

from typing import BinaryIO

from prometheus_client.openmetrics.exposition import generate_latest

from .exported import Exported
from .prometheus import metric_set


def write(exported: Exported, file: BinaryIO) -> None:
    """The same metrics as in Prometheus' own format."""
    text: bytes = generate_latest(metric_set(exported))  # type: ignore[no-untyped-call]
    file.write(text)
