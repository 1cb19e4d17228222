"""TOPSIS, the weighted sum and the Pareto front, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from llm_latency_lens.decide.matrix import NOBODY, dominators, first, topsis, weighted_sum

SIGNS = np.array([-1.0, 1.0])
WEIGHTS = np.array([0.5, 0.5])
VALUES = np.array([[3.0, 4.0], [4.0, 3.0], [8.0, 1.0]])
ALL = np.ones(3, bool)


def test_topsis_by_hand() -> None:
    """Two candidates: columns over 5 and 5, halved: (-.3, .4) and (-.4, .3)."""
    scores = topsis(VALUES[:2], ALL[:2], WEIGHTS, SIGNS)
    assert scores == pytest.approx([1.0, 0.0])
    values = np.array([[3.0, 3.0], [4.0, 4.0]])
    assert topsis(values, ALL[:2], WEIGHTS, SIGNS) == pytest.approx([0.5, 0.5])
    assert topsis(values, ALL[:2], np.array([0.75, 0.25]), SIGNS) == pytest.approx([0.75, 0.25])


def test_weighted_sum_by_hand() -> None:
    scores = weighted_sum(VALUES, ALL, WEIGHTS, SIGNS)
    assert scores == pytest.approx([1.0, 0.5 * 0.75 + 0.5 * 0.75, 0.5 * 3 / 8 + 0.5 * 0.25])


@pytest.mark.parametrize("how", [topsis, weighted_sum])
def test_who_is_not_eligible_is_in_no_column(how: object) -> None:
    assert callable(how)
    eligible = np.array([True, True, False])
    scores = how(VALUES, eligible, WEIGHTS, SIGNS)
    assert list(scores[:2]) == list(how(VALUES[:2], ALL[:2], WEIGHTS, SIGNS))
    assert scores[2] == -np.inf
    assert first(scores) == 0
    assert first(how(VALUES, ~ALL, WEIGHTS, SIGNS)) == NOBODY
    assert how(VALUES, np.array([False, True, False]), WEIGHTS, SIGNS)[1] == 1.0


def test_what_costs_nothing_has_a_ratio_too() -> None:
    values = np.array([[0.0, 1.0], [0.0, 2.0], [5.0, 2.0]])
    assert weighted_sum(values, ALL, WEIGHTS, SIGNS) == pytest.approx([0.75, 1.0, 0.5])


def test_the_front() -> None:
    values = np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 1.0], [0.5, 9.0]])
    eligible = np.array([True, True, True, False])
    assert dominators(values, eligible, SIGNS) == [None, None, 0, None]
    assert dominators(values, np.ones(4, bool), SIGNS) == [3, 3, 0, None]


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float64, (5, 3), elements=st.floats(0.01, 100.0)),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_the_first_is_never_dominated(values: np.ndarray, eligible: list[bool]) -> None:
    signs, weights = np.array([1.0, -1.0, -1.0]), np.array([0.2, 0.3, 0.5])
    able = np.array(eligible)
    above = dominators(values, able, signs)
    for how in (topsis, weighted_sum):
        scores = how(values, able, weights, signs)
        best = int(first(scores))
        if best == NOBODY:
            assert not able.any()
            continue
        # Rounding can make a hair's difference vanish in the scores.
        dominator = above[best]
        assert dominator is None or scores[dominator] == pytest.approx(scores[best])
        repeated = how(np.stack([values, values]), np.stack([able, able]), weights, signs)
        assert (repeated == scores).all()
