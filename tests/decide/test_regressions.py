"""Worse, not worse, or not enough data: the tests behind the words, and the words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_samples import drawn, made
from llm_latency_lens.decide import means, quantiles, rates
from llm_latency_lens.decide.questions import of_quantile, of_share
from llm_latency_lens.decide.regressions import (
    Allowed,
    Answered,
    answers,
    holm,
    parse_allowed,
    parse_metric,
)
from llm_latency_lens.decide.sample import Sample, code, value
from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.special import t_cdf

RNG = np.random.default_rng


def one(a: Sample, b: Sample, metric: str, **allowed: float) -> Answered:
    (found,) = answers(a, b, [metric], [Allowed(metric, **allowed)])
    return found


def slower(sample: Sample, factor: float) -> Sample:
    figures = {name: code(value(codes) * factor) for name, codes in sample.figures.items()}
    return replace(sample, figures=figures, gaps=code(value(sample.gaps) * factor))


# --- the parts ------------------------------------------------------------------------------


def test_p_values_of_quantiles_are_those_of_permutations() -> None:
    """All permutations of two samples of six: how many have a statistic as large."""
    a, b = np.arange(6.0), np.arange(6.0) + 2.5
    pair = quantiles.pair_of(a, b, (6, 6), 0.5, exact=True)
    pooled = np.concatenate([a, b])
    least = quantiles.statistic(pair)
    count = 0
    for bits in range(1 << 12):
        of_b = np.array([bits >> i & 1 for i in range(12)], bool)
        if of_b.sum() == 6:
            drawn_pair = replace(pair, a=np.sort(pooled[~of_b]), b=np.sort(pooled[of_b]))
            count += quantiles.statistic(drawn_pair) >= least - 1e-9
    assert quantiles.larger(pair) == pytest.approx(count / comb(12, 6), abs=0.02)


def test_a_quantile_that_is_not_larger_has_no_small_p_value() -> None:
    a = np.sort(RNG(1).lognormal(size=200))
    for exact in (True, False):
        pair = quantiles.pair_of(a, a * 0.9, (200, 200), 0.95, exact)
        assert quantiles.larger(pair) == 1.0


@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.95, 0.99]))
@settings(max_examples=8, deadline=None)
def test_the_further_a_is_moved_the_less_b_is_larger(seed: int, level: float) -> None:
    a, b = RNG(seed).lognormal(size=(2, 300))
    question = of_quantile(a, b, level)
    moved = [question.larger(factor, 0.0) for factor in (0.5, 0.8, 1.0, 1.2, 2.0)]
    assert moved == sorted(moved)
    assert question.larger(1.0, 0.3) >= question.larger(1.0, 0.0)


def test_thousands_of_values_are_searched_as_closely_as_few() -> None:
    a, b = np.sort(RNG(1).lognormal(size=(2, 20_000)) * [[1.0], [1.05]])
    pair = quantiles.Pair(a, b, 2e4, 2e4, 0.5, exact=False)
    every = quantiles._ratios(pair, np.arange(len(b))).min()
    assert quantiles.statistic(pair) == pytest.approx(every, rel=1e-9)


@pytest.mark.parametrize("zeros", [3, 60, 95, 100])
def test_gaps_of_0_are_values_like_others(zeros: int) -> None:
    """Events that came together have no gap between them."""
    a, b = np.sort(RNG(2).lognormal(size=(2, 100)))
    a[:zeros] = 0.0
    pair = quantiles.Pair(a, b, 100.0, 100.0, 0.95, exact=False)
    assert quantiles.enough(pair, 0.1, 0.05, 0.8) > 100.0


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=50)
def test_shares_have_fishers_p_value(size_a: int, size_b: int, hits_a: int, hits_b: int) -> None:
    hits_a, hits_b = min(hits_a, size_a), min(hits_b, size_b)
    found = rates.larger(rates.Counts(hits_a, size_a), rates.Counts(hits_b, size_b))
    hits = hits_a + hits_b
    if hits_b / size_b <= hits_a / size_a:
        assert found == 1.0
        return
    tail = sum(
        comb(size_b, k) * comb(size_a, hits - k) for k in range(hits_b, min(hits, size_b) + 1)
    )
    assert found == pytest.approx(tail / comb(size_a + size_b, hits))


def test_an_allowed_increase_is_added_to_the_baseline() -> None:
    a, b = rates.Counts(0, 100), rates.Counts(6, 100)
    assert rates.larger(a, b) == pytest.approx(0.01447, abs=1e-5)
    assert rates.larger(a.raised(0.05), b) == rates.larger(rates.Counts(5, 100), b) > 0.4


def test_equal_means_with_equal_skewness_have_welchs_p_value() -> None:
    a = means.Moments(10.0, 4.0, 0.0, 20.0)
    b = means.Moments(11.0, 4.0, 0.0, 20.0)
    assert means.larger(a, b) == pytest.approx(1 - t_cdf(1 / np.sqrt(0.4), 38.0))
    assert t_cdf(2.024394, 38.0) == pytest.approx(0.975, abs=1e-6)
    assert t_cdf(-2.024394, 38.0) == pytest.approx(0.025, abs=1e-6)


def test_means_that_do_not_vary_differ_or_do_not() -> None:
    a, b = means.Moments(1.0, 0.0, 0.0, 9.0), means.Moments(1.1, 0.0, 0.0, 9.0)
    assert (means.larger(a, b), means.larger(b, a), means.larger(a, a)) == (0.0, 1.0, 1.0)
    assert means.enough(a, b, 0.0, 0.05, 0.9) == np.inf


def test_failures_in_bursts_count_for_less() -> None:
    calm, bursts = np.zeros(1000), np.zeros(1000)
    bursts[300:340] = 1
    question = of_share(calm, bursts)
    assert question.b == pytest.approx(0.04)
    assert question.worth[1] < 100
    found = one(made(failed=calm), made(failed=bursts), "error_rate")
    assert found.answer != "worse"
    assert (found.enough, found.pilot) == (None, 72_000)  # one burst of 40 does not tell the next


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


# --- the answers ----------------------------------------------------------------------------


def test_a_slower_run_is_worse_and_its_interval_holds_the_truth() -> None:
    a, b = drawn(600, 1), slower(drawn(600, 2), 1.3)
    for metric in ("ttft_ms.p95", "itl_ms.p99", "e2e_ms.p50", "ttft_ms.mean", "itl_ms.mean"):
        found = one(a, b, metric)
        assert found.answer == "worse", metric
        assert found.change_limits is not None
        low, high = found.change_limits
        assert low is not None
        assert high is not None
        assert 0 < low < 0.3 < high < 0.6
        assert found.change == pytest.approx(0.3, abs=0.1)
        assert found.p_value is not None
        assert found.p_value < 0.05


def test_the_same_run_and_a_faster_one_are_not_worse() -> None:
    a, b = drawn(1500, 1), drawn(1500, 2)
    for found in answers(a, b) + answers(a, slower(b, 0.7)):
        assert found.answer == "not worse", found
        assert found.note is None


def test_what_is_allowed_is_not_worse() -> None:
    a, b = drawn(800, 1), slower(drawn(800, 2), 1.15)
    assert one(a, b, "e2e_ms.p50").answer == "worse"
    assert one(a, b, "e2e_ms.p50", share=0.2).answer == "not worse"
    assert one(a, b, "e2e_ms.p50", ms=100.0).answer == "not worse"
    assert one(a, b, "e2e_ms.p50", ms=1.0).answer == "worse"


def test_more_is_better_of_speeds() -> None:
    a, b = drawn(300, 1), drawn(300, 2, gap="lognormal:26ms,0.3")
    assert one(a, b, "output_tokens_per_second.p50").answer == "worse"
    assert one(b, a, "output_tokens_per_second.p50").answer == "not worse"
    assert one(a, b, "output_tokens_per_second.p50", share=0.4).answer == "not worse"
    assert one(a, b, "output_tokens_per_second.mean").answer == "worse"


def test_few_requests_are_not_enough_and_it_says_how_many_are() -> None:
    found = one(drawn(100, 5), drawn(100, 6), "ttft_ms.p95")
    assert found.answer == "not enough data"
    assert (found.finds, found.enough, found.pilot) == ("10 %", 3800, None)


def test_a_quantile_with_too_few_beyond_it_names_a_pilot_with_twenty() -> None:
    """p95 of 50 independent requests: 2.5 lie beyond. 400 have 20, of the p99 2,000 would."""
    few = one(drawn(50, 5), drawn(50, 6), "ttft_ms.p95")
    assert (few.answer, few.enough, few.pilot) == ("not enough data", None, 400)
    tail = one(drawn(100, 5), drawn(100, 6), "ttft_ms.p99")
    assert tail.run_worth == 85  # 100 / 1.176, rounded down to two digits
    assert (tail.enough, tail.pilot) == (None, 2400)  # 100 / 85 x 20 / 0.01
    assert one(drawn(50, 5), drawn(50, 6), "ttft_ms.p50").enough is not None


def test_a_pilot_too_short_to_know_its_memory_names_a_longer_one() -> None:
    """20 independent requests must lie beyond the figure; the pilot is a standard error longer."""
    short, long = (one(*busy(n), "ttft_ms.p95") for n in (500, 5000))
    assert short.run_worth is not None
    memory = 500 / short.run_worth
    assert memory == pytest.approx(4.589, abs=1e-3)
    longer = memory * (1 + np.sqrt(2 * (10 * memory + 1) / 500))
    assert (short.enough, short.pilot) == (None, 100 * np.ceil(20 / 0.05 * longer / 100))
    assert (long.enough, long.pilot) == (14_000, None)


def test_the_middle_of_a_queue_is_known_sooner_than_its_tail_and_a_mean_in_between() -> None:
    middle, mean, tail = (one(*busy(500), f"ttft_ms.{of}").pilot for of in ("p50", "mean", "p95"))
    assert (middle, mean, tail) == (None, 1600, 2700)


def busy(n: int) -> tuple[Sample, Sample]:
    """Two runs whose logarithms are autoregressive: 0.7 of each is that of the request before."""
    both = []
    for seed in (1, 2):
        steps = RNG(seed).normal(size=n)
        for i in range(1, n):
            steps[i] += 0.7 * steps[i - 1]
        both.append(made(200 * np.exp(steps / 5)))
    return both[0], both[1]


def test_as_many_as_named_find_a_tenth() -> None:
    enough = one(drawn(300, 1), drawn(300, 2), "ttft_ms.p95").enough
    assert enough is not None
    worse = [
        one(drawn(enough, 10 + i), drawn(enough, 30 + i, ttft="lognormal:220ms,0.3"), "ttft_ms.p95")
        for i in range(3)
    ]
    assert sum(found.answer == "worse" for found in worse) >= 2


def test_between_two_kinds_of_requests_no_number_is_enough() -> None:
    fast, slow = RNG(5).lognormal(5, 0.1, (2, 190)), np.full((2, 10), 2000.0)
    a, b = (made(np.concatenate([one, other])) for one, other in zip(fast, slow, strict=True))
    found = one(a, b, "ttft_ms.p95")
    assert (found.answer, found.enough) == ("not enough data", None)
    assert one(a, b, "ttft_ms.p50").enough is not None


def test_fewer_than_six_requests_are_not_asked() -> None:
    found = one(drawn(5), drawn(50), "ttft_ms.p95")
    assert (found.answer, found.enough, found.p_value) == ("not enough data", None, None)
    assert found.note == "the baseline has 5 requests: a test needs 6 at least"


def test_a_named_figure_that_a_run_lacks_is_said_and_a_usual_one_left_out() -> None:
    a, b = drawn(50, 1), made([200.0] * 50)
    found = one(a, b, "itl_ms.p99")
    assert (found.answer, found.note) == ("not enough data", "the run has no itl_ms.p99")
    assert one(b, a, "cost.per_request").note == "the baseline has no cost.per_request"
    assert [found.metric for found in answers(a, b)] == ["ttft_ms.p95", "error_rate"]
    named = answers(a, b, (), [Allowed("cost.per_request", share=0.1)])
    assert [found.metric for found in named] == ["ttft_ms.p95", "error_rate", "cost.per_request"]


def test_equal_values_are_never_worse_and_a_step_up_is() -> None:
    ticks = RNG(3).choice([200.0, 210.0, 220.0], size=(2, 400))
    a, b = made(ticks[0]), made(ticks[1])
    assert one(a, b, "ttft_ms.p95").p_value == 1.0
    assert one(a, made(ticks[1] + 30.0), "ttft_ms.p95").answer == "worse"


def test_costs_are_compared_as_decimals() -> None:
    a, b = made(costs=["0.0100"] * 40), made(costs=["0.0101"] * 40)
    found = one(a, b, "cost.per_request")
    assert (found.answer, found.baseline, found.run) == (
        "worse",
        Decimal("0.01"),
        Decimal("0.0101"),
    )
    assert one(a, b, "cost.per_request", share=0.02).answer == "not worse"
    assert one(a, a, "cost.per_request").answer == "not worse"


def test_error_rates() -> None:
    a, b = made(failed=[0] * 1500), made(failed=([1] + [0] * 19) * 75)
    found = one(a, b, "error_rate")
    assert (found.answer, found.change, found.allowed) == ("worse", 0.05, "0 points")
    assert one(a, b, "error_rate", points=0.08).answer == "not worse"
    assert one(a, a, "error_rate").answer == "not worse"
    few = one(made(failed=[0] * 50), made(failed=[0] * 50), "error_rate")
    assert (few.answer, few.finds) == ("not enough data", "1 point")
    assert few.enough is not None
    assert 1000 < few.enough < 3000


def test_a_run_that_remembers_for_too_long_is_not_judged() -> None:
    walk = np.exp(np.cumsum(RNG(1).normal(size=(2, 300)), axis=1) / 10)
    found = one(made(walk[0]), made(walk[1] * 3), "ttft_ms.p50")
    assert found.answer == "not enough data"
    assert found.note is not None
    assert found.note.startswith("requests resemble their neighbours")
    assert found.enough is None
    assert found.pilot is not None
    assert found.pilot > 300
    assert (found.change_limits, found.p_value) == (None, 1.0)


def test_neighbours_that_resemble_one_another_are_worth_fewer() -> None:
    noise = RNG(2).normal(size=1000)
    walk = np.zeros(1000)
    for i in range(1, 1000):
        walk[i] = 0.7 * walk[i - 1] + noise[i]
    free, busy = (
        one(made(values), made(values), "ttft_ms.p50").run_worth
        for values in (np.exp(noise), np.exp(walk))
    )
    assert free is not None
    assert busy is not None
    assert busy < free / 3


def test_false_alarms_are_as_rare_as_promised() -> None:
    """At most 5 % of 100 pairs should be called worse; chance allows some more."""
    rng = RNG(7)
    for series in (rng.lognormal(0, 1, (200, 60)), np.rint(rng.lognormal(0, 0.3, (200, 60)) * 20)):
        alarms = sum(
            of_quantile(series[i], series[i + 100], 0.95).larger(1.0, 0.0) <= 0.05
            for i in range(100)
        )
        assert alarms <= 9


# --- how it is written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "allowed", "shown"),
    [
        ("itl_ms.p99:10%", Allowed("itl_ms.p99", share=0.1), "10 %"),
        (" ttft_ms.p95 : 50ms ", Allowed("ttft_ms.p95", ms=50.0), "50 ms"),
        ("metrics.e2e_ms.mean:0.2s", Allowed("e2e_ms.mean", ms=200.0), "200 ms"),
        ("error_rate:1%", Allowed("error_rate", points=0.01), "1 point"),
        ("cost.per_request:2.5%", Allowed("cost.per_request", share=0.025), "2.5 %"),
    ],
)
def test_allowed_regressions(text: str, allowed: Allowed, shown: str) -> None:
    assert parse_allowed(text) == allowed
    assert str(allowed) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("itl_ms.p99", "write a figure and how much"),
        ("itl_ms.p99:much", "write a figure and how much"),
        ("itl.p99:10%", "did you mean itl_ms.p99 or"),
        ("ttft_ms:10%", "did you mean ttft_ms.p50 or ttft_ms.p95"),
        ("tokens_per_event.p50:1%", "is no figure that can be tested"),
        ("cost.per_request:5ms", "is no time: allow it a share"),
        ("output_tokens_per_second.p50:100%", "cannot fall by 100 %"),
    ],
)
def test_what_is_no_allowed_regression(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_allowed(text)


def test_an_unknown_figure_names_what_is_near() -> None:
    with pytest.raises(UsageError, match=r"'zzz' is no figure that can be tested: such as"):
        parse_metric("zzz")
