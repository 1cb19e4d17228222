"""Trends: known slopes, the exact test against all orders, and the known values of textbooks."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.decide.hours import differ
from llm_latency_lens.decide.trends import FEWEST, Floats, _dependence, _exact, trend


def _series(n: int, slope: float, seed: int = 0) -> tuple[Floats, Floats]:
    times = np.arange(float(n))
    return times, 100 + slope * times + np.random.default_rng(seed).normal(0, 1, n)


def test_a_straight_line_is_its_own_trend() -> None:
    times = np.arange(10.0)
    found = trend(times, 5 + 3 * times)
    assert found is not None
    assert (found.slope, found.low, found.high, found.tau) == (3.0, 3.0, 3.0, 1.0)
    assert found.p == pytest.approx(2 / factorial(10))


def test_odd_values_do_not_move_the_slope() -> None:
    times, values = _series(40, 0.5)
    values[[5, 17, 30]] = 1e6
    found = trend(times, values)
    assert found is not None
    assert found.low <= 0.5 <= found.high
    assert found.slope == pytest.approx(0.5, abs=0.1)
    assert found.p < 1e-6


def test_times_need_not_be_even() -> None:
    times = np.array([0.0, 1, 2, 10, 11, 30, 31, 60, 61])
    found = trend(times, -2 * times + np.resize([0.1, -0.1, 0.05], 9))
    assert found is not None
    assert found.slope == pytest.approx(-2.0, abs=0.02)


def test_too_few_runs_or_one_moment_tell_nothing() -> None:
    times, values = _series(FEWEST - 1, 9.0)
    assert trend(times, values) is None
    assert trend(np.zeros(20), np.arange(20.0)) is None


@pytest.mark.parametrize("n", [4, 5, 6])
def test_the_exact_p_is_that_of_all_orders(n: int) -> None:
    scores = [
        sum(np.sign(order[j] - order[i]) for i in range(n) for j in range(i + 1, n))
        for order in itertools.permutations(range(n))
    ]
    for score in {abs(int(score)) for score in scores}:
        wanted = sum(abs(one) >= score for one in scores) / factorial(n)
        assert _exact(score, n) == pytest.approx(wanted)


def test_ties_are_counted_as_kendall_does() -> None:
    # By scipy.stats.kendalltau; its p of 5.4e-5 has no correction for continuity.
    times = np.arange(15.0)
    values = np.array([1, 1, 2, 2, 2, 3, 3, 1, 4, 4, 5, 4, 5, 5, 6.0])
    found = trend(times, values)
    assert found is not None
    assert found.tau == pytest.approx(0.8139569275564797)
    assert 5.4e-5 < found.p < 8e-5
    flat = trend(times, np.ones(15))
    assert flat is not None
    assert (flat.slope, flat.tau, flat.p) == (0.0, 0.0, 1.0)


def test_the_values_are_those_of_scipy() -> None:
    # scipy.stats.kendalltau(method="exact") and scipy.stats.theilslopes of scipy 1.17
    values = [
        0.126,
        -0.132,
        0.64,
        0.105,
        -0.536,
        0.362,
        1.304,
        0.947,
        -0.704,
        -1.265,
        -0.623,
        0.041,
    ]
    found = trend(np.arange(12.0), np.array(values))
    assert found is not None
    assert found.tau == pytest.approx(-0.2121212121212121)
    assert found.p == pytest.approx(0.38070480349126185)
    assert found.slope == pytest.approx(-0.06055555555555555)
    assert found.low == pytest.approx(-0.224)
    assert found.high == pytest.approx(0.1235)


def test_neighbours_that_resemble_each_other_are_worth_less() -> None:
    rng = np.random.default_rng(3)
    level, values = 0.0, []
    for _ in range(60):
        level = 0.8 * level + rng.normal()
        values.append(level)
    times = np.arange(60.0)
    assert _dependence(times, np.array(values), 0.0) > 2.0
    assert _dependence(times, rng.normal(size=60), 0.0) == 1.0


def test_false_alarms_are_as_rare_as_said() -> None:
    found = [trend(*_series(20, 0.0, seed)) for seed in range(400)]
    alarms = sum(one is not None and one.p < 0.05 for one in found)
    assert alarms / 400 < 0.085  # 5 % is meant


@settings(max_examples=25)
@given(
    st.lists(st.integers(-50, 50), min_size=FEWEST, max_size=25),
    st.floats(0.01, 100),
    st.floats(-1e3, 1e3),
)
def test_units_do_not_matter(values: list[int], unit: float, shift: float) -> None:
    times = np.arange(float(len(values)))
    plain = trend(times, np.array(values, float))
    other = trend(times, np.array(values, float) * unit)
    assert plain is not None
    assert other is not None
    assert other.slope == pytest.approx(plain.slope * unit)
    assert other.tau == pytest.approx(plain.tau)
    assert plain.low <= plain.slope <= plain.high
    backwards = trend(times + shift, -np.array(values, float))
    assert backwards is not None
    assert backwards.p == pytest.approx(plain.p, abs=1e-6)


# -- hours ------------------------------------------------------------------------------------


def test_an_hour_that_is_slower_is_seen() -> None:
    hours = [9, 14, 22] * 8
    values = [100 + i % 5 + (40 if hour == 14 else 0) for i, hour in enumerate(hours)]
    assert differ(hours, values) == pytest.approx(1 / 2000)


def test_hours_that_are_alike_are_not_told_apart() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for seed in range(20):
        p = differ(list(rng.integers(0, 3, 18)), list(rng.lognormal(5, 0.2, 18)), seed=seed)
        alarms += p is not None and p < 0.05
    assert alarms <= 4


def test_a_single_hour_or_too_few_runs_in_each_tell_nothing() -> None:
    assert differ([3] * 20, list(range(20))) is None
    assert differ([1, 1, 1, 2, 2], [1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert differ([], []) is None
    assert differ([1, 1, 1, 2, 2, 2, 7], [1.0, 2.0, 3.0, 7.0, 8.0, 9.0, 0.0]) is not None
