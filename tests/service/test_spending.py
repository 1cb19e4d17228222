"""What a day's probes may cost."""

from __future__ import annotations

from decimal import Decimal

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.service.config import DAY_S
from llm_latency_lens.service.spending import Spending

NOON = (20_000 * DAY_S + DAY_S // 2) * SECOND_NS
TOMORROW = NOON + DAY_S * SECOND_NS


def _allows(spending: Spending, bound: str, most: str | None, in_all: str | None = None) -> bool:
    limits = (None if one is None else Decimal(one) for one in (most, in_all))
    return spending.allows("a", Decimal(bound), NOON, *limits)


def test_a_probe_must_fit_whatever_it_comes_to() -> None:
    spending = Spending()
    assert _allows(spending, "1", "1")
    spending.begin("a", Decimal(1))
    assert not _allows(spending, "0.01", "1")
    spending.end("a", Decimal(1), Decimal("0.4"), NOON)
    assert _allows(spending, "0.6", "1")
    assert not _allows(spending, "0.61", "1")
    assert spending.today("a", NOON) == Decimal("0.4")


def test_two_at_a_time_are_both_held() -> None:
    spending = Spending()
    spending.begin("a", Decimal(1))
    spending.begin("a", Decimal(2))
    spending.end("a", Decimal(1), Decimal(0), NOON)
    assert not _allows(spending, "0.1", "2")
    spending.end("a", Decimal(2), Decimal(0), NOON)
    assert _allows(spending, "2", "2")


def test_a_limit_of_all_counts_the_others() -> None:
    spending = Spending()
    spending.end("b", Decimal(0), Decimal(3), NOON)
    assert not _allows(spending, "2", None, "4")
    assert _allows(spending, "1", None, "4")


def test_midnight_begins_anew_and_a_clock_set_back_does_not() -> None:
    spending = Spending()
    spending.end("a", Decimal(0), Decimal(3), NOON)
    assert spending.today("a", TOMORROW) == 0
    spending.end("a", Decimal(0), Decimal(1), TOMORROW)
    assert spending.today("a", NOON) == 1


def test_what_was_spent_before_a_restart_counts() -> None:
    spending = Spending()
    spent = [("a", Decimal("0.5")), ("a", Decimal("0.25")), ("a", None), ("b", Decimal(2))]
    spending.restore(spent, NOON)
    assert (spending.today("a", NOON), spending.today("b", NOON)) == (Decimal("0.75"), 2)
