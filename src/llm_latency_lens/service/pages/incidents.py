"""What went wrong, and who is not told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import UsageError
from ..alerts import Silence
from ..api.asking import length_of
from ..api.desk import Desk
from . import telling

EVERY_S = 5
LENGTHS = {"1h": "an hour", "4h": "four hours", "24h": "a day", "7d": "a week"}
_MOST = 200


@dataclass(frozen=True, slots=True)
class SilenceLine:
    """A silence in the table; one of the configuration has no end, and is not ended here."""

    id: str
    what: str
    until_unix_s: float | None
    why: str


def incidents(desk: Desk, only: str | None, problem: str = "") -> dict[str, Any]:
    """What the page shows. Raises UsageError for a target that there is not."""
    if only:
        desk.target(only)
    every = desk.monitor.alerts.incidents()
    found = telling.incidents(desk, (one for one in every if only in (None, "", one.target)))
    return {
        "title": "Incidents",
        "every": EVERY_S,
        "only_target": only or "",
        "opened": [one for one in found if one.open],
        "over": [one for one in found if not one.open][:_MOST],
        "silences": [_silence(one) for one in desk.monitor.alerts.silences()],
        "problem": problem,
        "all": [one.name for one in desk.targets],
        "lengths": list(LENGTHS.items()),
    }


def silence(desk: Desk, form: Mapping[str, str]) -> None:
    """Silence what the form says. Raises UsageError."""
    target, lasts = form.get("target", ""), form.get("for", "")
    if lasts not in LENGTHS:
        raise UsageError("choose for how long")
    matchers = {"target": desk.target(target).name if target else "*"}
    until_unix_s = desk.now_unix_s + (length_of(lasts) or 0.0)
    desk.monitor.alerts.silence(matchers, until_unix_s, form.get("comment", "").strip())


def _silence(one: Silence) -> SilenceLine:
    what = ", ".join(f"{name} {pattern}" for name, pattern in one.matchers.items())
    return SilenceLine(one.id, what, one.until_unix_s, one.comment)
