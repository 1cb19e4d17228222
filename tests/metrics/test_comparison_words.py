"""What a comparison says in words."""

from __future__ import annotations

from typing import Any

import pytest
from comparison_records import candidate, compared
from msgspec import UNSET

from llm_latency_lens.metrics.comparison import Difference, Differences
from llm_latency_lens.metrics.comparison_words import sentence


def difference(a: float, b: float, low: float, high: float, **changes: Any) -> Difference:
    """`low` and `high` are limits of the ratio; those of the difference follow."""
    values: dict[str, Any] = {
        "pairs": 50,
        "a": a,
        "b": b,
        "difference": a - b,
        "ratio": a / b,
        "difference_ci95": ((low - 1) * b, (high - 1) * b),
        "ratio_ci95": (low, high),
        "ci_method": "paired-bootstrap",
        "distinct": not low <= 1 <= high,
    }
    return Difference(**{**values, **changes})


def nothing(a: float) -> Difference:
    """Against 0, with which there is no ratio."""
    return Difference(
        pairs=50, a=a, b=0.0, difference=a, ratio=None, ci_method="paired-bootstrap", distinct=True
    )


SOONER = difference(312, 503, 0.56, 0.69)
CHEAPER = difference(0.0041, 0.001, 4.0, 4.2)
ALIKE = difference(312, 318, 0.93, 1.04)
UNSURE: dict[str, Any] = {
    "pairs": 4,
    "difference_ci95": UNSET,
    "ratio_ci95": UNSET,
    "ci_method": "none",
    "distinct": None,
}


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        (
            {"ttft_ms_p50": SOONER, "cost_usd_mean": CHEAPER},
            "A answers 38 % sooner than B (TTFT p50 312 ms against 503 ms, 95 % interval 31 to"
            " 44 %); B is 4.1 times cheaper ($0.001 against $0.0041 a request).",
        ),
        (
            {"ttft_ms_p50": difference(503, 312, 1 / 0.69, 1 / 0.56)},
            "B answers 38 % sooner than A (TTFT p50 312 ms against 503 ms, 95 % interval 31 to"
            " 44 %).",
        ),
        (
            {"ttft_ms_p50": difference(9.7, 10, 0.955, 0.985)},
            "A answers 3 % sooner than B (TTFT p50 9.7 ms against 10 ms, 95 % interval 1.5 to"
            " 4.5 %).",
        ),
        (
            {"ttft_ms_p50": ALIKE, "cost_usd_mean": difference(0.002, 0.0023, 0.8, 0.9)},
            "No difference between A and B can be told from 50 requests each (TTFT p50 312 ms"
            " against 318 ms, 95 % interval of the difference -22.3 to 12.7 ms); A is 13 % cheaper"
            " ($0.002 against $0.0023 a request).",
        ),
        (
            {"ttft_ms_p50": difference(312, 503, 0.5, 0.7, **UNSURE)},
            "A and B cannot be told apart by 4 requests each (TTFT p50 312 ms against 503 ms; 6 or"
            " more are needed, and more where they depend on one another).",
        ),
        (
            {"e2e_ms_p50": difference(1500, 3000, 0.45, 0.55)},
            "A answers 50 % sooner than B (whole answer p50 1,500 ms against 3,000 ms, 95 %"
            " interval 45 to 55 %).",
        ),
        ({}, "A and B answered no request together: there is nothing to compare."),
    ],
)
def test_sentences(differences: dict[str, Difference], words: str) -> None:
    assert sentence("A", "B", Differences(**differences)) == words


@pytest.mark.parametrize(
    ("speed", "words"),
    [
        (difference(200, 160, 1.2, 1.3), "; A writes 25 % faster (200 against 160 characters a"),
        (difference(160, 200, 0.75, 0.85), "; B writes 25 % faster (200 against 160 characters a"),
        (difference(200, 160, 1.2, 1.3, ratio_ci95=UNSET), "(200 against 160 characters a second)"),
        (difference(200, 199, 0.9, 1.1), ""),
        (nothing(200), ""),
    ],
)
def test_who_writes_faster_is_said_where_it_is_sure(speed: Difference, words: str) -> None:
    found = sentence("A", "B", Differences(ttft_ms_p50=SOONER, characters_per_second_p50=speed))
    assert ("writes" in found) == bool(words)
    assert words in found


def test_the_interval_of_the_faster_writer_is_turned_with_it() -> None:
    speed = difference(160, 200, 0.75, 0.85)
    found = sentence("A", "B", Differences(ttft_ms_p50=SOONER, characters_per_second_p50=speed))
    assert "95 % interval 18 to 33 %)." in found


def test_nothing_is_cheaper_than_nothing() -> None:
    free = nothing(0.001)
    assert "cheaper" not in sentence("A", "B", Differences(ttft_ms_p50=SOONER, cost_usd_mean=free))


def test_tokens_of_different_length_are_named() -> None:
    made = compared({"a": candidate(200), "b": candidate(200, chars=5), "c": candidate(300)})
    assert made.notes[0] == (
        "Tokens are not the same unit here (characters a token: a 4, b 5, c 4): compare characters"
        " a second and cost a request, not tokens a second."
    )


def test_answers_of_different_length_are_named() -> None:
    longer = candidate(200, events=32)
    (note,) = compared({"a": candidate(200), "b": longer}).notes
    assert note == (
        "Answers differ in length (characters on average: a 64, b 128): whole answers take and"
        " cost more for that alone."
    )


def test_where_nothing_stands_in_the_way_nothing_is_said() -> None:
    assert compared({"a": candidate(200), "b": candidate(210, seed=3)}).notes == []
