"""How often the monitor's alerts are false, and how late they are when they are not.

`python -m benchmarks.alerts [TARGETS]` prints the table of docs/explanation/alerting.md: each
series is drawn for so many targets, 30 days each, and once more with a slowdown of 35 %. Ten
targets take some minutes. `run` draws two: a glance.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log, pi, sin, sqrt
from random import Random
from statistics import median
from typing import Any

from llm_latency_lens.decide.anomalies import Unlike, against_same_hour
from llm_latency_lens.decide.burning import Burn
from llm_latency_lens.decide.shifts import Shifts
from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.service.alerts.watch import WORTH

DAY_S, HOUR_S, STRETCH_S = 86_400, 3600, 300
BEGIN_S = 1_700_000_000 // DAY_S * DAY_S
DAYS = 30
LOOK_S = 60
"""How often budgets are looked at."""
SLOWER = 1.35


@dataclass(frozen=True, slots=True)
class Series:
    """TTFT of log-normal probes, one each `interval_s`: `spread` is their sigma, `season` by which
    share the slowest time of day is above the mean, `days` the sigma of a level for each day,
    `memory` how much a level of sigma `level` resembles that of five minutes before."""

    name: str
    interval_s: int = 60
    spread: float = 0.4
    season: float = 0.0
    days: float = 0.0
    memory: float = 0.0
    level: float = 0.0

    def medians(self, rng: Random, span_s: int, length_s: int, slow_s: float) -> Iterator[float]:
        """Medians of stretches of this length, slower from `slow_s` on. The median of n log-normal
        values is drawn as what it is nearly: log-normal, its sigma 1.25 / sqrt(n) times theirs."""
        spread = self.spread * 1.2533 / sqrt(length_s / self.interval_s)
        turn, level, day = rng.uniform(0, 2 * pi), 0.0, 0.0
        step = sqrt(1 - self.memory**2) * self.level
        for at_s in range(0, span_s, length_s):
            if at_s % DAY_S == 0:
                day = rng.gauss(0.0, self.days)
            level = self.memory * level + rng.gauss(0.0, step)
            season = log(1 + self.season) * sin(2 * pi * at_s / DAY_S + turn)
            slower = log(SLOWER) if at_s >= slow_s else 0.0
            yield exp(log(412) + season + level + day + slower + rng.gauss(0.0, spread))


SERIES = (
    Series("stationary, every 10 s", interval_s=10),
    Series("stationary, every 60 s"),
    Series("stationary, every 60 s, sigma 0.2", spread=0.2),
    Series("stationary, every 60 s, sigma 0.6", spread=0.6),
    Series("day 30 % slower than night, every 10 s", interval_s=10, season=0.3),
    Series("day 30 % slower than night, every 60 s", season=0.3),
    Series("day 60 % slower than night, every 60 s", season=0.6),
    Series("hours that resemble each other (0.9, sigma 0.2)", memory=0.9, level=0.2),
    Series("days apart by 10 %, day and night 30 %", days=0.1, season=0.3),
)


def run(targets: int = 2) -> list[dict[str, Any]]:
    """One row a series: false alarms per target and month, and minutes until a change is told."""
    return list(rows(targets))


def rows(targets: int) -> Iterator[dict[str, Any]]:
    """The same one by one: each takes a while."""
    for series in SERIES:
        changes = [_changes(series, seed, DAYS, float("inf")) for seed in range(targets)]
        late = sorted(filter(None, (_delay(series, seed, targets) for seed in range(targets))))
        odd = [_hours(series, seed, float("inf")) for seed in range(targets)]
        found = [_hours(series, seed, DAYS * DAY_S / 2) for seed in range(targets)]
        yield {
            "series": series.name,
            "false changes": sum(map(len, changes)) / targets,
            "told after min": late[len(late) // 2] if late else 0.0,
            "90 % after min": late[int(0.9 * (len(late) - 1))] if late else 0.0,
            "not told in 3 days, %": 100 * (1 - len(late) / targets),
            "false hours": sum(map(len, odd)) / targets,
            "slow hours found, %": 100 * sum(_first_day(hours) for hours in found) / targets / 24,
        }


def _changes(series: Series, seed: int, days: int, slow_s: float) -> list[tuple[float, float]]:
    """When changes were told, and how much slower they said that it was."""
    shifts, found, was = Shifts(), [], False
    answers = STRETCH_S // series.interval_s
    values = series.medians(Random(seed), days * DAY_S, STRETCH_S, slow_s)
    for number, value in enumerate(values):
        told = shifts.stretch(BEGIN_S + number * STRETCH_S, value, answers)
        if told:
            worth = abs(log(1 + told.slower)) >= log(1 + WORTH)
            if worth and not (told.settled and was):
                found.append(((number + 1.0) * STRETCH_S, told.slower))
            was = worth
    return found


def _delay(series: Series, seed: int, targets: int) -> float | None:
    """Minutes from a slowdown, at some time of the sixth day, until it is told."""
    begun_s = round((5 + seed / targets) * 288) * STRETCH_S
    found = _changes(series, 1000 + seed, 8, begun_s)
    after = [at_s - begun_s for at_s, slower in found if at_s > begun_s and slower > 0]
    return after[0] / 60 if after else None


def _hours(series: Series, seed: int, slow_s: float) -> list[int]:
    """Hours that were called unlike those of the days before; within an alarm only the first."""
    hours: dict[int, float] = {}
    held: Unlike | None = None
    found = []
    for hour, value in enumerate(series.medians(Random(seed), DAYS * DAY_S, HOUR_S, slow_s)):
        unlike = against_same_hour(hours.get, hour, value)
        hours[hour] = value
        was, odd = held is not None, unlike is not None and unlike.odd
        held = unlike if odd or (was and unlike is not None and not unlike.eased) else None
        if held is not None and (not was or slow_s < float("inf")):
            found.append(hour)
    return found


def _first_day(hours: list[int]) -> int:
    """Of the 24 hours after the slowdown, those that were found."""
    begin = DAYS * 24 // 2
    return sum(begin <= hour < begin + 24 for hour in hours)


def burns(targets: int) -> Iterator[dict[str, Any]]:
    """Alerts on an objective of 99 % that fails less than it may: pages and tickets per target and
    month; and minutes until a page when everything fails, or one in five."""
    (promise,) = parse_sla("objectives: [{limit: error_rate<1%}]", "sla.yaml").promises
    for interval_s in (10, 60):
        for share in (0.001, 0.005, 0.2, 1.0):
            counts, waits = {True: 0, False: 0}, []
            for seed in range(targets):
                rng, burn, page = Random(seed), Burn(promise, 30.0 * DAY_S), None
                for at_s in range(0, (DAYS if share < 0.01 else 1) * DAY_S, interval_s):
                    burn.add(BEGIN_S + at_s, 1, rng.random() < share)
                    if at_s % LOOK_S:
                        continue
                    found = burn.judge(BEGIN_S + at_s)
                    state = None if found is None else found.page
                    if state is not None and state != page:
                        counts[state] += 1
                        if state and counts[True] <= seed + 1:
                            waits.append(at_s / 60)
                    page = state
            yield {
                "every s": interval_s,
                "failures, %": 100 * share,
                "pages": counts[True] / targets,
                "tickets": counts[False] / targets,
                "page after min": median(waits) if waits and share > 0.01 else None,
            }


def main() -> None:
    targets = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for table in (burns(targets), rows(targets)):
        for number, row in enumerate(table):
            if not number:
                print("| " + " | ".join(row) + " |")
                print("|---" * len(row) + "|")
            cells = (f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values())
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
