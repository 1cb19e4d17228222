"""The monitor at 50 times its normal rate: 100 probes a second, and what its memory does over time.

Normal are 20 targets at 10 s. Each row is a sixth of the time, the last one all of it; the picture
is `soak.svg` in the current folder. Some 50 bytes of each probe stay for an hour, so that memory
goes on rising during the first. The first turn of an hour takes DuckDB's memory.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

from .monitored import Sample, monitor, quantile

_TARGETS = 20
_INTERVAL_S = 0.2
_QUICK = {"ttft": "20ms", "gap": "2ms", "tokens": "16"}
"""An answer takes a quarter of the interval, so that no probe waits for the one before."""
_ROWS = 6
_EVERY_S = 5.0
_PICTURE = Path("soak.svg")


def run(minutes: float = 30.0) -> list[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_simulator(SimConfig.from_options(**_QUICK)) as sim,
        monitor(
            Path(folder), sim.base_url, targets=_TARGETS, interval_s=_INTERVAL_S, port=9665
        ) as watched,
    ):
        watched.look(60 * minutes, _EVERY_S)
        samples, kept = watched.samples, watched.size()
    _PICTURE.write_text(_drawn(samples))
    size = max(1, len(samples) // _ROWS)
    parts = [samples[begin : begin + size] for begin in range(0, size * _ROWS, size)]
    return [_row(part) for part in parts if len(part) > 1] + [_total(samples, kept)]


def _row(part: Sequence[Sample]) -> dict[str, Any]:
    first, last = part[0], part[-1]
    span_s = last.at_s - first.at_s
    scrapes = [one for one in part if one.scrape_ms is not None]
    times = [one.scrape_ms for one in scrapes if one.scrape_ms is not None]
    probes = [one.probes for one in scrapes]
    rate = 0.0
    if len(scrapes) > 1:
        rate = (probes[-1] - probes[0]) / (scrapes[-1].at_s - scrapes[0].at_s)
    return {
        "from min": first.at_s / 60,
        "to min": last.at_s / 60,
        "RSS MB median": quantile([one.rss_mb for one in part], 0.5),
        "RSS MB most": max(one.rss_mb for one in part),
        "CPU % of a core": 100 * (last.cpu_s - first.cpu_s) / span_s,
        "probes a second": rate,
        "/metrics median ms": quantile(times, 0.5) if times else 0.0,
        "open files": max(one.files for one in part),
        "threads": max(one.threads for one in part),
        "data MB": 0.0,
    }


def _total(samples: Sequence[Sample], kept: float) -> dict[str, Any]:
    return {**_row(samples), "data MB": kept}


def _drawn(samples: Sequence[Sample]) -> str:
    values = [{"min": one.at_s / 60, "MB": one.rss_mb} for one in samples]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 720,
        "height": 260,
        "title": f"Memory of the monitor at {_TARGETS / _INTERVAL_S:g} probes a second",
        "data": {"values": values},
        "mark": {"type": "line", "color": "#00796b"},
        "encoding": {
            "x": {"field": "min", "type": "quantitative", "title": "minutes"},
            "y": {
                "field": "MB",
                "type": "quantitative",
                "title": "resident memory, MB",
                "scale": {"domainMin": 0},
            },
        },
    }
    return str(vl_convert.vegalite_to_svg(json.dumps(spec)))
