"""An hour against the same hour of earlier days."""

from __future__ import annotations

from math import exp, log, pi, sin
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.decide.anomalies import (
    DAYS,
    FEWEST_DAYS,
    Hours,
    _apart,
    against_same_hour,
)


def hours(days: int, spread: float = 0.05, season: float = 0.3, seed: int = 1) -> dict[int, float]:
    rng = Random(seed)
    return {
        hour: 400 * exp(season * sin(hour / 24 * 2 * pi) + rng.gauss(0, spread))
        for hour in range(24 * days)
    }


def test_the_season_is_no_anomaly_and_a_slow_hour_is_one() -> None:
    known = hours(14)
    for hour in (14 * 24 + 6, 14 * 24 + 18):
        usual = 400 * exp(0.3 * sin(hour / 24 * 2 * pi))
        same = against_same_hour(known.get, hour, usual)
        assert same is not None
        assert not same.odd
        assert same.usual == pytest.approx(usual, rel=0.05)
        assert same.days == 14
        slow = against_same_hour(known.get, hour, usual * 1.6)
        assert slow is not None
        assert slow.odd
        assert slow.slower == pytest.approx(0.6, abs=0.1)
        assert not slow.eased


def test_a_faster_hour_is_no_alarm() -> None:
    found = against_same_hour(hours(10).get, 240, 100.0)
    assert found is not None
    assert found.score < -3.5
    assert not found.odd


def test_a_figure_that_hardly_varies_is_not_judged_by_its_noise() -> None:
    known = dict.fromkeys(range(24 * 8), 400.0)
    found = against_same_hour(known.get, 24 * 8, 420.0)
    assert found is not None
    assert (found.odd, found.eased) == (False, True)
    assert found.score == pytest.approx(log(1.05) / 0.02)


def test_nothing_is_said_of_too_few_days() -> None:
    assert against_same_hour(hours(FEWEST_DAYS - 1).get, 24 * (FEWEST_DAYS - 1), 9e9) is None
    assert against_same_hour(hours(FEWEST_DAYS).get, 24 * FEWEST_DAYS, 9e9) is not None
    assert against_same_hour({}.get, 5, 1.0) is None


def test_an_hour_that_always_varies_is_judged_by_itself() -> None:
    rng, known = Random(3), hours(14, spread=0.01, season=0.0)
    for day in range(14):
        known[24 * day + 9] = 400 * exp(rng.gauss(0, 0.5))
    busy = against_same_hour(known.get, 24 * 14 + 9, 640.0)
    quiet = against_same_hour(known.get, 24 * 14 + 10, 640.0)
    assert busy is not None
    assert quiet is not None
    assert (busy.odd, quiet.odd) == (False, True)


def test_hours_are_kept_for_four_weeks() -> None:
    kept, again = Hours(), Hours()
    for hour in range(473_000, 473_000 + 24 * 40):
        kept.put(hour, float(hour))
    last = 473_000 + 24 * 40 - 1
    kept.scale(0.5)
    again.load(kept.dump())
    assert again.get(last) == last / 2
    assert again.get(last - 24 * DAYS) == (last - 24 * DAYS) / 2
    assert again.get(last - 24 * (DAYS + 1)) is None
    assert again.get(last + 1) is None


@settings(max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_each_value_is_held_against_the_others(values: list[float]) -> None:
    ordered = sorted(values)
    assert _apart(ordered) == pytest.approx(
        [abs(v - median(ordered[:i] + ordered[i + 1 :])) for i, v in enumerate(ordered)]
    )


@pytest.mark.parametrize("season", [0.0, 0.3])
def test_false_alarms_are_rare(season: float, uncounted: None) -> None:
    """One hour in some 4,000 passes 3.5, and few of these are 25 % slower: here are 672."""
    alarms = 0
    for seed in range(2):
        known = hours(21, spread=0.07, season=season, seed=seed)
        alarms += sum(
            bool(found and found.odd)
            for hour in range(24 * 7, 24 * 21)
            for found in (against_same_hour(known.get, hour, known[hour]),)
        )
    assert alarms == 0
