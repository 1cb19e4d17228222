"""Differences of pairs: exact where they can be, and true to their 95 % where draws can tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.metrics import paired
from llm_latency_lens.metrics.intervals import Floats
from llm_latency_lens.metrics.paired import Gap, Pooled, compare, compare_pooled

Generator = np.random.Generator


def lognormal(rng: Generator, n: int) -> tuple[Floats, Floats]:
    """Two that have nothing in common: medians 1 and 1.5."""
    return rng.lognormal(0, 0.5, n), 1.5 * rng.lognormal(0, 0.5, n)


def drifting(rng: Generator, n: int) -> tuple[Floats, Floats]:
    """A bad hour strikes both alike, and falls out."""
    hour = rng.lognormal(0, 0.5, n)
    return hour * rng.lognormal(0, 0.1, n), 1.5 * hour * rng.lognormal(0, 0.1, n)


def two_humps(rng: Generator, n: int) -> tuple[Floats, Floats]:
    """One answer in ten is five times slower; medians are 1 and 1.5 times that of such a mix."""
    slow = np.where(rng.random((2, n)) < 0.1, 5.0, 1.0)
    first, second = slow * rng.lognormal(0, 0.2, (2, n))
    return first, 1.5 * second


def wandering(rng: Generator, n: int) -> tuple[Floats, Floats]:
    """The second one's load changes slowly: a neighbour says much of the next."""
    load = np.empty(n)
    load[0] = rng.normal(0, 1 / np.sqrt(1 - 0.7**2))
    for i, step in enumerate(rng.normal(0, 1, n - 1), 1):
        load[i] = 0.7 * load[i - 1] + step
    return 10 + rng.normal(0, 0.2, n), 12 + load


def truth_of(draw: Callable[[Generator, int], tuple[Floats, Floats]]) -> float:
    a, b = draw(np.random.default_rng(99), 400_000)
    return float(np.median(a) - np.median(b))


def share_held(trials: int, true: float, draw: Callable[[int], Gap]) -> float:
    """How often an interval of the difference holds the truth; one draw in a hundred looks as if
    neighbours resembled one another, and may then be too short for an interval."""
    limits = [found.difference_limits for found in map(draw, range(trials))]
    there = [interval for interval in limits if interval]
    assert len(there) >= 0.95 * trials
    return sum(low <= true <= high for low, high in there) / len(there)


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize(
    ("draw", "n"),
    [(lognormal, 10), (lognormal, 50), (drifting, 50), (two_humps, 20), (wandering, 400)],
)
def test_intervals_of_medians_hold_the_truth_as_often_as_they_say(
    draw: Callable[[Generator, int], tuple[Floats, Floats]], n: int
) -> None:
    rng = np.random.default_rng(7)
    true = -0.5 if draw in (lognormal, drifting) else truth_of(draw)
    assert share_held(150, true, lambda i: compare(*draw(rng, n), "median", 0.05, i)) >= 0.9


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("n", [8, 40])
def test_intervals_of_means_hold_the_truth(n: int) -> None:
    rng = np.random.default_rng(11)
    true = (1.0 - 1.5) * np.exp(0.125)
    assert share_held(200, true, lambda i: compare(*lognormal(rng, n), "mean", 0.05, i)) >= 0.9


@pytest.mark.usefixtures("uncounted")
def test_an_interval_of_the_ratio_holds_the_truth() -> None:
    rng, held = np.random.default_rng(5), 0
    for trial in range(150):
        limits = compare(*drifting(rng, 30), "median", 0.05, trial).ratio_limits
        assert limits is not None
        held += limits[0] <= 1 / 1.5 <= limits[1]
    assert held >= 0.9 * 150


@pytest.mark.usefixtures("uncounted")
def test_intervals_of_pooled_gaps_hold_the_truth() -> None:
    """Requests differ in speed, so that gaps of one are worth few."""
    rng, n = np.random.default_rng(3), 400

    def pool(factor: float, size: int) -> Pooled:
        sizes = rng.integers(4, 24, size)
        speed = np.repeat(rng.lognormal(0, 0.3, size), sizes)
        return Pooled(factor * speed * rng.lognormal(3, 0.4, sizes.sum()), sizes)

    true = np.quantile(pool(1.0, 200_000).gaps, 0.99) * (1.0 - 1.3)
    held = share_held(60, true, lambda i: compare_pooled(pool(1.0, n), pool(1.3, n), 0.99, 0.05, i))
    assert held >= 0.88


