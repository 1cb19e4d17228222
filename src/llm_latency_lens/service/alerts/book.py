"""All incidents and silences, and who was told of what: in memory, and in a log on disk.

Each change is a line that is handed to the operating system before anybody is told of it, so that a
killed process finds its incidents again; a torn last line is skipped. A receiver is noted to know
something after it has said so: killed in between, it is told a second time, never not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from .incident import Condition, Incident, Severity
from .silences import Silence

KEPT_S = 90 * 86_400.0
KEPT = 2000
"""Incidents that are over and kept, at most."""
_SLACK = 2000
"""Lines of the log beyond those that are needed, at which it is written anew."""


class Told(msgspec.Struct, frozen=True):
    """What a receiver last heard of an incident, for the how-manieth time."""

    at_unix_s: float
    severity: Severity
    resolved: bool = False
    times: int = 1


class _Line(msgspec.Struct, omit_defaults=True):
    incident: Incident | None = None
    silence: Silence | None = None
    lifted: str | None = None
    receiver: str | None = None
    since_unix_s: float | None = None
    told: dict[str, Told] = {}


class Book:
    """`error` says why the log could not be written; what it lacks is written when that is over."""

    def __init__(self, folder: Path) -> None:
        self.incidents: dict[str, Incident] = {}
        self.silences: dict[str, Silence] = {}
        self.told: dict[str, dict[str, Told]] = {}
        self.since: dict[str, float] = {}
        """Since when each receiver is one: it is told of nothing before."""
        self.error: str | None = None
        self._open: dict[tuple[str, str, str], Incident] = {}
        self._path = folder / "incidents.jsonl"
        self._lines = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._read()
        self.tidy(force=True)

    def open(self) -> Iterable[Incident]:
        return self._open.values()

    # -- incidents ----------------------------------------------------------------------------

    def reconcile(
        self, conditions: Iterable[Condition], ending: Callable[[Incident], str], now_unix_s: float
    ) -> list[Incident]:
        """Open what is new, take up what has changed, resolve what is gone; gives what was opened
        or resolved."""
        found = {condition.key: condition for condition in conditions}
        changed: list[Incident] = []
        for key, condition in found.items():
            incident = self._open.get(key)
            if incident is None:
                incident = condition.opened(now_unix_s)
                self.incidents[incident.id] = self._open[key] = incident
                changed.append(incident)
            elif _updated(incident, condition):
                self._write(_Line(incident=incident))
        for key in self._open.keys() - found.keys():
            incident = self._open.pop(key)
            incident.resolved_unix_s = max(now_unix_s, incident.opened_unix_s)
            incident.ending = ending(incident)
            changed.append(incident)
        for incident in changed:
            self._write(_Line(incident=incident))
        return changed

    # -- silences -----------------------------------------------------------------------------

    def silence(self, silence: Silence) -> None:
        self.silences[silence.id] = silence
        self._write(_Line(silence=silence))

    def lift(self, silence_id: str) -> bool:
        """Whether there was such a silence."""
        if self.silences.pop(silence_id, None) is None:
            return False
        self._write(_Line(lifted=silence_id))
        return True

    # -- who knows what -----------------------------------------------------------------------

    def meet(self, receiver: str, now_unix_s: float) -> None:
        """A receiver that may be new."""
        if receiver not in self.since:
            self.since[receiver] = now_unix_s
            self._write(_Line(receiver=receiver, since_unix_s=now_unix_s))

    def heard(self, receiver: str, told: dict[str, Told]) -> None:
        """The receiver has taken these; what it merely heard again is not written."""
        known = self.told.setdefault(receiver, {})
        news = {
            name: one
            for name, one in told.items()
            if (old := known.get(name)) is None
            or (old.severity, old.resolved) != (one.severity, one.resolved)
            or one.times != old.times
        }
        known |= told
        if news:
            self._write(_Line(receiver=receiver, told=news))

    # -- the log ------------------------------------------------------------------------------

    def tidy(self, now_unix_s: float = 0.0, *, force: bool = False) -> None:
        """Forget what is old, and write the log anew where it has grown or has gaps."""
        if now_unix_s:
            self._forget(now_unix_s)
        whole = list(self._whole())
        if not force and self.error is None and self._lines < len(whole) + _SLACK:
            return
        new = self._path.with_suffix(".new")
        try:
            new.touch(mode=0o600)
            new.write_bytes(b"".join(map(_encoded, whole)))
            new.replace(self._path)
        except OSError as error:
            self.error = error.strerror or type(error).__name__
        else:
            self.error, self._lines = None, len(whole)

    def _forget(self, now_unix_s: float) -> None:
        over = [one for one in self.incidents.values() if not one.open]
        over.sort(key=lambda one: one.resolved_unix_s or 0.0)
        keep = {one.id for one in over[-KEPT:] if (one.resolved_unix_s or 0) > now_unix_s - KEPT_S}
        for incident in over:
            if incident.id not in keep:
                del self.incidents[incident.id]
        for known in self.told.values():
            for name in known.keys() - self.incidents.keys():
                del known[name]
        for silence in list(self.silences.values()):
            if silence.until_unix_s is not None and silence.until_unix_s <= now_unix_s:
                del self.silences[silence.id]

    def _whole(self) -> Iterator[_Line]:
        yield from (_Line(incident=incident) for incident in self.incidents.values())
        yield from (_Line(silence=silence) for silence in self.silences.values())
        for receiver, since_unix_s in self.since.items():
            yield _Line(
                receiver=receiver, since_unix_s=since_unix_s, told=self.told.get(receiver, {})
            )

    def _write(self, line: _Line) -> None:
        if self.error is not None:
            return  # the log is written anew by `tidy`, with this in it
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, _encoded(line))
            finally:
                os.close(descriptor)
        except OSError as error:
            self.error = error.strerror or type(error).__name__
        self._lines += 1

    def _read(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for text in lines:
            try:
                line = _decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # torn, by a process that was killed
            self._take(line)
        self._open = {one.key: one for one in self.incidents.values() if one.open}

    def _take(self, line: _Line) -> None:
        if line.incident is not None:
            self.incidents[line.incident.id] = line.incident
        if line.silence is not None:
            self.silences[line.silence.id] = line.silence
        if line.lifted is not None:
            self.silences.pop(line.lifted, None)
        if line.receiver is not None:
            if line.since_unix_s is not None:
                self.since.setdefault(line.receiver, line.since_unix_s)
            self.told.setdefault(line.receiver, {}).update(line.told)


def _updated(incident: Incident, condition: Condition) -> bool:
    """Take up what is true now; whether somebody may have to be told of it."""
    worse = incident.severity != condition.severity
    incident.severity, incident.sentence = condition.severity, condition.sentence
    incident.figures = dict(condition.figures)
    return worse


def _encoded(line: _Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


_decoder = msgspec.json.Decoder(_Line)
