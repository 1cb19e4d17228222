import pytest

from llm_latency_lens.report.figures import (
    count,
    fixed,
    milliseconds,
    percent,
    places,
    seconds,
    short,
)
from llm_latency_lens.report.page import wrap


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.03456, "0.035"),
        (1.0, "1"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234567.8, "1,234,568"),
        (-0.5, "-0.5"),
    ],
)
def test_about_three_digits(value: float, text: str):
    assert short(value) == text


def test_columns_share_their_decimals():
    assert [places(value) for value in (0.5, 5, 50, 500, 5000)] == [3, 2, 2, 1, 0]
    assert fixed(1234.567, 1) == "1,234.6"


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (0.038, "38 us"), (201.4, "201 ms"), (9999, "9,999 ms"), (12_340, "12.3 s")],
)
def test_milliseconds(ms: float, text: str):
    assert milliseconds(ms) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0345, "0.035 s"), (5.04, "5.0 s"), (60, "1 min"), (61, "1 min 1 s"), (3660, "1 h 1 min")],
)
def test_seconds(value: float, text: str):
    assert seconds(value) == text


def test_shares_and_counts():
    assert percent(0.0123) == "1.23 %"
    assert (count(1, "gap"), count(2000, "gap")) == ("1 gap", "2,000 gaps")
    assert count(2, "reply", "replies") == "2 replies"


def test_wrapping_keeps_words_and_cuts_what_is_longer_than_a_line():
    assert wrap("aa bb cccccc d", 5) == ["aa bb", "ccccc", "c d"]
    assert wrap("  ", 5) == []
