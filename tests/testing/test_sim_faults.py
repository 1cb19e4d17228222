"""Faults: their texts, whom they strike, and where."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.testing.faults import Fault, FaultKind, choose_fault, parse_faults

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429=2s:5%", Fault(FaultKind.STATUS, 0.05, status=429, delay_ns=2 * SECOND)),
        ("529:always", Fault(FaultKind.STATUS, 1.0, status=529)),
        ("reset@10:#3", Fault(FaultKind.RESET, requests=(3,), event=10)),
        ("cut:#0+7", Fault(FaultKind.CUT, requests=(0, 7))),
        ("wrong-usage=0.5:0.1", Fault(FaultKind.WRONG_USAGE, 0.1, factor=0.5)),
        ("slow-headers=3s:1%", Fault(FaultKind.SLOW_HEADERS, 0.01, delay_ns=3 * SECOND)),
        (" no-done : 50% ", Fault(FaultKind.NO_DONE, 0.5)),
    ],
)
def test_texts(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert Fault.parse(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("429", "lacks its WHEN: write e.g. 429:5% or 429:#0"),
        ("explode:5%", "unknown fault 'explode': known are 400 to 599, reset, cut"),
        ("status:5%", "unknown fault 'status'"),
        ("200:5%", "unknown fault '200'"),
        ("silence@3:5%", "silence happens at no event in particular"),
        ("reset=1s:5%", "reset takes no value"),
        ("cut@x:5%", "'x' is not a number counted from 0"),
        ("cut:#-1", "'-1' is not a number counted from 0"),
        ("cut:110%", "more than 100%"),
        ("429=2:5%", "'2' is not a duration"),
        ("wrong-usage=x:5%", "'x' is not a number"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Fault.parse(text)


def test_several_are_joined_by_commas() -> None:
    assert [str(fault) for fault in parse_faults("429:5%, cut@3:#1,")] == ["429:0.05", "cut@3:#1"]
    assert parse_faults("") == ()


def test_the_first_that_strikes_wins() -> None:
    faults = parse_faults("500:#2,reset:always")
    assert choose_fault(faults, 2, Random(0)) is faults[0]
    assert choose_fault(faults, 3, Random(0)) is faults[1]
    assert choose_fault(parse_faults("500:#2,429:0%"), 3, Random(0)) is None


@given(st.integers(0, 2**32))
def test_a_share_is_a_share(seed: int) -> None:
    faults = parse_faults("429:20%")
    struck = sum(choose_fault(faults, i, Random(f"{seed}/{i}")) is not None for i in range(500))
    assert 40 <= struck <= 170


def test_where_it_happens() -> None:
    def where(text: str) -> int:
        return Fault.parse(text).at_event(10)

    assert (where("reset:1%"), where("cut:1%"), where("malformed:1%")) == (0, 5, 5)
    assert (where("reset@3:1%"), where("cut@99:1%")) == (3, 10)


def test_a_slow_header_takes_a_second_unless_told_otherwise() -> None:
    assert Fault.parse("slow-headers:1%").header_ns == SECOND
    assert Fault.parse("slow-headers=2s:1%").header_ns == 2 * SECOND
