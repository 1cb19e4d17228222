from fractions import Fraction
from itertools import count, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.schedule import Schedule, constant, poisson

SECOND = 1_000_000_000
rates = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)


def arrivals(schedule: Schedule) -> list[int]:
    return list(takewhile(lambda at: at is not None, map(schedule, count())))


def test_constant_starts_at_once_and_keeps_its_distance():
    assert arrivals(constant(4, requests=5)) == [0, SECOND // 4, SECOND // 2, 750_000_000, SECOND]


def test_constant_takes_the_rate_as_it_was_typed():
    every_ten_seconds = constant(0.1)
    assert every_ten_seconds(1) == 10 * SECOND
    assert every_ten_seconds(1_000_000_007) == 10_000_000_070 * SECOND


def test_constant_rounds_to_the_nearest_nanosecond():
    assert arrivals(constant(3, requests=4)) == [0, 333_333_333, 666_666_667, SECOND]


@given(rate=rates, n=st.integers(0, 10**9))
def test_constant_never_drifts(rate: float, n: int):
    at = constant(rate)(n)
    assert at is not None
    assert abs(at - n * SECOND / Fraction(repr(rate))) <= Fraction(1, 2)


@pytest.mark.parametrize("schedule", [constant(100, duration_ns=SECOND)])
def test_duration_is_an_open_end(schedule: Schedule):
    found = arrivals(schedule)
    assert len(found) == 100
    assert found[-1] == 990_000_000


def test_the_first_end_to_come_ends_it():
    assert len(arrivals(constant(10, requests=3, duration_ns=SECOND))) == 3
    assert len(arrivals(constant(10, requests=30, duration_ns=SECOND))) == 10
    assert len(arrivals(poisson(10, 1, requests=3, duration_ns=SECOND * 100))) == 3


def test_poisson_is_the_same_for_the_same_seed_in_any_order():
    forward, backward = poisson(50, 7), poisson(50, 7)
    first = [forward(n) for n in range(200)]
    assert [backward(n) for n in reversed(range(200))] == first[::-1]
    assert first != [poisson(50, 8)(n) for n in range(200)]


def test_poisson_numbers_stay_what_they_are():
    assert [poisson(1, 0)(n) for n in range(3)] == [1_860_607_111, 3_279_236_264, 3_824_949_410]


def test_poisson_has_the_mean_and_the_spread_of_an_exponential():
    schedule = poisson(1000, 3)
    times = [at for n in range(20_000) if (at := schedule(n)) is not None]
    gaps = [b - a for a, b in zip([0, *times], times, strict=False)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1_000_000, rel=0.02)
    assert deviation == pytest.approx(mean, rel=0.03)


@given(rate=st.floats(0.1, 1000), seed=st.integers(0, 2**64), seconds=st.integers(1, 3))
def test_poisson_rises_and_stays_inside_its_duration(rate: float, seed: int, seconds: int):
    schedule = poisson(rate, seed, duration_ns=seconds * SECOND)
    found = arrivals(schedule)
    assert found == sorted(found)
    assert all(0 <= at < seconds * SECOND for at in found)
    assert schedule(len(found)) is None
    assert schedule(len(found) + 5) is None


@pytest.mark.parametrize("make", [constant, poisson])
@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_sent(make, rate: float):
    with pytest.raises(UsageError, match="it must be above 0"):
        make(rate)


@pytest.mark.parametrize("make", [constant, poisson])
def test_ends_that_cannot_be(make):
    with pytest.raises(UsageError, match="0 requests cannot be sent"):
        make(1, requests=0)
    with pytest.raises(UsageError, match=r"a duration of 0 s is not above 0"):
        make(1, duration_ns=0)
