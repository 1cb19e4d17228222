"""Changes while values come in: found soon, dated, and not found where there are none."""

from __future__ import annotations

from math import exp, pi, sin
from random import Random

import pytest

from llm_latency_lens.decide.shifts import (
    ANSWERS,
    LIMIT,
    SEASON_DAYS,
    SETTLING,
    STRETCH_S,
    Shift,
    Shifts,
)

START_S = 1_700_000_000 // 86_400 * 86_400
A_DAY = 288
"""Stretches."""


def told(
    values: list[float], shifts: Shifts | None = None, first: int = 0
) -> list[tuple[int, Shift]]:
    shifts = shifts or Shifts()
    return [
        (number, found)
        for number, value in enumerate(values, first)
        if (found := shifts.stretch(START_S + number * STRETCH_S, value, 5))
    ]


def series(days: float, spread: float = 0.1, season: float = 0.0, seed: int = 1) -> list[float]:
    rng = Random(seed)
    return [
        412 * exp(season * sin(number / A_DAY * 2 * pi) + rng.gauss(0, spread))
        for number in range(int(days * A_DAY))
    ]


def slower(values: list[float], begin: int, times: float = 1.35) -> list[float]:
    return [value * (times if number >= begin else 1.0) for number, value in enumerate(values)]


@pytest.mark.parametrize("season", [0.0, 0.3])
def test_a_slowdown_is_told_soon_and_dated(season: float) -> None:
    begin = int(4.3 * A_DAY)
    (at, found), (later, settled) = told(slower(series(5, season=season), begin))
    assert begin + 2 <= at <= begin + 8
    assert abs(found.since_s - (START_S + begin * STRETCH_S)) <= STRETCH_S
    assert found.slower == pytest.approx(0.35, abs=0.15)
    assert found.answers == 5 * (at - round((found.since_s - START_S) / STRETCH_S) + 1)
    assert (later - at, settled.since_s) == (SETTLING, found.since_s)
    assert settled.slower == pytest.approx(0.35, abs=0.07)
    assert (found.settled, settled.settled) == (False, True)


def test_what_goes_back_is_told_again() -> None:
    values = slower(series(4, seed=2), 3 * A_DAY)
    back = [value / 1.35 if number >= 3.5 * A_DAY else value for number, value in enumerate(values)]
    up, down = [found for _, found in told(back) if found.settled]
    assert up.slower > 0.25
    assert down.slower < -0.2
    assert down.after == pytest.approx(up.before, rel=0.05)


def test_one_odd_stretch_is_none_and_nor_is_a_small_change() -> None:
    values = series(4)
    values[3 * A_DAY + 50] *= 50
    assert told(values) == []
    assert told(slower(series(5), 4 * A_DAY, 1.1)) == []


def test_a_change_of_the_first_day_is_not_told_and_a_large_one_of_the_second_is() -> None:
    assert told(slower(series(1, season=0.3), A_DAY // 2)) == []
    begin = int(1.5 * A_DAY)
    (at, _), (_, found) = told(slower(series(2), begin, 2.0))
    assert at <= begin + 10
    assert found.slower == pytest.approx(1.0, abs=0.15)


def test_a_figure_that_never_varies_can_change() -> None:
    values = slower([400.0] * 4 * A_DAY, 3 * A_DAY + 10)
    (at, _), (_, found) = told(values)
    assert at == 3 * A_DAY + 12
    assert (found.before, found.after) == pytest.approx((400.0, 540.0))


class Listening(Shifts):
    """Only notes which stretches there were."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[float, float, int]] = []

    def stretch(self, at_s: float, middle: float, answers: int) -> None:
        self.heard.append((at_s, middle, answers))


def test_a_stretch_is_five_minutes_and_five_answers() -> None:
    often, seldom = Listening(), Listening()
    for number in range(13):
        often.add(1000.0 + 60 * number, float(number + 1))
        seldom.add(1000.0 + 400 * number, float(number + 1))
    assert often.heard == [(1000.0, 3.0, 5), (1300.0, 8.0, 5)]
    assert seldom.heard == [(1000.0, 3.0, ANSWERS), (3000.0, 8.0, ANSWERS)]


def test_what_is_usual_outlives_the_process() -> None:
    before, after = Shifts(), Shifts()
    values = slower(series(4, season=0.3), int(3.8 * A_DAY))
    cut = int(3.7 * A_DAY)
    assert told(values[:cut], before) == []
    after.load(before.dump())
    (at, _), (_, found) = told(values[cut:], after, cut)
    assert at <= 3.8 * A_DAY + 8
    assert found.slower == pytest.approx(0.35, abs=0.1)


def test_a_change_is_settled_by_a_restart() -> None:
    before, after = Shifts(), Shifts()
    values = slower(series(5), int(3.8 * A_DAY))
    cut = int(3.8 * A_DAY) + 8
    ((_, found),) = told(values[:cut], before)
    assert not found.settled
    assert before.settling
    settled = after.load(before.dump())
    assert settled is not None
    assert settled.slower == pytest.approx(0.35, abs=0.15)
    assert told(values[cut:], after, cut) == []


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    shifts = Shifts()
    assert told(series(4), shifts) == []
    at_s = START_S + 4 * 86_400 - 3600
    found = [shifts.stretch(at_s + n * STRETCH_S, 412 * 1.5, 5) for n in range(12)]
    assert any(found)


@pytest.mark.parametrize("season", [0.0, 0.3])
def test_false_alarms_are_rare(season: float, uncounted: None) -> None:
    """A sum passes by chance in exp(13) stretches: here are some 8,000."""
    assert exp(LIMIT) > 50 * 8000
    for seed in range(2):
        assert told(series(SEASON_DAYS + 4, 0.2, season, seed)) == []
