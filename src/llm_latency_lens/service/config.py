"""What the monitor is told to do, as plain data; `cli` makes it of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from ..decide.sla import Promise
from ..request import Prompt, Secret

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetConfig:
    """One endpoint, and what it is asked how often.

    `jitter` is the share of the interval by which a probe's time is moved at random, so that
    targets do not fall into step. `timeout_s` is from start to end. `promises` are the objectives,
    held over `MonitorConfig.windows`.
    """

    name: str
    provider: str
    model: str
    prompts: tuple[Prompt, ...] = field(repr=False)
    base_url: str | None = None
    region: str | None = None
    project: str | None = None
    api_version: str | None = None
    aws_profile: str | None = None
    api_key: Secret | None = field(default=None, repr=False)
    api_key_env: str | None = None
    api_key_file: Path | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    interval_s: float = 60.0
    jitter: float = 0.1
    timeout_s: float = 30.0
    max_tokens: int = 32
    temperature: float | None = None
    stream: bool = True
    connections: Literal["cold", "warm"] = "cold"
    tls_verify: bool = True
    ca_file: str | None = None
    proxy: str | None = "env"
    labels: Mapping[str, str] = field(default_factory=dict)
    promises: tuple[Promise, ...] = ()
    max_cost_usd_per_day: Decimal | None = None
    """Once a day's probes could cost more, the target is asked no more until midnight UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushConfig:
    """One receiver: a URL as `sinks.address` takes it, and how much waits while it is down."""

    url: str = field(repr=False)
    interval_s: float = 15.0
    max_queue_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverConfig:
    """Who hears of alerts. `kind` says in which form."""

    name: str
    kind: Literal["webhook", "slack", "alertmanager"]
    url: Secret = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret: Secret | None = field(default=None, repr=False)
    """Signs what a webhook is sent."""
    min_severity: Literal["info", "warning", "critical"] = "warning"
    repeat_s: float = 4 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceConfig:
    """What nobody is told of, until a moment or until this is taken out: patterns by name, such as
    `target: chat-*` and `kind: change`; all must match."""

    matchers: Mapping[str, str]
    until_unix_s: float | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsConfig:
    """`burn_rates` switches the alerts on objectives, `anomalies` those on hours and changes."""

    receivers: tuple[ReceiverConfig, ...] = ()
    silences: tuple[SilenceConfig, ...] = ()
    burn_rates: bool = True
    anomalies: bool = True
    down_after: int = 3
    """Failed probes in a row, after which a target is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Where the pages and the interface are. `token` is asked of everything but `/healthz` and
    `/readyz` where given, and always of what changes something, which without it is refused."""

    host: str = "127.0.0.1"
    port: int = 9464
    token: Secret | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    """Names by which it may be called, besides its own: a page elsewhere can lead any other name to
    this machine."""
    cert_file: Path | None = None
    key_file: Path | None = None
    max_request_bytes: int = 64 * 1024
    requests_per_minute: int = 600
    """Of one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """How long what is kept: every probe, then an hour's summary, then nothing."""

    probes_s: float = 14 * DAY_S
    hours_s: float = 400 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    targets: tuple[TargetConfig, ...]
    data_dir: Path
    serve: ServeConfig = field(default_factory=ServeConfig)
    push: tuple[PushConfig, ...] = ()
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    windows: Mapping[str, int] = field(
        default_factory=lambda: {"1h": 3600, "24h": DAY_S, "30d": 30 * DAY_S}
    )
    """Windows of the objectives: seconds by their names, the shortest first."""
    prices: Path | None = None
    max_cost_usd_per_day: Decimal | None = None
    """Of all targets together."""
    seed: int = 0
    """For the jitter."""
    files: tuple[Path, ...] = ()
    """What this was read from: when one of them changes, it is read again."""
