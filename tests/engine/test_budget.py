"""What `--max-cost` lets through: what is under way counts with the most that it can cost."""

from __future__ import annotations

from decimal import Decimal

from fake_parts import REQUEST, FakeTransport, ListSink, decode

from llm_latency_lens.engine import Engine, Outcome, Plan
from llm_latency_lens.engine.budget import Budget
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import Timeline

MOST = Decimal("0.05")


def carry_out(
    limit: str, costs: Decimal | None, *, concurrency: int, warmup: int = 0
) -> tuple[Outcome, FakeTransport]:
    """A run of 100 requests that can cost 5 cents each and do cost `costs`."""
    clock = FakeClock()
    transport = FakeTransport(clock)

    def cost(timeline: Timeline) -> Decimal | None:
        return costs if timeline.status == 200 else Decimal(0)

    plan = Plan(
        run_id="r",
        workload=lambda _: REQUEST,
        decode=decode,
        concurrency=concurrency,
        requests=100,
        warmup=warmup,
        budget=Budget(Decimal(limit), lambda _: MOST, cost),
    )
    engine = Engine(plan, transport, clock=clock, sink=ListSink(clock))
    return clock.run(engine.run()), transport


def test_what_is_under_way_counts_with_the_most_that_it_can_cost() -> None:
    outcome, transport = carry_out("0.20", MOST, concurrency=10)
    assert len(transport.sent) == transport.most == 4
    assert outcome.stopped_early == (
        "one more request could have taken the cost past $0.20 (--max-cost); $0.20 were spent"
    )


def test_what_has_ended_counts_with_what_it_did_cost() -> None:
    outcome, transport = carry_out("0.20", Decimal("0.01"), concurrency=1)
    assert len(transport.sent) == 16  # 0.15 are spent: 0.05 more fit once, and then no more
    assert str(outcome.stopped_early).endswith("$0.16 were spent")


def test_one_whose_cost_is_unknown_keeps_counting_with_the_most() -> None:
    _, transport = carry_out("0.20", None, concurrency=1)
    assert len(transport.sent) == 4


def test_the_warm_up_counts_too() -> None:
    outcome, transport = carry_out("0.20", MOST, concurrency=2, warmup=3)
    assert len(transport.sent) == 4
    assert outcome.stopped_early is not None


def test_a_limit_that_is_not_reached_stops_nothing() -> None:
    outcome, transport = carry_out("10", MOST, concurrency=8)
    assert len(transport.sent) == 100
    assert outcome.stopped_early is None
