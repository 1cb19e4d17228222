"""The monitor's own trouble: rows that are lost, queues that grow, receivers that do not answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ...report.figures import count, seconds
from .delivery import Delivery
from .due import own_trouble
from .incident import About, Condition, Severity

PATIENCE_S = 300.0
"""How long a receiver may be away, and a loss is remembered."""

Trouble = tuple[str, Severity, str]
"""Of what, how bad, and the sentence."""


class HistoryHealth(Protocol):
    @property
    def lost(self) -> int: ...
    @property
    def error(self) -> str | None: ...


class PushHealth(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def lost(self) -> int: ...
    @property
    def error(self) -> str | None: ...


class HasHistory(Protocol):
    def health(self) -> HistoryHealth: ...


class HasPushes(Protocol):
    def health(self) -> Sequence[PushHealth]: ...


class Troubles:
    """Remembers what was lost before, and since when something fails."""

    def __init__(self, history: HasHistory | None, pushes: HasPushes | None) -> None:
        self._history = history
        self._pushes = pushes
        self._lost: dict[str, tuple[int, float | None]] = {}
        """How much was lost of what, and when it last grew."""
        self._since: dict[str, float] = {}

    def look(
        self, kept_error: str | None, deliveries: Iterable[Delivery], now_unix_s: float
    ) -> Iterator[Condition]:
        """What is wrong now; `kept_error` is why the alerts' own state cannot be written."""
        found = [*self._of_history(now_unix_s), *self._of_pushes(now_unix_s)]
        if kept_error:
            found.append(("alerts", "critical", f"the alerts cannot be written: {kept_error}"))
        for what, severity, sentence in (*found, *_of_receivers(deliveries, now_unix_s)):
            told = f"monitor: {sentence}"
            yield Condition("monitor", severity, About(), what, told, now_unix_s, {})

    def _of_history(self, now_unix_s: float) -> Iterator[Trouble]:
        if self._history is None:
            return
        health = self._history.health()
        if error := self._failing("history", health.error, now_unix_s, 0.0):
            yield "history", "critical", f"the history cannot be written: {error}"
        elif self._loses("history", health.lost, now_unix_s):
            lost = count(health.lost, "row")
            yield "history", "critical", f"the history lost {lost} since the start"

    def _of_pushes(self, now_unix_s: float) -> Iterator[Trouble]:
        for push in self._pushes.health() if self._pushes is not None else ():
            what = f"push {push.url}"
            failing = self._failing(what, push.error, now_unix_s, PATIENCE_S)
            if self._loses(what, push.lost, now_unix_s):
                lost = count(push.lost, "row")
                told = f"the queue for {push.url} is full: {lost} lost since the start"
                yield what, "warning", told
            elif failing:
                away = seconds(now_unix_s - self._since[what])
                told = f"nothing reaches {push.url} for {away}, what is for it waits: {failing}"
                yield what, "warning", told

    def _failing(
        self, what: str, error: str | None, now_unix_s: float, patience_s: float
    ) -> str | None:
        """The error, once it has lasted."""
        if error is None:
            self._since.pop(what, None)
            return None
        since = self._since.setdefault(what, now_unix_s)
        return error if now_unix_s - since >= patience_s else None

    def _loses(self, what: str, lost: int, now_unix_s: float) -> bool:
        """Whether more was lost lately."""
        before, grew = self._lost.get(what, (0, None))
        if lost > before:
            grew = now_unix_s
        self._lost[what] = lost, grew
        return grew is not None and 0.0 <= now_unix_s - grew < PATIENCE_S


def _of_receivers(deliveries: Iterable[Delivery], now_unix_s: float) -> Iterator[Trouble]:
    for delivery in deliveries:
        name, began = delivery.receiver.name, delivery.failing_since
        if began is not None and now_unix_s - began >= PATIENCE_S:
            away = seconds(now_unix_s - began)
            yield (
                own_trouble(delivery.receiver),
                "warning",
                f"{name} takes no alerts for {away}, {delivery.waiting} wait: {delivery.error}",
            )
