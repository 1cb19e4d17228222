# ruff: noqa: RUF009  (`setting` makes a dataclass field, which ruff cannot see)
"""The settings of `monitor`, and the keys of the file that it is told by.

What the file can hold, its checks, its reference page and its schema are made from the groups
below. A default that is not written here is that of `service.config`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .kinds import (
    Kind,
    UnfitError,
    choice,
    dollars,
    moment,
    number,
    span,
    switch,
    text,
    texts,
    whole,
)
from .options import Target as Asked
from .options import Way
from .settings import again, setting, settings_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,79}")
_LABEL = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_TAKEN = {
    "check", "code", "error", "kind", "le", "limit", "model", "objective", "phase", "provider",
    "quantile", "receiver", "source", "stage", "status", "target", "type", "version", "window",
}  # fmt: skip
_MOST_LABELS = 8
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d{1,5})")
_SIZES = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE = re.compile(r"(\d+)\s*([kmg]?b)?", re.IGNORECASE)


def _listening() -> Kind:
    """An address and a port."""

    def read(value: object) -> tuple[str, int]:
        found = _LISTEN.fullmatch(str(value).strip())
        if not found or int(found["port"]) > 65535:
            raise UnfitError(f"must be an address and a port such as 127.0.0.1:9464, not '{value}'")
        return found["six"] or found["host"], int(found["port"])

    return Kind("ADDRESS:PORT", read, {"type": "string", "pattern": r"^.+:\d{1,5}$"})


def _name() -> Kind:
    """The name of a target or a receiver."""

    def read(value: object) -> str:
        if not isinstance(value, str | int) or not _NAME.fullmatch(str(value)):
            raise UnfitError("must be letters, digits and . _ - : @ +, at most 80 of them")
        return str(value)

    return Kind("NAME", read, {"type": "string", "pattern": f"^{_NAME.pattern}$"})


def _labels() -> Kind:
    """A few names and values that metrics carry."""

    def read(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise UnfitError("must be a table of names and values")
        if len(value) > _MOST_LABELS:
            raise UnfitError(f"has {len(value)} names: at most {_MOST_LABELS} fit")
        for name, given in value.items():
            if name in _TAKEN or not _LABEL.fullmatch(str(name)):
                raise UnfitError(f"cannot have '{name}': small letters, digits and _, and no name"
                                 " that the metrics have already")  # fmt: skip
            if isinstance(given, dict | list) or not 0 < len(str(given)) <= 100:
                raise UnfitError(f"has a value for {name} that is no text of 1 to 100 characters")
        return {str(name): str(given) for name, given in value.items()}

    items = {"type": ["string", "number", "boolean"]}
    return Kind("TABLE", read, {"type": "object", "additionalProperties": items})


def _perhaps() -> Kind:
    """A text, or nothing: `${NAME:-}` may well be empty."""

    def read(value: object) -> str:
        return "" if value in ("", None) else text().read(value)

    return Kind("TEXT", read, {"type": ["string", "null"]})


def _patterns() -> Kind:
    """What a silence looks at, and how it must look."""

    def read(value: object) -> dict[str, str]:
        if not isinstance(value, dict) or not value:
            raise UnfitError("must be a table such as {target: chat-*}")
        return {str(name): str(pattern) for name, pattern in value.items()}

    schema = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
    return Kind("TABLE", read, schema)


def _share() -> Kind:
    """A number from 0 to 1."""
    least = number(0)

    def read(value: object) -> float:
        found: float = least.read(value)
        if found > 1:
            raise UnfitError(f"must be at most 1, not {value}")
        return found

    return Kind("SHARE", read, {**least.schema, "maximum": 1})


def _size() -> Kind:
    """A number of bytes, such as 64MB."""

    def read(value: object) -> int:
        found = _SIZE.fullmatch(str(value).strip())
        if not found or not int(found[1]):
            raise UnfitError(f"must be a size such as 500KB or 64MB, not '{value}'")
        return int(found[1]) * _SIZES[(found[2] or "").lower()]

    return Kind("SIZE", read, {"type": ["integer", "string"]})


# --- the command ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Monitored:
    """What to watch."""

    config: str | None = setting(
        text("FILE"), None, "The monitor's file, YAML or TOML; `validate` checks it."
    )
    listen: tuple[str, int] | None = setting(
        _listening(), None, "Serve there, in place of what the file says."
    )
    data_dir: str | None = setting(
        text("DIR"), None, "Keep everything there, in place of what the file says."
    )
    max_cost: Decimal | None = setting(
        dollars(),
        None,
        "What all probes of a day may cost, in place of what the file says; a day ends at midnight"
        " UTC.",
    )


@dataclass(frozen=True, slots=True)
class Logged:
    """What is logged, to standard error."""

    log_level: str = setting(
        choice("debug", "info", "warning", "error"),
        "info",
        "How much to log.",
        shown_default="info",
    )
    log_format: str = setting(
        choice("text", "json"), "text", "A line for people, or a JSON object.", shown_default="text"
    )


# --- the file -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Top:
    """The file."""

    listen: Any = setting(
        _listening(), None, "Where the page, the interface and `/metrics` are served.",
        shown_default="127.0.0.1:9464",
    )  # fmt: skip
    data_dir: Any = setting(
        text("DIR"), None, "Where history, alerts and queues are kept; the only place that is"
        " written to.", shown_default="`monitor` in the user's data folder",
    )  # fmt: skip
    token: Any = setting(
        _perhaps(), None, "Asked of everybody, as a bearer token. Without one nothing can be"
        " changed through the interface.", rivals=("token_env", "token_file"),
    )  # fmt: skip
    token_env: Any = setting(
        text("NAME"), None, "The variable that holds it.", rivals=("token", "token_file")
    )
    token_file: Any = setting(
        text("FILE"), None, "The file that holds it, read again when it changes.",
        rivals=("token", "token_env"),
    )  # fmt: skip
    hosts: Any = setting(
        texts(), None, "Names by which browsers may call the service, besides its address; needed"
        " behind a reverse proxy on the same machine.",
    )  # fmt: skip
    max_request_bytes: Any = setting(
        _size(), None, "The most that a request to the service may hold.", shown_default="64KB"
    )
    requests_per_minute: Any = setting(
        whole(1), None, "How often one address may ask the service.", shown_default="600"
    )
    prices: Any = setting(text("FILE"), None, "Private prices.")
    max_cost_usd_per_day: Any = setting(
        dollars(), None, "What all probes of a day may cost; a day ends at midnight UTC.",
        shown_default="no limit",
    )  # fmt: skip
    windows: Any = setting(
        texts(), None, "The windows of the objectives; the longest has the error budget.",
        shown_default="1h, 24h, 30d",
    )  # fmt: skip
    seed: Any = setting(whole(0), None, "For the jitter.", shown_default="0")


@dataclass(frozen=True, slots=True)
class Target:
    """A target."""

    name: Any = setting(_name(), None, "What it is called, everywhere; each needs its own.")
    provider: Any = again(
        Asked, "provider", shown_default="the part of `model` before its first slash, or openai"
    )
    model: Any = setting(text(), None, "The model's name, as the provider knows it.")
    base_url: Any = again(Asked, "base_url")
    region: Any = setting(text(), None, "Where it is; for Bedrock and Vertex AI, the region that is"
                          " asked.")  # fmt: skip
    project: Any = again(Asked, "project")
    api_version: Any = again(Asked, "api_version")
    aws_profile: Any = again(Asked, "aws_profile")
    api_key: Any = setting(
        text("KEY"), None, "The key; `none` for a server that wants none. Write `${NAME}` or one of"
        " the two below, so that the file holds no secret.",
        rivals=("api_key_env", "api_key_file"),
        shown_default="the provider's own variable, such as OPENAI_API_KEY",
    )  # fmt: skip
    api_key_env: Any = setting(
        text("NAME"), None, "The variable that holds it.", rivals=("api_key", "api_key_file")
    )
    api_key_file: Any = setting(
        text("FILE"), None, "The file that holds it; looked at before each probe, so that a key can"
        " be changed at any time.", rivals=("api_key", "api_key_env"),
    )  # fmt: skip
    header: Any = again(Asked, "header")
    prompt: Any = setting(
        text(), None, "What to say.", rivals=("prompt_file",), shown_default="Count from 1 to 10."
    )
    prompt_file: Any = setting(
        text("FILE"), None, "Prompts, one a line or as JSON lines, asked in turn.",
        rivals=("prompt",),
    )  # fmt: skip
    interval: Any = setting(span(), None, "From one probe to the next.", shown_default="60s")
    jitter: Any = setting(
        _share(), None, "The share of the interval by which a probe is moved at random, 0 to 1.",
        shown_default="0.1",
    )  # fmt: skip
    timeout: Any = setting(
        span(), None, "Limit from start to end of a probe; connecting may take as long, but at most"
        " 10 s.", shown_default="30s",
    )  # fmt: skip
    max_tokens: Any = setting(
        whole(1), None, "The most tokens that may come back.", shown_default="32"
    )
    temperature: Any = again(Asked, "temperature")
    extra_body: Any = again(Asked, "extra_body")
    stream: Any = setting(
        switch(), None, "Ask for a stream, or for the answer in one piece.", shown_default="true"
    )
    connections: Any = setting(
        choice("cold", "warm"), None, "A new connection for each probe, or one that is kept.",
        shown_default="cold",
    )  # fmt: skip
    ca_file: Any = again(Way, "ca_file", rivals=("insecure",))
    insecure: Any = again(Way, "insecure", rivals=("ca_file",))
    proxy: Any = setting(
        text("URL"), None, "A proxy; `env` reads HTTP_PROXY and the like, `none` goes straight.",
        shown_default="env",
    )  # fmt: skip
    labels: Any = setting(_labels(), None, "More labels for its metrics, at most 8.")
    max_cost_usd_per_day: Any = setting(
        dollars(), None, "What its probes of a day may cost: then none is sent until midnight UTC.",
        shown_default="no limit",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tls:
    """tls"""

    cert_file: Any = setting(text("FILE"), None, "The certificate with its chain (PEM).")
    key_file: Any = setting(text("FILE"), None, "Its key (PEM).")


@dataclass(frozen=True, slots=True)
class Push:
    """push"""

    url: Any = setting(
        text("URL"), None, "A receiver, written as for `--stream-to`: `influx2+http://...`,"
        " `otlp+http://...`, `remote-write+http://...`, `pushgateway+http://...`.",
    )  # fmt: skip
    interval: Any = setting(span(), None, "From one push to the next.", shown_default="15s")
    max_queue: Any = setting(
        _size(), None, "How much may wait on the disk while it is down.", shown_default="64MB"
    )


@dataclass(frozen=True, slots=True)
class Alerts:
    """alerts"""

    burn_rates: Any = setting(
        switch(), None, "Alert when an error budget is spent too fast.", shown_default="true"
    )
    anomalies: Any = setting(
        switch(), None, "Alert on hours that are unlike the same hours before, and on changes that"
        " last.", shown_default="true",
    )  # fmt: skip
    down_after: Any = setting(
        whole(1), None, "Failed probes in a row, after which a target is down.", shown_default="3"
    )


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of alerts."""

    name: Any = setting(_name(), None, "What it is called; each needs its own.")
    kind: Any = setting(
        choice("webhook", "slack", "alertmanager"), None, "In which form it is told."
    )
    url: Any = setting(
        text("URL"), None, "Where it is told. What Slack gives is a secret: write `${NAME}` or one"
        " of the two below.", rivals=("url_env", "url_file"),
    )  # fmt: skip
    url_env: Any = setting(
        text("NAME"), None, "The variable that holds it.", rivals=("url", "url_file")
    )
    url_file: Any = setting(
        text("FILE"), None, "The file that holds it, read again when it changes.",
        rivals=("url", "url_env"),
    )  # fmt: skip
    header: Any = again(Asked, "header")
    secret: Any = setting(
        text(), None, "Signs what a webhook is sent.", rivals=("secret_env", "secret_file")
    )
    secret_env: Any = setting(
        text("NAME"), None, "The variable that holds it.", rivals=("secret", "secret_file")
    )
    secret_file: Any = setting(
        text("FILE"), None, "The file that holds it, read again when it changes.",
        rivals=("secret", "secret_env"),
    )  # fmt: skip
    min_severity: Any = setting(
        choice("info", "warning", "critical"), None, "The least of which it is told.",
        shown_default="warning",
    )  # fmt: skip
    repeat: Any = setting(
        span(), None, "How often it is told again of what goes on.", shown_default="4h"
    )


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence."""

    match: Any = setting(
        _patterns(), None, "Patterns by name, all of which must match: `target`, `kind`,"
        " `provider`, `model`, `region`, `severity`, `what`, `label.NAME`.",
    )  # fmt: skip
    until: Any = setting(moment(), None, "When it ends.", shown_default="never")
    comment: Any = setting(text(), None, "Why.")


@dataclass(frozen=True, slots=True)
class Retention:
    """retention"""

    probes: Any = setting(span(), None, "How long every probe is kept.", shown_default="14d")
    hours: Any = setting(
        span(), None, "How long each hour's summary is kept.", shown_default="400d"
    )


SECTIONS: dict[str, type] = {"tls": Tls, "alerts": Alerts, "retention": Retention}
"""Tables of the file's top, and what they hold."""

GROUPS: dict[str, tuple[type, ...]] = {"monitor": (Monitored, Logged)}


def keys_of(group: type) -> dict[str, Any]:
    """The settings of a group by their names."""
    return {item.name: item for item in settings_of(group)}