def test_pairing_is_worth_something() -> None:
    a, b = drifting(np.random.default_rng(1), 60)
    together = compare(a, b, "median", 0.05, 1)
    apart = compare(a, np.random.default_rng(2).permutation(b), "median", 0.05, 1)
    assert together.difference_limits is not None
    assert apart.difference_limits is not None
    assert np.diff(together.difference_limits) < 0.6 * np.diff(apart.difference_limits)


def test_what_differs_by_a_constant_differs_by_it_for_sure() -> None:
    a = np.arange(1.0, 11.0)
    found = compare(a, a + 4.0, "median", 0.05, 0)
    assert found == Gap(
        10, 5.5, 9.5, -4.0, 5.5 / 9.5, (-4.0, -4.0), found.ratio_limits, "paired-bootstrap"
    )
    assert found.distinct is True
    assert compare(a, a, "mean", 0.05, 0).distinct is False


def test_a_mean_is_a_mean() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.exponential(1, 80), rng.exponential(2, 80)
    found = compare(a, b, "mean", 0.05, 0)
    assert (found.a, found.b) == (pytest.approx(a.mean()), pytest.approx(b.mean()))
    assert found.difference_limits is not None
    width = 2 * 1.96 * (a - b).std() / np.sqrt(80)
    assert np.diff(found.difference_limits) == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize(
    ("n", "alpha", "sure"), [(5, 0.05, False), (6, 0.05, True), (8, 0.005, False), (9, 0.005, True)]
)
def test_too_few_pairs_have_no_interval(n: int, alpha: float, sure: bool) -> None:
    found = compare(*lognormal(np.random.default_rng(1), n), "median", alpha, 0)
    assert (found.difference_limits is not None) is sure
    assert (found.distinct is not None) is sure
    assert (found.method == "none") is not sure
    assert found.pairs == n


def test_the_more_comparisons_the_wider() -> None:
    a, b = lognormal(np.random.default_rng(1), 50)
    widths = [
        np.diff(found.difference_limits or ())
        for found in (compare(a, b, "median", alpha, 0) for alpha in (0.05, 0.005))
    ]
    assert widths[0] < widths[1]


def test_the_same_seed_gives_the_same_limits() -> None:
    a, b = lognormal(np.random.default_rng(1), 50)
    assert compare(a, b, "median", 0.05, 4) == compare(a, b, "median", 0.05, 4)
    assert compare(a, b, "median", 0.05, 4) != compare(a, b, "median", 0.05, 5)


def test_slow_wandering_is_noticed_and_short_samples_of_it_are_not_believed() -> None:
    rng = np.random.default_rng(5)
    long = compare(*wandering(rng, 400), "median", 0.05, 0)
    assert long.method == "paired-bootstrap-autocorrelation"
    a = np.zeros(40)
    ramp = compare(a + 1.0, np.linspace(1.0, 9.0, 40), "median", 0.05, 0)
    assert (ramp.difference_limits, ramp.method) == (None, "none")


def test_nothing_is_divided_by_nothing() -> None:
    found = compare(np.ones(10), np.zeros(10), "mean", 0.05, 0)
    assert (found.ratio, found.ratio_limits) == (None, None)
    assert found.difference_limits == (1.0, 1.0)


def test_fifty_requests_have_no_interval_of_the_p99() -> None:
    rng = np.random.default_rng(1)
    sizes = np.full(50, 64)
    pools = [Pooled(rng.lognormal(3, 0.3, 3200), sizes) for _ in range(2)]
    found = compare_pooled(*pools, 0.99, 0.05, 0)
    assert found.a == pytest.approx(np.quantile(pools[0].gaps, 0.99))
    assert found.difference_limits is None


@settings(max_examples=60)
@given(st.data())
def test_a_drawing_of_requests_has_the_quantile_that_numpy_finds(data: st.DataObject) -> None:
    sizes = np.array(data.draw(st.lists(st.integers(1, 30), min_size=2, max_size=12)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    level = data.draw(st.sampled_from([0.5, 0.9, 0.99]))
    pool = Pooled(rng.lognormal(0, 1, int(sizes.sum())), sizes)
    times = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=7)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    expected = [np.quantile(np.repeat(pool.gaps, row[owners]), level) for row in times]
    assert paired.Tail(pool, level).quantiles(times) == pytest.approx(expected)


def test_a_drawing_whose_tail_lies_deep_is_found_too() -> None:
    """One request has all the long gaps; where it is not drawn, the quantile is far below them."""
    sizes = np.array([5000, 10, 10])
    gaps = np.concatenate([np.linspace(100, 200, 5000), np.ones(20)])
    times = np.array([[0, 2, 1], [3, 0, 0]])
    found = paired.Tail(Pooled(gaps, sizes), 0.99).quantiles(times)
    assert found == pytest.approx([1.0, np.quantile(gaps[:5000].repeat(3), 0.99)])
