"""What this monitor is told to do, and how it fares: without a secret."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..._version import __version__
from ...clock import SECOND_NS, realtime_offset_ns
from ...engine.host import public_url
from ...report.figures import count
from ..api.desk import Desk
from ..config import MonitorConfig, TargetConfig
from . import telling
from .assets import UPLOT
from .rendering import utc
from .telling import NOTHING

EVERY_S = 15
Rows = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, with what is said of it."""

    unix_s: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class TargetLine:
    """A target as it is configured."""

    name: str
    whom: str
    address: str
    every: str
    timeout: str
    tokens: str
    key: str
    objectives: str


def about(desk: Desk) -> dict[str, Any]:
    """What the page shows."""
    config = desk.monitor.config
    return {
        "title": "About",
        "every": EVERY_S,
        "uplot": UPLOT,
        "cards": [
            ("This monitor", list(_itself(desk))),
            ("History", list(_history(desk))),
            ("Clock", list(_clock(desk))),
            ("Told and sent", list(_sent(desk))),
        ],
        "targets": [_line(one) for one in config.targets],
    }


def _itself(desk: Desk) -> Iterator[tuple[str, Any]]:
    monitor = desk.monitor
    config, reload = monitor.config, monitor.last_reload
    up_s = desk.now_unix_s - monitor.started_unix_s
    yield "version", f"latency-lens {__version__}, Python {platform.python_version()}"
    yield "started", Moment(monitor.started_unix_s, f"{telling.lasted(up_s)} ago")
    outcome = "refused: the one before is kept" if reload.error else "taken"
    yield "configuration", Moment(reload.at_unix_s, f"read then, and {outcome}")
    yield "targets", str(len(config.targets))
    yield "most a day", _most(config)
    guarded = (
        "a token is asked for" if config.serve.token else "open to read; nothing can be changed"
    )
    yield "who may look", guarded
    yield "listening", count(len(desk.stream), "browser")


def _most(config: MonitorConfig) -> str:
    if config.max_cost_usd_per_day is None:
        return "no limit for all targets together"
    return telling.usd(config.max_cost_usd_per_day)


def _history(desk: Desk) -> Iterator[tuple[str, Any]]:
    health, retention = desk.monitor.history.health(), desk.monitor.config.retention
    yield "folder", str(desk.monitor.config.data_dir)
    yield "size", f"{health.bytes / 1e6:,.1f} MB"
    yield "written", count(health.written, "probe")
    lost = count(health.lost, "probe")
    yield "lost", f"{lost}: {health.error}" if health.error else lost
    probes, hours = telling.length(retention.probes_s), telling.length(retention.hours_s)
    yield "kept", f"each probe {probes}, then hours {hours}"


def _clock(desk: Desk) -> Iterator[tuple[str, Any]]:
    clock = desk.monitor.clock
    sources = sorted({one.last.clock_source for one in desk.monitor.live.overview() if one.last})
    yield (
        "time of arrival",
        {
            ("kernel",): "stamped by the kernel",
            ("user",): "read by the program, when it came to it",
            (): "no probe yet",
        }.get(tuple(sources), "by the kernel for some targets, by the program for others"),
    )
    offset_ns = realtime_offset_ns(clock)
    yield "now", Moment(desk.now_unix_s, f"{utc(desk.now_unix_s)} here")
    yield "monotonic", f"since {utc(offset_ns / SECOND_NS)}"


def _sent(desk: Desk) -> Iterator[tuple[str, Any]]:
    alerts = desk.monitor.config.alerts
    receivers = ", ".join(f"{one.name} ({one.kind})" for one in alerts.receivers)
    yield "alerts to", receivers or "nobody: no receiver is configured"
    for one in desk.monitor.pushes.health():
        told = f"{one.sent:,} sent, {one.waiting_bytes / 1e6:,.1f} MB waiting, {one.lost:,} lost"
        yield one.url, f"{told}: {one.error}" if one.error else told


def _line(one: TargetConfig) -> TargetLine:
    return TargetLine(
        name=one.name,
        whom=telling.whom(one),
        address=public_url(one.base_url) if one.base_url else "the provider's own",
        every=telling.length(one.interval_s),
        timeout=telling.length(one.timeout_s),
        tokens=f"{one.max_tokens:,} at most",
        key=_key(one),
        objectives="; ".join(promise.text for promise in one.promises) or NOTHING,
    )


def _key(one: TargetConfig) -> str:
    """Where the key is, never what it is."""
    if one.api_key_env:
        return f"from the environment: {one.api_key_env}"
    if one.api_key_file:
        return f"from a file: {one.api_key_file}"
    return "in the configuration" if one.api_key else "the usual one"
