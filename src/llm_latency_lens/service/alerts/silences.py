"""Silences: what nobody is to be told of for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from secrets import token_hex

import msgspec

from ...errors import UsageError
from .incident import Incident

MATCHED = ("target", "kind", "provider", "model", "region", "severity", "what")
"""What a silence can look at; a label of the target as `label.NAME`."""
LONGEST_S = 366 * 86_400


class Silence(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`matchers` are patterns by name, `*` and `?` in them as in file names; all of them must
    match. One without an end is the configuration's."""

    id: str
    matchers: dict[str, str]
    until_unix_s: float | None
    since_unix_s: float = 0.0
    comment: str = ""

    def covers(self, incident: Incident, now_unix_s: float) -> bool:
        if (
            self.until_unix_s is not None
            and not self.since_unix_s <= now_unix_s < self.until_unix_s
        ):
            return False
        return all(
            fnmatchcase(_seen(incident, name), pattern) for name, pattern in self.matchers.items()
        )


def made(
    matchers: Mapping[str, str], until_unix_s: float, now_unix_s: float, comment: str
) -> Silence:
    """Raises UsageError for one that would silence nothing, or everything."""
    check(matchers)
    if not now_unix_s < until_unix_s <= now_unix_s + LONGEST_S:
        raise UsageError("a silence must end in the future, within a year")
    return Silence(
        id=token_hex(8),
        matchers=dict(matchers),
        until_unix_s=until_unix_s,
        since_unix_s=now_unix_s,
        comment=comment[:500],
    )


def check(matchers: Mapping[str, str]) -> None:
    """Raises UsageError with what is wrong in them."""
    if not matchers:
        raise UsageError(f"a silence needs one of {', '.join(MATCHED)}, such as target: chat-*")
    for name, pattern in matchers.items():
        if name not in MATCHED and not name.startswith("label."):
            raise UsageError(
                f"a silence cannot match {name!r}: known are {', '.join(MATCHED)} and label.NAME"
            )
        if not pattern:
            raise UsageError(f"a silence needs a pattern for {name}, such as chat-*")


def silenced(incident: Incident, silences: Iterable[Silence], now_unix_s: float) -> bool:
    return any(silence.covers(incident, now_unix_s) for silence in silences)


def _seen(incident: Incident, name: str) -> str:
    if name.startswith("label."):
        return incident.labels.get(name.removeprefix("label."), "")
    return str(getattr(incident, name))
