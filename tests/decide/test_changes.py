"""Change points: found where they are, not found where there are none, and always the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.decide.changes import ALPHA, FEWEST, MOST, SIDE, Change, changes


def _noise(seed: int, n: int, spread: float = 0.05) -> list[float]:
    values = np.random.default_rng(seed).lognormal(5, spread, n)
    return [float(value) for value in values]


def test_a_step_is_found_where_it_is() -> None:
    values = _noise(1, 24)
    slower = [value * (1.5 if i >= 14 else 1.0) for i, value in enumerate(values)]
    (found,) = changes(slower)
    assert found.at == 14
    assert found.before == pytest.approx(float(np.median(slower[:14])))
    assert found.after == pytest.approx(float(np.median(slower[14:])))
    assert found.p <= 0.002


def test_steps_up_and_down_again_are_two() -> None:
    values = [value * (2.0 if 10 <= i < 20 else 1.0) for i, value in enumerate(_noise(2, 30))]
    first, second = changes(values)
    assert (first.at, second.at) == (10, 20)
    assert first.after == second.before > first.before
    assert second.after < second.before


def test_odd_runs_are_no_change() -> None:
    values = _noise(3, 20)
    values[7] *= 50
    values[15] *= 80
    assert changes(values) == []


def test_too_few_or_all_the_same_is_no_change() -> None:
    assert changes([1.0] * (SIDE - 1) + [9.0] * SIDE) == []
    assert len([1.0] * (SIDE - 1) + [9.0] * SIDE) == FEWEST - 1
    assert changes([3.0] * 40) == []


def test_the_fewest_values_can_show_one() -> None:
    (found,) = changes([1.0, 1.1, 1.2, 1.3, 9.0, 9.1, 9.2, 9.3])
    assert (found.at, found.before, found.after) == (4, pytest.approx(1.15), pytest.approx(9.15))
    assert 2 / 70 * 0.6 < found.p <= ALPHA  # of 70 halves two are as far apart


def test_a_figure_and_its_logarithm_change_alike() -> None:
    values = [value * (1.3 if i >= 9 else 1.0) for i, value in enumerate(_noise(4, 20))]
    plain, logged = changes(values), changes([float(np.log(value)) for value in values])
    assert [(one.at, one.p) for one in plain] == [(one.at, one.p) for one in logged]
    assert len(plain) == 1


def test_a_long_series_is_found_to_a_few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_latency_lens.decide.changes.ORDERS", 59)
    values = _noise(5, 3 * MOST, 0.02)
    slower = [value * (1.2 if i >= 400 else 1.0) for i, value in enumerate(values)]
    (found,) = changes(slower)
    assert abs(found.at - 400) <= 3


def test_false_alarms_are_as_rare_as_said() -> None:
    alarms = sum(bool(changes(_noise(seed, 12, 0.3), seed=seed)) for seed in range(40))
    assert alarms <= 7  # 2 are meant; more than 7 have a chance of 1 in 1,000


def test_neighbours_that_resemble_each_other_are_shuffled_together() -> None:
    alarms = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        level, values = 0.0, []
        for _ in range(40):
            level = 0.5 * level + rng.normal()
            values.append(level)
        alarms += bool(changes(values, seed=seed))
    assert alarms <= 5  # of single runs in random order about half would be alarms


@settings(max_examples=15)
@given(st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=30), st.integers(0, 5))
def test_changes_are_in_order_and_apart(values: list[float], seed: int) -> None:
    found = changes(values, seed=seed)
    cuts = [0, *(change.at for change in found), len(values)]
    assert all(b - a >= SIDE for a, b in pairwise(cuts)) or not found
    assert found == changes(values, seed=seed)
    assert all(isinstance(change, Change) and 0 < change.p <= ALPHA for change in found)
