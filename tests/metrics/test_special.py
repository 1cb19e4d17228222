"""The functions of probability against closed forms and printed tables."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.metrics.special import beta_cdf, beta_quantile, t_quantile

shares = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("p", "df", "expected"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.30265),
        (0.975, 3, 3.18245),
        (0.975, 5, 2.57058),
        (0.975, 10, 2.22814),
        (0.975, 30, 2.04227),
        (0.975, 100, 1.98397),
        (0.975, 1000, 1.96234),
        (0.95, 5, 2.01505),
        (0.995, 20, 2.84534),
    ],
)
def test_quantiles_of_students_t_are_those_of_the_tables(
    p: float, df: float, expected: float
) -> None:
    assert t_quantile(p, df) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize(
    ("inside", "n", "low", "high"),
    [(5, 10, 0.18709, 0.81291), (1, 20, 0.00127, 0.24873), (95, 100, 0.88717, 0.98357)],
)
def test_clopper_pearson_limits_are_the_printed_ones(
    inside: int, n: int, low: float, high: float
) -> None:
    assert beta_quantile(0.025, inside, n - inside + 1) == pytest.approx(low, abs=1e-5)
    assert beta_quantile(0.975, inside + 1, n - inside) == pytest.approx(high, abs=1e-5)


@given(shares, st.floats(0.1, 500.0))
def test_the_beta_function_has_closed_forms_at_its_edges(x: float, b: float) -> None:
    assert beta_cdf(x, 1.0, b) == pytest.approx(1.0 - (1.0 - x) ** b, abs=1e-12)
    assert beta_cdf(x, b, 1.0) == pytest.approx(x**b, abs=1e-12)


@given(st.integers(1, 60), st.integers(0, 60), shares)
def test_the_beta_function_sums_a_binomial_distribution(n: int, k: int, p: float) -> None:
    k = min(k, n - 1)
    tail = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
    assert 1.0 - beta_cdf(p, k + 1, n - k) == pytest.approx(tail, abs=1e-10)


@given(st.floats(0.01, 0.99), st.floats(0.3, 5000.0), st.floats(0.3, 5000.0))
def test_a_quantile_undoes_the_distribution(p: float, a: float, b: float) -> None:
    x = beta_quantile(p, a, b)
    assert 0.0 <= x <= 1.0
    if 1e-9 < x < 1.0 - 1e-9:
        assert beta_cdf(x, a, b) == pytest.approx(p, abs=1e-5)


def test_a_quantile_close_to_1_is_as_exact_as_floats_are() -> None:
    x = beta_quantile(0.96875, 547.0, 0.3125)
    assert beta_cdf(x, 547.0, 0.3125) == pytest.approx(0.96875, abs=1e-8)
    assert beta_quantile(0.99, 5000.0, 0.01) == pytest.approx(1.0, abs=1e-15)


def test_the_distribution_is_0_below_and_1_above() -> None:
    assert beta_cdf(-1.0, 2.0, 3.0) == 0.0
    assert beta_cdf(2.0, 2.0, 3.0) == 1.0
