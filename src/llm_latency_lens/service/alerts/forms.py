"""What receivers are sent: a webhook's JSON, Slack's, Alertmanager's. Pure.

A webhook is signed as Standard Webhooks says (https://www.standardwebhooks.com): its id stays the
same when a message is sent again, so that a receiver can tell; the signature covers id, time and
body.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import Any, Literal

import msgspec

from ...metrics import schema
from ...report.figures import count
from ...request import Secret
from ..config import ReceiverConfig
from .due import News
from .incident import Incident
from .words import told as one_line

Schema = Literal["latency-lens.alert/1"]
SCHEMA: Schema = "latency-lens.alert/1"

LINES = 20
"""Incidents that a text names one by one."""
NAMED = 5
SLACK_MOST = 3000
LASTS_S = 300.0
"""How long Alertmanager believes what it has heard: longer than we take to say it again."""

_ALERTNAMES = {
    "down": "LatencyLensTargetDown",
    "burn_rate": "LatencyLensBurnRate",
    "anomaly": "LatencyLensAnomaly",
    "change": "LatencyLensChange",
    "cost": "LatencyLensCostLimit",
    "monitor": "LatencyLensMonitor",
}


class Notice(msgspec.Struct, kw_only=True):
    """One message. `status` is `open` as long as one of its incidents is; `id` is the same when it
    is sent again. `text` is the whole for people, `incidents` for programs."""

    schema: Schema = SCHEMA
    id: str
    status: Literal["open", "resolved"]
    text: str
    incidents: list[Incident]


@dataclass(frozen=True, slots=True)
class Post:
    """A request to a receiver: `path` follows its URL. Headers may hold a signature."""

    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    path: str = ""


def post(receiver: ReceiverConfig, news: Sequence[News], now_unix_s: float) -> Post:
    """What a receiver of its kind is sent."""
    incidents = [one.incident for one in news]
    headers = {"Content-Type": "application/json"}
    if receiver.kind == "alertmanager":
        alerts = [_alert(incident, now_unix_s) for incident in incidents]
        return Post(msgspec.json.encode(alerts), headers, "/api/v2/alerts")
    if receiver.kind == "slack":
        words = escape(text(incidents), quote=False)
        if len(words) > SLACK_MOST:
            words = words[: SLACK_MOST - 2].rpartition("\n")[0] + "\n…"
        return Post(msgspec.json.encode({"text": words}), headers)
    name = _named(receiver, news)
    status: Literal["open", "resolved"] = "open" if any(map(_is_open, incidents)) else "resolved"
    body = schema.encode(Notice(id=name, status=status, text=text(incidents), incidents=incidents))
    headers["webhook-id"] = name
    headers["webhook-timestamp"] = str(int(now_unix_s))
    if receiver.secret:
        headers["webhook-signature"] = signature(receiver.secret, name, int(now_unix_s), body)
    return Post(body, headers)


def signature(secret: Secret, name: str, at_unix_s: int, body: bytes) -> str:
    """The header `webhook-signature`."""
    given = secret.reveal()
    prefix, _, encoded = given.partition("whsec_")
    key = b64decode(encoded) if not prefix and encoded else given.encode()
    signed = b"%s.%d.%s" % (name.encode(), at_unix_s, body)
    return "v1," + b64encode(hmac.new(key, signed, sha256).digest()).decode()


def text(incidents: Sequence[Incident]) -> str:
    """A message for people: a line that says what it is of, where it is of several, and a line for
    each."""
    lines = [one_line(incident) for incident in incidents[:LINES]]
    if len(incidents) > LINES:
        lines.append(f"and {len(incidents) - LINES} more")
    if len(incidents) == 1:
        return lines[0]
    return "\n".join([_title(incidents), *lines])


def _title(incidents: Sequence[Incident]) -> str:
    """`openai: 12 targets are down: a, b, c and 9 more`."""
    named = list(dict.fromkeys(incident.target or incident.what for incident in incidents))
    shown = ", ".join(named[:NAMED])
    if len(named) > NAMED:
        shown += f" and {len(named) - NAMED} more"
    began = [incident for incident in incidents if incident.open]
    whose = incidents[0].provider
    of = {incident.kind for incident in incidents}
    what = _TITLES[of.pop()] if len(of) == 1 else "{} in trouble"
    if not began:
        what = "{}: trouble is over"
    many = what.format(count(len(named), "target" if incidents[0].target else "part"))
    return f"{whose + ': ' if whose else ''}{many}: {shown}"


_TITLES = {
    "down": "{} down",
    "burn_rate": "{} spending error budgets too fast",
    "anomaly": "{} slower than in the same hour of earlier days",
    "change": "{} changed",
    "cost": "{} at the day's limit of cost",
    "monitor": "trouble with {} of the monitor",
}


def _named(receiver: ReceiverConfig, news: Sequence[News]) -> str:
    """The same for the same news."""
    parts = [
        (
            one.incident.id,
            one.incident.severity,
            one.incident.open,
            one.told.times if one.told else 0,
        )
        for one in news
    ]
    return "msg_" + sha256(repr((receiver.name, sorted(parts))).encode()).hexdigest()[:24]


def _is_open(incident: Incident) -> bool:
    return incident.open


def _alert(incident: Incident, now_unix_s: float) -> dict[str, Any]:
    """As Alertmanager takes it: labels say which alert it is, so that they never change but for
    the severity."""
    own = {
        "alertname": _ALERTNAMES[incident.kind],
        "severity": incident.severity,
        "target": incident.target,
        "provider": incident.provider,
        "model": incident.model,
        "region": incident.region,
        "what": incident.what,
    }
    labels = {_label(name): value for name, value in incident.labels.items()} | own
    began = min(incident.since_unix_s, incident.opened_unix_s)
    ends = now_unix_s + LASTS_S if incident.open else max(incident.resolved_unix_s or 0.0, began)
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": one_line(incident), "incident": incident.id},
        "startsAt": _moment(began),
        "endsAt": _moment(ends),
    }


def _label(name: str) -> str:
    """A name as Prometheus has it."""
    kept = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{kept}" if kept[:1].isdigit() else kept


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what a webhook is sent."""
    return schema.schema_of(Notice)
