"""Prometheus' text exposition, as a scrape would see it at the end of the run."""

from __future__ import annotations

from typing import BinaryIO

from prometheus_client.exposition import generate_latest

from .exported import Exported
from .metric_set import MetricSet


def metric_set(exported: Exported) -> MetricSet:
    """All records of a run."""
    metrics = MetricSet(exported.context)
    for record in exported.read():
        metrics.add(record)
    return metrics


def write(exported: Exported, file: BinaryIO) -> None:
    """Metrics with HELP and TYPE, without stamps of their own."""
    file.write(generate_latest(metric_set(exported)))
