"""Who has to be told of what, now: pure.

What is new waits a little, so that an outage of a whole provider becomes one message: until nothing
has joined it for `WAIT_S`, `LONGEST_WAIT_S` at most. What is open is repeated. While a target is
down, and for an hour after, nobody is told what else that brought: it is one trouble.

Alertmanager groups, waits and repeats by itself, and forgets what it does not hear again. So it is
told of everything at once and every `REFRESH_S`, of an end for `RESOLVED_FOR_S`, as is usual.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..config import ReceiverConfig
from .book import Book, Told
from .incident import SEVERITIES, Incident, Severity
from .silences import Silence, silenced

WAIT_S = 30.0
LONGEST_WAIT_S = 120.0
REFRESH_S = 60.0
RESOLVED_FOR_S = 900.0
AFTERMATH_S = 3600.0
"""How long after an outage what came with it is still thought to be of it."""
STALE_S = 86_400.0
"""An end that nobody could be told of for so long is told no more, where the beginning was not."""


@dataclass(frozen=True, slots=True)
class News:
    """An incident that a receiver is to hear of; `told` is what it has heard before. `since` is
    when it became news, or None where it need not wait for others."""

    incident: Incident
    told: Told | None
    since: float | None

    def heard(self, now_unix_s: float) -> Told:
        """What the receiver will have heard, once it has taken this."""
        times = 1 if self.told is None else self.told.times + 1
        return Told(now_unix_s, self.incident.severity, not self.incident.open, times)


def messages(
    book: Book, receiver: ReceiverConfig, silences: Iterable[Silence], now_unix_s: float
) -> list[list[News]]:
    """What is ripe, each list one message."""
    outages = defaultdict(list)
    for incident in book.incidents.values():
        if incident.kind == "down" and _recent(incident, now_unix_s):
            outages[incident.target].append(incident)
    look = _Look(book, receiver, tuple(silences), outages, now_unix_s)
    if receiver.kind == "alertmanager":
        every = list(look.for_alertmanager())
        return [every] if every else []
    groups: dict[tuple[str, str], list[News]] = defaultdict(list)
    for news in look.for_people():
        incident = news.incident
        groups[incident.kind, incident.provider or incident.what].append(news)
    return [group for group in groups.values() if _ripe(group, now_unix_s)]


def _ripe(group: list[News], now_unix_s: float) -> bool:
    moments = [news.since for news in group if news.since is not None]
    if not moments or len(moments) < len(group):
        return True
    # A clock that was set back must not make anybody wait for it.
    quiet, longest = now_unix_s - max(moments), now_unix_s - min(moments)
    return quiet >= WAIT_S or longest >= LONGEST_WAIT_S or quiet < 0.0


@dataclass(frozen=True, slots=True)
class _Look:
    book: Book
    receiver: ReceiverConfig
    silences: tuple[Silence, ...]
    outages: Mapping[str, list[Incident]]
    """Of each target: those that go on, or have just ended."""
    now: float

    def for_people(self) -> Iterator[News]:
        known = self._known()
        for incident in self.book.incidents.values():
            told = known.get(incident.id)
            if incident.open:
                if self._wanted(incident):
                    yield from self._open(incident, told)
            elif told is not None:
                if not told.resolved:
                    yield News(incident, told, incident.resolved_unix_s)
            elif self._missed(incident):
                yield News(incident, None, incident.resolved_unix_s)

    def _open(self, incident: Incident, told: Told | None) -> Iterator[News]:
        if told is None:
            yield News(incident, None, incident.opened_unix_s)
            return
        worse = _rank(incident.severity) > _rank(told.severity)
        if worse or not 0.0 <= self.now - told.at_unix_s < self.receiver.repeat_s:
            yield News(incident, told, None)

    def for_alertmanager(self) -> Iterator[News]:
        known = self._known()
        for incident in self.book.incidents.values():
            told = known.get(incident.id)
            fresh = told is not None and 0.0 <= self.now - told.at_unix_s < REFRESH_S
            if incident.open:
                worse = told is not None and told.severity != incident.severity
                if self._wanted(incident) and (worse or not fresh):
                    yield News(incident, told, None)
            elif told is not None:
                recent = self.now - (incident.resolved_unix_s or 0.0) < RESOLVED_FOR_S
                if not told.resolved or (recent and not fresh):
                    yield News(incident, told, None)

    def _known(self) -> Mapping[str, Told]:
        return self.book.told.get(self.receiver.name, {})

    def _wanted(self, incident: Incident) -> bool:
        """Whether the receiver is to hear that this is open."""
        return (
            _rank(incident.severity) >= _rank(self.receiver.min_severity)
            and incident.what != own_trouble(self.receiver)
            and not silenced(incident, self.silences, self.now)
            and not self._hidden(incident)
        )

    def _missed(self, incident: Incident) -> bool:
        """Whether it opened and ended while the receiver could not be told."""
        resolved = incident.resolved_unix_s or 0.0
        known_since = self.book.since.get(self.receiver.name, self.now)
        return (
            known_since <= incident.opened_unix_s
            and self.now - resolved < STALE_S
            and incident.kind in ("down", "monitor")
            and self._wanted(incident)
        )

    def _hidden(self, incident: Incident) -> bool:
        """Whether it came with an outage of its target, of which the receiver hears anyway."""
        if incident.kind == "down" or not incident.target:
            return False
        return any(
            (outage.resolved_unix_s or self.now) >= incident.opened_unix_s
            for outage in self.outages.get(incident.target, ())
        )


def _recent(outage: Incident, now_unix_s: float) -> bool:
    ended = outage.resolved_unix_s
    return ended is None or 0.0 <= now_unix_s - ended < AFTERMATH_S


def own_trouble(receiver: ReceiverConfig) -> str:
    """Of what the incident is that the receiver cannot be told anything: it need not hear that."""
    return f"receiver {receiver.name}"


def _rank(severity: Severity) -> int:
    return SEVERITIES.index(severity)
