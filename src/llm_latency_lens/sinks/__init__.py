"""The Export Manager: runs written in the formats of other programs.

One file a format, each with `write(exported, file)`; it is imported when the format is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from ..errors import UsageError
from .exported import Export, Exported

__all__ = ["FORMATS", "Export", "Exported", "Format", "export_of"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: `module` here has its `write`, `extra` is what must be installed besides.

    `ending` is usual for its files. One that is not text is refused on a terminal. `parts` are the
    endings of further files, written beside the first.
    """

    module: str
    help: str
    ending: str
    extra: str | None = None
    binary: bool = False
    parts: tuple[str, ...] = ()


FORMATS = {
    "json": Format("json", "The result as one JSON document.", ".json"),
    "jsonl": Format("jsonl", "One JSON line for each request.", ".jsonl"),
    "prometheus": Format(
        "prometheus", "Metrics as Prometheus scrapes them.", ".prom", extra="prometheus"
    ),
    "openmetrics": Format(
        "openmetrics", "The same as OpenMetrics, with exemplars.", ".om", extra="prometheus"
    ),
    "influx": Format("influx", "A point for each request, in InfluxDB's line protocol.", ".lp"),
    "otlp-json": Format(
        "otlp_json",
        "OpenTelemetry's traces and metrics, by its conventions for generative AI.",
        ".jsonl",
        parts=(".metrics.jsonl",),
    ),
    "statsd": Format("statsd", "StatsD lines, as they would be sent.", ".statsd"),
}
"""By the names that `--to` takes."""


def export_of(name: str) -> Export:
    """What writes a format. Raises `UsageError` where something is not installed that it needs."""
    form = FORMATS[name]
    try:
        write: Export = import_module(f".{form.module}", __name__).write
    except ModuleNotFoundError as error:
        if form.extra is None:
            raise
        raise UsageError(
            f"the format {name} needs {error.name}: pip install 'llm-latency-lens[{form.extra}]'"
        ) from None
    return write
