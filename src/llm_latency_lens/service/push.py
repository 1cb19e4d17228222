"""What the monitor sends to others, by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..clock import Clock
from .config import PushConfig
from .families import Told
from .metrics import Metrics
from .probe import Probe


@dataclass(frozen=True, slots=True)
class PushHealth:
    """One receiver: its URL without secrets, messages that it took since the start, bytes that wait
    on the disk, messages that were given up, and what went wrong last."""

    url: str
    sent: int
    waiting_bytes: int
    lost: int
    error: str | None


class Pushes:
    """Takes probes, sends them to every receiver; what it is down for waits in `folder`.

    Raises UsageError for a URL that is none.
    """

    def __init__(
        self,
        configs: Sequence[PushConfig],
        folder: Path,
        clock: Clock,
        environ: Mapping[str, str],
        metrics: Metrics,
        *,
        run: str = "monitor",
    ) -> None:
        self._told = (configs, folder, clock, environ, metrics, run)

    def __call__(self, probe: Probe) -> None:
        pass

    def start(self) -> None:
        """Begin to send; what waits from earlier goes first."""

    async def stop(self) -> None:
        """Send what can be sent at once; the rest waits on the disk for the next start."""

    def health(self) -> list[PushHealth]:
        return []

    def told(self) -> Iterator[Told]:
        """For the metrics."""
        yield from ()
