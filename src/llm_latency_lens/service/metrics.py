"""What Prometheus scrapes: what probes came to, and how the monitor itself fares."""

from __future__ import annotations

import asyncio
import platform
import zlib
from collections.abc import Iterator, Sequence

from .._version import __version__
from ..clock import MS_NS, Clock
from ..record import Record
from ..sinks.metric_set import SETUP, TIMES, Key, MetricSet
from ..sinks.tally import Tally
from .config import TargetConfig
from .exposition import Exposition
from .families import Source, Told
from .live import Live
from .probe import Probe

KEPT = tuple(one for one in TIMES if one.name in ("ttft", "itl", "tpot", "e2e", "connection"))
"""The histograms of a target: 150 series, where connections are set up by TLS."""
LAG = ("probe_start_lag", "How late probes started, against their schedule.")

_LAG_BOUNDS = SETUP
_TURN_NS = 1 * MS_NS
_FAST = 1
"""zlib's level: a tenth of the time of the usual one, and a third more bytes."""
_GZIP = 31


class Metrics:
    """Takes probes, gives the text of all metrics.

    Series are those of the targets that there are; what others tell comes from `sources`, which are
    asked at each scrape. Counters begin at 0 with the process, as Prometheus expects it.
    """

    def __init__(
        self,
        targets: Sequence[TargetConfig],
        clock: Clock,
        *,
        live: Live | None = None,
        sources: Sequence[Source] = (),
    ) -> None:
        self.sources = [self._own, *([] if live is None else [_standing(live)]), *sources]
        self._clock = clock
        self._set = MetricSet(times=KEPT, service=True)
        self._lag = Tally(_LAG_BOUNDS)
        self._forms = {form: Exposition(openmetrics=form) for form in (False, True)}
        self._limits: dict[tuple[str, str], int] = {}
        self._clock_source: str | None = None
        self._step_s = 0.0
        self.retarget(targets)

    def retarget(self, targets: Sequence[TargetConfig]) -> None:
        """Take over a new list of targets: series of those that are gone end."""
        self._targets: dict[str, Key] = {
            one.name: (one.name, one.provider, one.model) for one in targets
        }
        self._promises = {one.name: one.promises for one in targets}
        self._set.keep(self._targets)
        self._limits = {key: left for key, left in self._limits.items() if key[0] in self._targets}
        for form in self._forms.values():
            form.label({one.name: dict(one.labels) for one in targets})

    def __call__(self, probe: Probe) -> None:
        record, row = probe.record, probe.row
        if row.target not in self._targets:
            return
        self._set.add(record)
        if row.start_lag_ms is not None:
            self._lag.add([max(0, round(row.start_lag_ms * MS_NS))])
        self._clock_source = row.clock_source
        self._step_s += abs(row.clock_step_ms) / 1e3
        self._note_limits(record)

    def _note_limits(self, record: Record) -> None:
        for limit in record.rate_limits:
            if limit.remaining is not None and record.arm:
                self._limits[record.arm, limit.name] = limit.remaining

    async def text(self, accept: str = "") -> tuple[bytes, str]:
        """The body and its content type: OpenMetrics, with exemplars, where `accept` asks for it.
        Others get their turn meanwhile."""
        form = self._forms["application/openmetrics-text" in accept]
        return await self._rendered(form), form.content_type

    async def answer(self, accept: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of an answer, compressed where that is asked for."""
        body, content_type = await self.text(accept)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if "gzip" in accept_encoding:
            body = await asyncio.to_thread(_packed, body)
            headers["Content-Encoding"] = "gzip"
        return body, headers

    async def _rendered(self, form: Exposition) -> bytes:
        pieces = []
        begun_ns = self._clock.monotonic_ns()
        for piece in self._pieces(form):
            pieces.append(piece)
            if self._clock.monotonic_ns() - begun_ns > _TURN_NS:
                await asyncio.sleep(0)
                begun_ns = self._clock.monotonic_ns()
        await asyncio.sleep(0)
        return "".join(pieces).encode("utf-8", "replace")

    def _pieces(self, form: Exposition) -> Iterator[str]:
        yield from form.histograms(self._set, KEPT)
        yield from form.counters(self._set)
        if self._lag.count:
            yield form.single(*LAG, self._lag)
        for source in self.sources:
            for name, values in source():
                yield form.family(name, values, self._targets)
        yield form.end()

    def _own(self) -> Iterator[Told]:
        """What is known here."""
        yield "build", [((__version__, platform.python_version()), 1)]
        if self._clock_source:
            yield "clock_source", [((self._clock_source,), 1)]
        yield "clock_step_seconds", [((), self._step_s)]
        yield "rate_limit_remaining", list(self._limits.items())
        yield (
            "objective_target_ratio",
            [
                ((name, promise.text), promise.share)
                for name, promises in self._promises.items()
                for promise in promises
            ],
        )


def _standing(live: Live) -> Source:
    """What is known of how targets stand."""

    def source() -> Iterator[Told]:
        standing = list(live.standing())
        yield (
            "target_up",
            [((name,), int(state == "up")) for name, state, _ in standing if state != "unknown"],
        )
        yield (
            "availability_ratio",
            [
                ((name, window), share)
                for name, _, shares in standing
                for window, share in shares.items()
                if share is not None
            ],
        )

    return source


def _packed(body: bytes) -> bytes:
    squeezer = zlib.compressobj(_FAST, wbits=_GZIP)
    return squeezer.compress(body) + squeezer.flush()
