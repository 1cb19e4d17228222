"""What is wrong: a condition as it is seen now, and the incident that it opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
Kind = Literal["down", "burn_rate", "anomaly", "change", "cost", "monitor"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
KINDS: tuple[Kind, ...] = ("down", "burn_rate", "anomaly", "change", "cost", "monitor")


class Incident(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Something that is wrong, or was: `resolved_unix_s` says until when.
    It began at `since_unix_s`, as far as one can tell, and was noticed at `opened_unix_s`.

    `what` says of which objective, figure or part of the monitor; `target`, `provider`, `model` and
    `region` are empty where it is no target's. `sentence` is for people, `figures` for programs:
    they are those of the moment when it was last looked at. `ending` says why it is over, where
    that is not plain.
    """

    id: str
    kind: Kind
    severity: Severity
    what: str
    sentence: str
    opened_unix_s: float
    since_unix_s: float
    resolved_unix_s: float | None = None
    ending: str = ""
    target: str = ""
    provider: str = ""
    model: str = ""
    region: str = ""
    labels: dict[str, str] = {}
    figures: dict[str, float] = {}

    @property
    def open(self) -> bool:
        return self.resolved_unix_s is None

    @property
    def key(self) -> tuple[str, str, str]:
        """Of what is the same trouble, one incident is open."""
        return self.kind, self.target, self.what


@dataclass(frozen=True, slots=True)
class About:
    """Whose trouble it is; all empty for the monitor's own."""

    target: str = ""
    provider: str = ""
    model: str = ""
    region: str = ""
    labels: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """As sentences begin: `openai/gpt-4o-mini in eu-west`, or the target's own name where that
        says more."""
        whose = f"{self.provider}/{self.model}" if self.provider else self.target
        named = whose if self.target in (whose, self.model) else f"{self.target} ({whose})"
        return f"{named} in {self.region}" if self.region else named


@dataclass(frozen=True, slots=True)
class Condition:
    """What is wrong just now. `since_unix_s` is when it began, as far as one can tell."""

    kind: Kind
    severity: Severity
    about: About
    what: str
    sentence: str
    since_unix_s: float
    figures: Mapping[str, float]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.about.target, self.what

    def opened(self, now_unix_s: float) -> Incident:
        about = self.about
        named = repr((self.key, now_unix_s)).encode()
        return Incident(
            id=sha256(named).hexdigest()[:16],
            kind=self.kind,
            severity=self.severity,
            what=self.what,
            sentence=self.sentence,
            opened_unix_s=now_unix_s,
            since_unix_s=self.since_unix_s,
            target=about.target,
            provider=about.provider,
            model=about.model,
            region=about.region,
            labels=dict(about.labels or {}),
            figures=dict(self.figures),
        )
