"""The Export Manager: runs written in the formats of other programs.

One file a format, each with `write(exported, file)`; it is imported when the format is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

from ..errors import UsageError
from .exported import Export, Exported

__all__ = ["FORMATS", "Export", "Exported", "Format", "export_of"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: `module` here has its `write`, `extra` is what must be installed besides.

    `ending` is usual for its files. One that is not text is refused on a terminal. `parts` are the
    endings of further files, written beside the first. `variants` are other modules, for files
    that end otherwise. `appended` is a variable that may name a file: what is printed is then
    parted, and the last part appended to it.
    """

    module: str
    help: str
    ending: str
    extra: str | None = None
    binary: bool = False
    parts: tuple[str, ...] = ()
    variants: Mapping[str, str] = field(default_factory=dict)
    appended: str | None = None

    def module_for(self, path: str) -> str:
        """The module that writes a file of this name."""
        ends = (module for ending, module in self.variants.items() if path.endswith(ending))
        return next(ends, self.module)


FORMATS = {
    "json": Format("json", "The result as one JSON document.", ".json"),
    "jsonl": Format("jsonl", "One JSON line for each request.", ".jsonl"),
    "csv": Format("csv", "One row for each request.", ".csv"),
    "parquet": Format(
        "parquet",
        "Requests and tokens as two tables.",
        ".parquet",
        extra="store",
        binary=True,
        parts=(".tokens.parquet",),
    ),
    "msgpack": Format("msgpack", "The result and its requests.", ".msgpack", binary=True),
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
    "markdown": Format("markdown", "Tables for a comment on a pull request.", ".md"),
    "junit": Format("junit", "Objectives and failures as the tests of one suite.", ".xml"),
    "github": Format(
        "github",
        "Annotations and a step summary for GitHub Actions.",
        ".md",
        appended="GITHUB_STEP_SUMMARY",
    ),
    "vllm": Format(
        "vllm",
        "What `vllm bench serve` prints; what it saves, in a file that ends in .json.",
        ".txt",
        variants={".json": "vllm_json"},
    ),
    "perfetto": Format(
        "perfetto", "A trace for Perfetto: requests as tracks, tokens as slices.", ".json"
    ),
    "hlog": Format("hlog", "A log of HdrHistograms, one an interval and metric.", ".hlog"),
}
"""By the names that `--to` takes."""


def export_of(name: str, path: str = "-") -> Export:
    """What writes a format to a file of this name.

    Raises `UsageError` for an unknown one, and where something is not installed that it needs.
    """
    form = FORMATS.get(name)
    if form is None:
        raise UsageError(f"no format {name!r}: there are {', '.join(FORMATS)}")
    try:
        write: Export = import_module(f".{form.module_for(path)}", __name__).write
    except ModuleNotFoundError as error:
        if form.extra is None:
            raise
        raise UsageError(
            f"the format {name} needs {error.name}: pip install 'llm-latency-lens[{form.extra}]'"
        ) from None
    return write
