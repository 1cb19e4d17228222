"""What the interface and the pages need to know of a monitor.

Protocols, and not the monitor itself: the monitor serves what is made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ...clock import Clock
    from ..alerts import Incident, Note, Silence
    from ..config import MonitorConfig
    from ..history import Bin, HistoryHealth
    from ..live import TargetNow
    from ..probe import Row, Taker
    from ..push import PushHealth


class Kept(Protocol):
    """What is kept of probes; each call but `health` waits for the disk, so it is made in a
    thread."""

    def rows(
        self,
        since_unix_s: float,
        until_unix_s: float,
        target: str | None = None,
        *,
        newest: int | None = None,
        failed: bool = False,
    ) -> list[Row]: ...

    def series(
        self, target: str, since_unix_s: float, until_unix_s: float, step_s: float
    ) -> list[Bin]: ...

    def health(self) -> HistoryHealth: ...


class Seen(Protocol):
    """What is known of each target now."""

    def overview(self) -> list[TargetNow]: ...

    def target(self, name: str) -> TargetNow | None: ...


class Alarmed(Protocol):
    """Incidents, and who is not told of them."""

    def incidents(self, *, open_only: bool = False) -> Sequence[Incident]: ...

    def silences(self) -> Sequence[Silence]: ...

    def silence(
        self, matchers: Mapping[str, str], until_unix_s: float, comment: str
    ) -> Silence: ...

    def unsilence(self, silence_id: str) -> bool: ...

    def burn_rates(self, target: str) -> Sequence[tuple[str, str, float]]: ...

    def notes(self, target: str, since_unix_s: float, until_unix_s: float) -> Sequence[Note]: ...


class Sent(Protocol):
    """What is sent to other services."""

    def health(self) -> Sequence[PushHealth]: ...


class Reread(Protocol):
    """The last time that the configuration was read."""

    @property
    def at_unix_s(self) -> float: ...

    @property
    def error(self) -> str | None: ...


class Stands(Protocol):
    """How a target stands with the schedule."""

    @property
    def next_unix_s(self) -> float: ...

    @property
    def held_until_unix_s(self) -> float | None: ...

    @property
    def spent_usd_today(self) -> Decimal: ...

    @property
    def out_of_money(self) -> bool: ...


class Monitored(Protocol):
    """A monitor, as far as it is seen from outside."""

    @property
    def config(self) -> MonitorConfig: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def history(self) -> Kept: ...

    @property
    def live(self) -> Seen: ...

    @property
    def alerts(self) -> Alarmed: ...

    @property
    def pushes(self) -> Sent: ...

    @property
    def takers(self) -> list[Taker]: ...

    @property
    def started_unix_s(self) -> float: ...

    @property
    def last_reload(self) -> Reread: ...

    def standing(self, target: str) -> Stands | None: ...

    async def probe_now(self, target: str) -> Row: ...
