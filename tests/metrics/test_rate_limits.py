"""Rate limits over a run: the moment at which the least was left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from metrics_records import answer, context, failed, summed

from llm_latency_lens.metrics.rate_limits import LimitSum
from llm_latency_lens.metrics.result import HeldBack, LimitSeen
from llm_latency_lens.record import RateLimit, Record


def telling(index: int, *limits: RateLimit) -> Record:
    return answer(index, start_ms=100.0 * index, rate_limits=limits)


def test_the_least_that_was_left_and_how_many_answers_told() -> None:
    records = [
        telling(0, RateLimit("requests", 60, 59, 1.0), RateLimit("tokens", 1000, 990, 0.5)),
        telling(1, RateLimit("requests", 60, 3, 20.0)),
        telling(2, RateLimit("requests", 60, 58, 2.0), RateLimit("tokens", 1000, None, 9.0)),
        failed(3, rate_limits=(RateLimit("requests", 60, 3, 19.0),)),
        answer(4),
    ]
    records[0].warmup = True
    records[1].attempt = 1
    requests = summed(records).requests
    assert requests.rate_limits == {
        "requests": LimitSeen(limit=60, remaining=3, reset_s=20.0, answers=4),
        "tokens": LimitSeen(limit=1000, remaining=990, reset_s=0.5, answers=2),
    }
    assert requests.held_back == HeldBack()


def test_what_was_held_back_is_what_the_engine_says() -> None:
    requests = summed([answer(0)], context(held_back=3, held_back_s=4.5)).requests
    assert requests.held_back == HeldBack(count=3, total_s=4.5)


LIMITS = st.builds(
    RateLimit,
    st.sampled_from(["requests", "tokens"]),
    st.none() | st.integers(0, 9),
    st.none() | st.integers(0, 9),
    st.none() | st.floats(0, 9),
)


@given(st.lists(LIMITS, max_size=12), st.randoms())
def test_the_order_of_answers_does_not_matter(limits: list[RateLimit], random: object) -> None:
    def total(order: list[RateLimit]) -> dict[str, LimitSeen]:
        found = LimitSum()
        for index, limit in enumerate(order):
            found.add(telling(index, limit))
        return found.result()

    shuffled = sorted(limits, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert total(shuffled) == total(limits)
