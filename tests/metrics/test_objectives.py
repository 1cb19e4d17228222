"""Limits on single requests, and goodput: what met them all, for each second."""

from __future__ import annotations

import pytest
from metrics_records import answer, context, failed, summed
from msgspec import UNSET

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.objectives import Objective, parse_objective


@pytest.mark.parametrize(
    ("text", "metric", "sign", "limit"),
    [
        ("ttft_ms<800", "ttft_ms", "<", 800.0),
        (" e2e_ms <= 1.5s ", "e2e_ms", "<=", 1500.0),
        ("tpot_ms<250us", "tpot_ms", "<", 0.25),
        ("e2e_ms<2m", "e2e_ms", "<", 120_000.0),
        ("output_tokens_per_second>20", "output_tokens_per_second", ">", 20.0),
    ],
)
def test_grammar(text: str, metric: str, sign: str, limit: float) -> None:
    assert parse_objective(text) == Objective(text.strip(), metric, sign, limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ttft_ms", "write a metric"),
        ("ttft_ms<fast", "write a metric"),
        ("ttft_ms.p95<800", "one request has no ttft_ms.p95"),
        ("itl_ms<10", "one request has no itl_ms"),
        ("output_tokens_per_second>1s", "takes no unit"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_objective(text)


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_the_limit_itself(sign: str, below: bool, at: bool, above: bool) -> None:
    limit = Objective("x", "ttft_ms", sign, 10.0)
    assert [limit.met(9.0), limit.met(10.0), limit.met(11.0)] == [below, at, above]
    assert not limit.met(float("nan"))


def test_goodput_counts_what_met_every_objective() -> None:
    records = [
        answer(0, start_ms=0, ttft_ms=100, gaps_ms=[900.0]),
        answer(1, start_ms=0, ttft_ms=300, gaps_ms=[600.0]),
        answer(2, start_ms=0, ttft_ms=100, gaps_ms=[1899.9]),
        failed(3),
    ]
    given = context(objectives=("ttft_ms<200", "e2e_ms<1.5s"))
    goodput = summed(records, given).goodput
    assert goodput is not UNSET
    assert goodput.objectives == ["ttft_ms<200", "e2e_ms<1.5s"]
    assert goodput.met == 1
    assert goodput.share == 0.25
    assert goodput.requests_per_second == pytest.approx(1 / 2.0)


def test_no_objective_no_goodput() -> None:
    assert summed([answer()]).goodput is UNSET


def test_a_value_that_does_not_exist_misses() -> None:
    goodput = summed([answer(gaps_ms=[])], context(objectives=("tpot_ms<1000",))).goodput
    assert goodput is not UNSET
    assert goodput.met == 0


def test_without_a_request_there_is_no_share() -> None:
    goodput = summed([], context(objectives=("ttft_ms<1s",))).goodput
    assert goodput is not UNSET
    assert (goodput.share, goodput.requests_per_second) == (None, None)
