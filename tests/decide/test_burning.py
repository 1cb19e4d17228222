"""Burn rates: the workbook's rules, what a single failure does not do, and when an alert ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.decide.burning import (
    FEWEST,
    OF_S,
    STEPS,
    WORKBOOK,
    Burn,
    Burning,
    Window,
    rules,
)
from llm_latency_lens.decide.sla import Promise, parse_sla

DAY_S = 86_400.0
START_S = 1_700_000_000.0


def promise(text: str = "error_rate<0.1%") -> Promise:
    return parse_sla(f"objectives: [{{limit: {text}}}]", "sla.yaml").promises[0]


def burnt(
    burn: Burn, missed: set[int], probes: int, interval_s: float = 60.0, at: float = START_S
) -> list[Burning | None]:
    """What is said after each of so many probes, of which these missed."""
    said = []
    for number in range(probes):
        now = at + number * interval_s
        burn.add(now, 1, number in missed)
        said.append(burn.judge(now))
    return said


def test_the_rules_are_the_workbooks() -> None:
    hours = [
        (rule.burn_rate, rule.long_s / 3600, rule.short_s / 60, rule.page) for rule in WORKBOOK
    ]
    assert hours == [
        (14.4, 1, 5, True), (6.0, 6, 30, True), (3.0, 24, 120, False), (1.0, 72, 360, False),
    ]  # fmt: skip
    shares = [rule.burn_rate * rule.long_s / OF_S for rule in WORKBOOK]
    assert shares == pytest.approx([0.02, 0.05, 0.1, 0.1])


def test_windows_are_scaled_to_that_of_the_objective() -> None:
    week = rules(7 * DAY_S)
    assert week[0].long_s == pytest.approx(840.0)
    assert [rule.burn_rate * rule.long_s / (7 * DAY_S) for rule in week] == pytest.approx(
        [0.02, 0.05, 0.1, 0.1]
    )


def test_one_failed_probe_a_minute_pages_nobody() -> None:
    """It is 1.7 % of an hour: 16.7 times the budget of 0.1 %."""
    burn = Burn(promise(), 30 * DAY_S)
    assert burnt(burn, {120}, 121) == [None] * 121
    assert burn.rate(3600.0, START_S + 120 * 60) > 14.4
    assert burnt(burn, set(), 120, at=START_S + 121 * 60) == [None] * 120


def test_three_failures_in_a_row_page_and_the_page_ends_with_the_short_window() -> None:
    burn = Burn(promise(), 30 * DAY_S)
    said = burnt(burn, {120, 121, 122}, 200)
    assert said[:122] == [None] * 122
    first = said[122]
    assert first is not None
    assert (first.page, first.burn_rate, first.counts.bad) == (True, 14.4, FEWEST)
    assert first.long == pytest.approx(3 / 62 / 0.001, rel=0.05)
    # Five minutes until the short window forgets, and five until the alert does.
    assert [one is not None and one.rule == 0 for one in said[122:134]] == [True] * 11 + [False]


def test_gaps_of_one_answer_are_one_failure() -> None:
    burn = Burn(promise("itl_ms.p99<60"), 30 * DAY_S)
    for number in range(60):
        burn.add(START_S + number * 60, 30, 25 if number == 50 else 0)
    assert burn.rate(3600.0, START_S + 3540) == pytest.approx(25 / 1800 / 0.01, rel=0.05)
    assert burn.judge(START_S + 3540) is None
    for number in range(60, 62):
        burn.add(START_S + number * 60, 30, 1)
        found = burn.judge(START_S + number * 60)
    assert found is None or not found.page  # five minutes, and three answers of which one is bad


def test_a_slow_burn_is_a_ticket() -> None:
    burn = Burn(promise("error_rate<1%"), 30 * DAY_S)
    said = burnt(burn, set(range(20, 3 * 1440, 25)), 3 * 1440)  # 4 %: four times the budget
    found = [one for one in said if one is not None]
    assert found
    assert not any(one.page for one in found[600:])
    assert found[-1].burn_rate == 3.0


def test_what_is_left_of_the_budget() -> None:
    burn = Burn(promise("error_rate<1%"), DAY_S)
    assert burn.left(START_S) == 1.0
    burnt(burn, {10}, 400)
    assert burn.left(START_S + 400 * 60) == pytest.approx(1 - 1 / 14.4)


def test_what_was_before_the_first_request_is_taken_as_good() -> None:
    burn = Burn(promise("error_rate<1%"), 30 * DAY_S)
    said = burnt(burn, set(range(12)), 12)
    assert burn.rate(3600.0, START_S + 600) == pytest.approx(100 / 6, rel=0.1)
    first = next(number for number, one in enumerate(said) if one is not None)
    assert first == 9  # minutes, of which 8.64 spend 2 % of the budget


def test_nothing_counted_burns_nothing() -> None:
    burn = Burn(promise(), 30 * DAY_S)
    burn.add(START_S, 0, 0)
    assert burn.judge(START_S) is None
    assert burn.rate(3600.0, START_S) == 0.0


def test_a_time_before_the_last_one_counts_as_the_last() -> None:
    window = Window(300.0)
    window.add(START_S, 1, 1)
    window.add(START_S - 3600, 1, 0)
    assert window.counts(START_S).total == 2
    assert window.counts(START_S + 330).total == 0


def test_what_was_counted_outlives_the_process() -> None:
    burn, again = Burn(promise(), 30 * DAY_S), Burn(promise(), 30 * DAY_S)
    burnt(burn, {120, 121, 122}, 123)
    again.load(burn.dump())
    now = START_S + 125 * 60
    assert again.judge(now) == burn.judge(now) is not None
    assert again.left(now) == burn.left(now)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 400), st.integers(0, 3), st.booleans()), max_size=40),
    st.floats(10.0, 5000.0),
)
def test_a_window_holds_what_a_list_would(
    steps: list[tuple[float, int, bool]], length_s: float
) -> None:
    window, kept, now = Window(length_s), [], START_S
    for wait_s, total, missed in steps:
        now += wait_s
        count = min(total, int(missed))
        window.add(now, total, count)
        kept.append((now, total, count))
    part_s = length_s / STEPS
    inside = [one for one in kept if one[0] > now - length_s + part_s]
    around = [one for one in kept if one[0] > now - length_s - 2 * part_s]
    found = window.counts(now)
    assert sum(one[1] for one in inside) <= found.total <= sum(one[1] for one in around)
    assert sum(one[2] for one in inside) <= found.missed <= sum(one[2] for one in around)
    other = Window(length_s)
    other.load(window.dump())
    assert other.counts(now + length_s / 2) == window.counts(now + length_s / 2)
