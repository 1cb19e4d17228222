"""Intervals: exact where they can be, and true to their 95 % where draws can tell."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, exp

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from llm_latency_lens.metrics.intervals import (
    LEVELS,
    Found,
    fewest,
    of_gaps,
    of_requests,
    order_ranks,
    quantile,
)

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator


@given(stn.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1e9)), st.floats(0, 1))
def test_a_quantile_is_the_one_of_numpy(values: Floats, level: float) -> None:
    ordered = np.sort(values)
    assert quantile(ordered, level) == pytest.approx(float(np.quantile(values, level)), rel=1e-12)


def test_how_many_requests_each_quantile_needs() -> None:
    needed = {name: fewest(level) for name, level in LEVELS.items()}
    assert needed == {"p50": 6, "p90": 29, "p95": 59, "p99": 299, "p999": 2995}


@given(st.integers(6, 800), st.sampled_from(list(LEVELS.values())))
def test_two_order_statistics_enclose_the_quantile_in_95_percent(n: int, level: float) -> None:
    ranks = order_ranks(n, level)
    if n < fewest(level):
        assert ranks is None
        return
    assert ranks is not None
    low, high = ranks
    assert 1 <= low < high <= n
    inside = sum(comb(n, k) * level**k * (1 - level) ** (n - k) for k in range(low, high))
    assert inside >= 0.95 - 1e-9


@pytest.mark.parametrize(
    ("n", "level", "ranks"),
    [(6, 0.5, (1, 6)), (10, 0.5, (2, 9)), (20, 0.5, (6, 15)), (100, 0.5, (40, 61))],
)
def test_ranks_of_the_median_are_those_of_the_sign_test(
    n: int, level: float, ranks: tuple[int, int]
) -> None:
    assert order_ranks(n, level) == ranks


def independent(values: Floats) -> Found:
    return of_requests(values, np.sort(values))


def pooled(gaps: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Found:
    begins = np.cumsum(sizes) - sizes
    return of_gaps(gaps, begins, np.arange(len(sizes)), np.sort(gaps))


def test_too_few_requests_have_no_interval() -> None:
    assert independent(np.arange(5.0)) == Found()
    assert pooled(np.arange(500), np.full(5, 100)) == Found()


def test_fifty_requests_have_no_interval_of_the_p99() -> None:
    rng = np.random.default_rng(1)
    assert set(independent(rng.random(50)).limits) == {"mean", "p50", "p90"}
    gaps = rng.integers(1, 1000, 50 * 64)
    assert set(pooled(gaps, np.full(50, 64)).limits) == {"mean", "p50", "p90"}


def test_a_constant_sample_is_certain_of_itself() -> None:
    found = independent(np.full(100, 7.0))
    assert found.method == "order-statistics"
    assert found.limits["mean"] == (7.0, 7.0)
    assert found.limits["p95"] == (7.0, 7.0)
    found = pooled(np.full(6400, 20), np.full(100, 64))
    assert found.method == "clusters"
    assert found.limits["mean"] == (20.0, 20.0)
    assert found.limits["p95"] == (20.0, 20.0)


def test_a_symmetric_sample_has_the_interval_of_student() -> None:
    low, high = independent(np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])).limits["mean"]
    assert (low, high) == pytest.approx((-2.48342, 2.48342), abs=1e-5)


def test_a_skewed_sample_reaches_further_to_its_long_side() -> None:
    values = np.random.default_rng(2).lognormal(0, 1, 40)
    low, high = independent(values).limits["mean"]
    assert high - values.mean() > 1.3 * (values.mean() - low)


def test_a_mean_of_gaps_is_never_below_zero() -> None:
    gaps = np.array([0] * 63 + [10_000_000] + [0] * 64 * 7)
    low, high = pooled(gaps, np.full(8, 64)).limits["mean"]
    assert low == 0.0
    assert high > gaps.mean()


def test_requests_of_a_queue_are_worth_fewer_than_they_are() -> None:
    found = independent(autoregressive(np.random.default_rng(3), 500, 0.7))
    assert found.method == "autocorrelation"
    assert 50 < found.effective < 130


def test_a_series_that_hardly_moved_has_no_interval() -> None:
    steps = np.random.default_rng(4).normal(size=200)
    found = independent(np.cumsum(steps))
    assert found.method == "autocorrelation"
    assert not found.limits


def test_gaps_of_requests_that_resemble_their_neighbours() -> None:
    rng = np.random.default_rng(5)
    slowness = np.repeat(autoregressive(rng, 400, 0.8), 16)
    gaps = (20_000 * slowness * rng.lognormal(0, 0.2, 6400)).astype(np.int64)
    sizes = np.full(400, 16)
    found = pooled(gaps, sizes)
    assert found.method == "cluster-autocorrelation"
    shuffled = rng.permutation(400)
    alone = pooled(gaps.reshape(400, 16)[shuffled].reshape(-1), sizes)
    assert alone.method == "clusters"
    assert width(found, "p50") > 1.5 * width(alone, "p50")


def test_the_order_of_the_starts_is_not_the_order_in_memory() -> None:
    rng = np.random.default_rng(6)
    slowness = np.repeat(autoregressive(rng, 200, 0.8), 8)
    gaps = (20_000 * slowness).astype(np.int64).reshape(200, 8)
    begins = np.arange(200) * 8
    straight = of_gaps(gaps.reshape(-1), begins, np.arange(200), np.sort(gaps.reshape(-1)))
    mixed = rng.permutation(200)
    again = of_gaps(gaps[mixed].reshape(-1), begins, np.argsort(mixed), np.sort(gaps.reshape(-1)))
    assert again == straight


# --- coverage: how often draws of known truth lie within ------------------------------------


def autoregressive(rng: Generator, n: int, memory: float) -> Floats:
    """exp(0.5 z) of an AR(1) series z of unit variance: its median is 1."""
    noise = rng.normal(size=n) * (1 - memory**2) ** 0.5
    series = np.empty(n)
    last = rng.normal()
    for i in range(n):
        last = memory * last + noise[i]
        series[i] = last
    return np.exp(0.5 * series)


def width(found: Found, name: str) -> float:
    return found.limits[name][1] - found.limits[name][0]


def coverage(draws: int, draw: Callable[[], Found], truth: dict[str, float]) -> dict[str, float]:
    """Share of the intervals that hold the truth, of those that were given; most must be."""
    given_ = dict.fromkeys(truth, 0)
    hits = dict.fromkeys(truth, 0)
    for _ in range(draws):
        limits = draw().limits
        for name in truth.keys() & limits.keys():
            low, high = limits[name]
            given_[name] += 1
            hits[name] += low <= truth[name] <= high
    assert min(given_.values()) > 0.95 * draws
    return {name: n / given_[name] for name, n in hits.items()}


@pytest.mark.usefixtures("uncounted")
def test_coverage_of_independent_requests() -> None:
    rng = np.random.default_rng(7)
    truth = {"mean": exp(0.125), "p50": 1.0, "p95": exp(0.5 * 1.6448536)}
    share = coverage(400, lambda: independent(rng.lognormal(0, 0.5, 100)), truth)
    assert all(0.925 <= value <= 0.99 for value in share.values()), share


def clustered(rng: Generator, n: int, size: int) -> npt.NDArray[np.int64]:
    """Gaps of requests that differ in speed: log-normal with deviation 0.3 within and between."""
    speed = np.repeat(rng.lognormal(0, 0.3, n), size)
    return (20e6 * speed * rng.lognormal(0, 0.3, n * size)).astype(np.int64)


@pytest.mark.usefixtures("uncounted")
def test_coverage_of_pooled_gaps_and_of_pretending_that_they_are_independent() -> None:
    rng = np.random.default_rng(8)
    spread = 0.3 * 2**0.5
    truth = {"mean": 20e6 * exp(0.09), "p50": 20e6, "p95": 20e6 * exp(spread * 1.6448536)}
    sizes = np.full(120, 32)
    share = coverage(250, lambda: pooled(clustered(rng, 120, 32), sizes), truth)
    assert all(0.91 <= value <= 0.99 for value in share.values()), share

    def naively() -> Found:
        return independent(rng.permutation(clustered(rng, 120, 32)).astype(np.float64))

    assert coverage(60, naively, truth)["p50"] < 0.6


@pytest.mark.usefixtures("uncounted")
def test_coverage_of_a_queue_and_of_pretending_that_it_is_none() -> None:
    rng = np.random.default_rng(9)
    truth = {"mean": exp(0.125), "p50": 1.0}
    share = coverage(200, lambda: independent(autoregressive(rng, 400, 0.6)), truth)
    assert all(value >= 0.91 for value in share.values()), share

    def naively() -> Found:
        return independent(np.sort(autoregressive(rng, 400, 0.6))[rng.permutation(400)])

    assert coverage(100, naively, truth)["p50"] < 0.85
