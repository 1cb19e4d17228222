"""OpenTelemetry's file format: traces as JSON lines in one file, metrics in another beside it.

By its definition a file holds signals of one kind; each line is a `TracesData` or a `MetricsData`.
"""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO

import msgspec

from .exported import Exported
from .otlp import Telemetry

BATCH = 256
"""Spans in a line."""


def write(exported: Exported, file: BinaryIO, metrics: BinaryIO) -> None:
    """A span for each attempt, and one line of metrics."""
    telemetry = Telemetry(exported.context)
    records = iter(exported.read())
    while batch := list(islice(records, BATCH)):
        for record in batch:
            telemetry.add(record)
        spans = [telemetry.span(record) for record in batch]
        file.write(msgspec.json.encode(telemetry.traces(spans)) + b"\n")
    metrics.write(msgspec.json.encode(telemetry.metrics()) + b"\n")
