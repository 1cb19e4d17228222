"""The monitor with 200 targets at 10 s: CPU, memory, lateness, and how long a scrape takes.

It must stay below 15 % of one core and 250 MB, begin 99 of 100 probes within 50 ms of their time,
and answer `/metrics` within 100 ms.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

from .monitored import monitor, quantile

_TARGETS = 200
_INTERVAL_S = 10.0
_SETTLING_S = 15.0
"""The first scrape and the first round of probes load what is needed once."""


def run(minutes: float = 3.0) -> list[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_simulator(SimConfig()) as sim,
        monitor(
            Path(folder), sim.base_url, targets=_TARGETS, interval_s=_INTERVAL_S, port=9664
        ) as watched,
    ):
        watched.look(_SETTLING_S, 5.0)
        watched.scrape(watched.sample())
        settled = len(watched.samples)
        watched.look(60 * minutes, 1.0)
        found = watched.samples[settled:]
        rows = list(watched.rows())
    lags = [float(str(row["start_lag_ms"])) for row in rows if "start_lag_ms" in row]
    scrapes = [one.scrape_ms for one in found if one.scrape_ms is not None]
    span_s = found[-1].at_s - found[0].at_s
    return [
        {
            "targets": _TARGETS,
            "interval s": _INTERVAL_S,
            "minutes": minutes,
            "probes": len(rows),
            "not ok": sum(row["status"] != "ok" for row in rows),
            "CPU % of a core": 100 * (found[-1].cpu_s - found[0].cpu_s) / span_s,
            "RSS MB": max(one.rss_mb for one in found),
            "start lag p50 ms": quantile(lags, 0.5),
            "start lag p99 ms": quantile(lags, 0.99),
            "start lag max ms": max(lags),
            "/metrics median ms": quantile(scrapes, 0.5),
            "/metrics worst ms": max(scrapes),
            "/metrics KB": max(one.scrape_bytes for one in found) / 1024,
        }
    ]
