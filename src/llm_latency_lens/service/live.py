"""What is known of each target now, in memory: for the overview, the metrics and the page."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isnan
from typing import Literal

import msgspec

from ..clock import SECOND_NS, Clock
from .config import DAY_S, TargetConfig
from .history import History, Tally
from .probe import Probe, Row

State = Literal["up", "down", "unknown"]

HOUR_S = 3600
SPARK = 60
"""Probes in a sparkline."""
_STEP_S = 300
"""The day is counted in steps of five minutes."""
_SILENT = 3
"""Intervals without a probe, after which nothing is known."""
_NAN = float("nan")


class TargetNow(msgspec.Struct, kw_only=True):
    """One target as it stands. `unknown` is one of which nothing has come for three intervals.

    Availability is the share of probes that succeeded, None without any; a cancelled one counts as
    neither. `p50_ms` and `p95_ms` are of the TTFT of the last hour, `sparkline` the TTFTs of the
    last probes, None for one that failed.
    """

    name: str
    provider: str
    model: str
    region: str | None = None
    labels: dict[str, str] = {}
    state: State = "unknown"
    last: Row | None = None
    failed_in_a_row: int = 0
    sparkline: list[float | None] = []
    probes_1h: int = 0
    availability_1h: float | None = None
    availability_24h: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cost_today_usd: Decimal | None = None
    """Since midnight, UTC; None where nothing with a known cost has come."""


@dataclass(slots=True)
class _Seen:
    """One target: the last hour probe by probe, the last day by steps."""

    last: Row | None = None
    failed_in_a_row: int = 0
    at_s: array[float] = field(default_factory=lambda: array("d"))
    """When the probes of the last hour were, in the order in which they came."""
    ttft_ms: array[float] = field(default_factory=lambda: array("d"))
    """Their TTFT, NaN for those that have none."""
    good: bytearray = field(default_factory=bytearray)
    steps: dict[int, list[int]] = field(default_factory=dict)
    """[ok, failed] by the number of the step."""
    day: int = 0
    cost_usd: Decimal | None = None
    sorted_ms: array[float] | None = None
    begin: int = 0
    """The place of the first probe of the last hour: those before stay for the sparkline."""

    def take(self, row: Row) -> None:
        """Everything that a probe says."""
        self.note(row)
        at_s = row.at_unix_ns / SECOND_NS
        self.pay(int(at_s // DAY_S), row.cost_usd)
        if row.status != "cancelled":
            self.count(int(at_s // _STEP_S), row.ok, not row.ok)

    def note(self, row: Row) -> None:
        """What is told probe by probe."""
        self.last = row
        if row.status == "cancelled":
            return
        self.failed_in_a_row = 0 if row.ok else self.failed_in_a_row + 1
        self.at_s.append(row.at_unix_ns / SECOND_NS)
        self.ttft_ms.append(_NAN if row.ttft_ms is None or not row.ok else row.ttft_ms)
        self.good.append(row.ok)
        self.sorted_ms = None

    def count(self, step: int, ok: int, failed: int) -> None:
        counts = self.steps.setdefault(step, [0, 0])
        counts[0] += ok
        counts[1] += failed

    def pay(self, day: int, cost_usd: Decimal | None) -> None:
        if day != self.day:
            self.day, self.cost_usd = day, None
        if cost_usd is not None:
            self.cost_usd = cost_usd + (self.cost_usd or 0)

    def forget(self, now_s: float) -> None:
        """What is older than the hour and the day; probes of the sparkline stay."""
        begin, old = self.begin, now_s - HOUR_S
        while begin < len(self.at_s) and self.at_s[begin] < old:
            begin += 1
        if begin != self.begin:
            self.begin, self.sorted_ms = begin, None
        if drop := min(begin, len(self.at_s) - SPARK) if len(self.at_s) > SPARK else 0:
            del self.at_s[:drop], self.ttft_ms[:drop], self.good[:drop]
            self.begin -= drop
        for step in [one for one in self.steps if (one + 1) * _STEP_S <= now_s - DAY_S]:
            del self.steps[step]

    def hour(self) -> float | None:
        """Availability in the last hour."""
        count = len(self.good) - self.begin
        return sum(self.good[self.begin :]) / count if count else None

    def whole_day(self) -> float | None:
        """Availability in the last day."""
        ok = sum(counts[0] for counts in self.steps.values())
        failed = sum(counts[1] for counts in self.steps.values())
        return ok / (ok + failed) if ok + failed else None

    def times(self) -> array[float]:
        """TTFTs of the last hour, sorted."""
        if self.sorted_ms is None:
            known = (time for time in self.ttft_ms[self.begin :] if not isnan(time))
            self.sorted_ms = array("d", sorted(known))  # a fifth of what a list holds
        return self.sorted_ms


class Live:
    """Takes probes, says how each target stands. For the event loop alone.

    A target is down when so many probes in a row have failed as `down_after` says.
    """

    def __init__(self, targets: Sequence[TargetConfig], clock: Clock, down_after: int = 3) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self.retarget(targets, down_after)

    def retarget(self, targets: Sequence[TargetConfig], down_after: int = 3) -> None:
        """Take over a new list of targets; what is known of those that stay is kept."""
        self._targets = {target.name: target for target in targets}
        self._down_after = down_after
        self._seen = {name: self._seen.get(name) or _Seen() for name in self._targets}

    def __call__(self, probe: Probe) -> None:
        self._take(probe.row)

    def _take(self, row: Row) -> None:
        if seen := self._seen.get(row.target):
            seen.take(row)

    def restore(self, rows: Iterable[Row]) -> None:
        """Take what was kept, oldest first."""
        for row in rows:
            self._take(row)

    def recall(self, history: History) -> None:
        """Take what a history has of the last day: the last hour probe by probe, the rest summed
        up. Blocks; call it before the first probe."""
        now_s = self._clock.realtime_ns() / SECOND_NS
        for tally in history.tallies(now_s - DAY_S, now_s + HOUR_S, _STEP_S):
            self._recount(tally)
        for row in history.each(now_s - HOUR_S, now_s + HOUR_S):
            if seen := self._seen.get(row.target):
                seen.note(row)

    def _recount(self, tally: Tally) -> None:
        if seen := self._seen.get(tally.target):
            seen.count(int(tally.at_unix_s // _STEP_S), tally.ok, tally.failed)
            seen.pay(int(tally.at_unix_s // DAY_S), tally.cost_usd)

    # -- out ----------------------------------------------------------------------------------

    def overview(self) -> list[TargetNow]:
        """All targets, in the order of the configuration."""
        return [self._now(*item) for item in self._targets.items()]

    def target(self, name: str) -> TargetNow | None:
        """One of them; None where there is none of that name."""
        config = self._targets.get(name)
        return None if config is None else self._now(name, config)

    def standing(self) -> Iterator[tuple[str, State, dict[str, float | None]]]:
        """(name, state, availability by window) of each target: what costs little."""
        now_s = self._now_s()
        for name in self._targets:
            seen = self._seen[name]
            seen.forget(now_s)
            yield name, self.state(name), {"1h": seen.hour(), "24h": seen.whole_day()}

    def state(self, name: str) -> State:
        seen, config = self._seen[name], self._targets[name]
        if seen.last is None:
            return "unknown"
        silent_s = self._now_s() - seen.last.at_unix_ns / SECOND_NS
        if silent_s > _SILENT * config.interval_s + config.timeout_s:
            return "unknown"
        return "down" if seen.failed_in_a_row >= self._down_after else "up"

    def _now_s(self) -> float:
        return self._clock.realtime_ns() / SECOND_NS

    def _now(self, name: str, config: TargetConfig) -> TargetNow:
        seen, now_s = self._seen[name], self._now_s()
        seen.forget(now_s)
        times = seen.times()
        spark = [None if isnan(time) else time for time in seen.ttft_ms[-SPARK:]]
        return TargetNow(
            name=name,
            provider=config.provider,
            model=config.model,
            region=config.region,
            labels=dict(config.labels),
            state=self.state(name),
            last=seen.last,
            failed_in_a_row=seen.failed_in_a_row,
            sparkline=spark,
            probes_1h=len(seen.good) - seen.begin,
            availability_1h=seen.hour(),
            availability_24h=seen.whole_day(),
            p50_ms=_quantile(times, 0.5),
            p95_ms=_quantile(times, 0.95),
            cost_today_usd=seen.cost_usd if seen.day == int(now_s // DAY_S) else None,
        )


def _quantile(times: Sequence[float], share: float) -> float | None:
    """Linear interpolation, as everywhere."""
    if not times:
        return None
    place, rest = divmod(share * (len(times) - 1), 1)
    low = times[int(place)]
    return low + rest * (times[min(int(place) + 1, len(times) - 1)] - low)
