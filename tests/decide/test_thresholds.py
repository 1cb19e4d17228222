"""Limits on the figures of a result: which there are, and what misses one by how much."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from msgspec import UNSET

from drawn_samples import context, records
from llm_latency_lens.decide.thresholds import Checked, check, parse_threshold, paths
from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.result import Cost, Result
from llm_latency_lens.metrics.summary import Summarizer


def summed(n: int = 40, **options: str) -> Result:
    summarizer = Summarizer()
    for record in records(n, **options):
        summarizer.add(record)
    return summarizer.result(context())


RESULT = summed(faults="500:20%")


def one(text: str, result: Result = RESULT) -> Checked:
    (found,) = check(result, [parse_threshold(text)])
    return found


@pytest.mark.parametrize(
    ("text", "metric", "limit"),
    [
        ("ttft_ms.p95<800", "ttft_ms.p95", 800.0),
        ("metrics.ttft_ms.p95 < 1.5s", "ttft_ms.p95", 1500.0),
        ("itl_ms.p99<=60", "itl_ms.p99", 60.0),
        ("error_rate<1%", "error_rate", 0.01),
        ("goodput.share>95%", "goodput.share", 0.95),
        ("cost.per_request<0.05", "cost.per_request", Decimal("0.05")),
        ("throughput.output_tokens_per_second>100", "throughput.output_tokens_per_second", 100.0),
        ("stalls.count<1", "stalls.count", 1.0),
        ("run.duration_s<10m", "run.duration_s", 600.0),
        ("read_lag_us.p99<1ms", "read_lag_us.p99", 1000.0),
        ("run.clock.resolution_ns<1us", "run.clock.resolution_ns", 1000.0),
        ("requests.errors.timeout<1", "requests.errors.timeout", 1.0),
        ("requests.rate_limits.tokens.remaining>5", "requests.rate_limits.tokens.remaining", 5.0),
        ("ttft_ms.ci95.p95.high<1s", "ttft_ms.ci95.p95.high", 1000.0),
        ("config.concurrency>=2", "config.concurrency", 2.0),
    ],
)
def test_the_grammar(text: str, metric: str, limit: float) -> None:
    found = parse_threshold(text)
    assert (found.metric, found.limit) == (metric, limit)
    assert type(found.limit) is type(limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ttft_ms.p95", "write a metric, a sign, a limit"),
        ("ttft_ms<800", r"no number ttft_ms: did you mean ttft_ms\.p50 or ttft_ms\.p95"),
        ("ttft_ms.p96<1", r"did you mean ttft_ms\.p99"),
        ("errorrate<1%", "did you mean error_rate"),
        ("requests<1", "did you mean requests.planned or"),
        ("requests.errors.tiemout<1", "did you mean requests.errors.timeout"),
        ("qqqq<1", "write one such as"),
        ("ttft_ms.count<3s", "is no time"),
        ("ttft_ms.p95<3%", "is no share"),
        ("validity.verdict<1", "no number validity.verdict"),
    ],
)
def test_mistakes_are_one_line_with_what_is_near(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_threshold(text)
    assert "\n" not in str(caught.value)


def test_every_number_of_a_result_can_be_limited() -> None:
    tree = msgspec.to_builtins(RESULT, builtin_types=(Decimal,))

    def leaves(place: object, path: str) -> None:
        if isinstance(place, dict):
            for name, inner in place.items():
                leaves(inner, f"{path}.{name}".lstrip("."))
        elif isinstance(place, tuple) and len(place) == 2:
            assert one(f"{path}.low<1").value == place[0]
        elif isinstance(place, int | float | Decimal) and not isinstance(place, bool):
            assert one(f"{path}<0").value == place, path

    leaves(tree, "")
    assert len(paths()) > 500


def test_what_is_met_and_what_is_missed_by_how_much() -> None:
    met, missed = one("error_rate<=100%"), one("error_rate<5%")
    assert (met.met, met.missed_by, met.note) == (True, None, None)
    assert missed.value == RESULT.error_rate
    assert not missed.met
    assert missed.missed_by == pytest.approx((RESULT.error_rate or 0) - 0.05)


def test_a_figure_that_the_run_does_not_have_is_a_miss() -> None:
    for text in ("cost.per_request<1", "goodput.share>1%", "corrected_ttft_ms.p95<1", "config.x<1"):
        found = one(text)
        assert (found.met, found.value) == (False, None)
        assert found.note == f"the run has no {found.metric}"
    assert RESULT.goodput is UNSET


def test_errors_that_did_not_occur_are_none() -> None:
    assert one("requests.errors.timeout<1").value == 0
    assert one("requests.errors.server<1").value == RESULT.requests.failed


def test_money_is_compared_as_decimals() -> None:
    priced = msgspec.structs.replace(
        RESULT, cost=Cost(per_request=Decimal("0.1000000000000000001"))
    )
    found = one("cost.per_request<=0.1", priced)
    assert not found.met
    assert found.missed_by == Decimal("1E-19")
