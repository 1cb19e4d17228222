"""Arrivals of an open loop that wait for a rate limit, on a clock that takes no time."""

from __future__ import annotations

from typing import Any

import pytest
from fake_parts import Stand

from llm_latency_lens.clock import MS_NS, SECOND_NS
from llm_latency_lens.engine import Outcome
from llm_latency_lens.schedule import constant
from llm_latency_lens.timeline import ErrorKind

Headers = tuple[tuple[str, str], ...]


class Limiter:
    """A server's limit on requests: so many in each window, told with each answer."""

    def __init__(self, stand: Stand, limit: int, window_s: float) -> None:
        self.limit = limit
        self._window_ns = int(window_s * SECOND_NS)
        self._stand = stand
        self._window = -1
        self._used = 0
        self.refused = 0
        self.told: set[str] = {"limit", "remaining", "reset", "retry"}

    def __call__(self) -> tuple[int, Headers]:
        now_ns = self._stand.clock.monotonic_ns()
        window = now_ns // self._window_ns
        if window != self._window:
            self._window, self._used = window, 0
        status = 200 if self._used < self.limit else 429
        self._used += status == 200
        self.refused += status == 429
        reset_s = ((window + 1) * self._window_ns - now_ns) / SECOND_NS
        headers = {
            "limit": ("x-ratelimit-limit-requests", str(self.limit)),
            "remaining": ("x-ratelimit-remaining-requests", str(self.limit - self._used)),
            "reset": ("x-ratelimit-reset-requests", f"{reset_s}s"),
        }
        told = [value for name, value in headers.items() if name in self.told]
        if status == 429 and "retry" in self.told:
            told.append(("retry-after", str(reset_s)))
        return status, tuple(told)


def limited(limit: int, window_s: float = 1.0, **transport: Any) -> tuple[Stand, Limiter]:
    stand = Stand(tokens=1, **transport)
    stand.transport.judge = limiter = Limiter(stand, limit, window_s)
    return stand, limiter


def run(stand: Stand, rate: float, requests: int, **plan: Any) -> Outcome:
    plan = {"concurrency": None, "respect_rate_limits": True, **plan}
    return stand.run(schedule=constant(rate, requests=requests), **plan)


def test_without_the_flag_the_limit_refuses() -> None:
    stand, limiter = limited(5)
    outcome = run(stand, 20, 20, respect_rate_limits=False)
    assert limiter.refused == 15
    assert (outcome.held_back, outcome.held_back_s, outcome.holds_ns) == (0, 0.0, [])


def test_with_it_nothing_is_refused_and_all_keep_their_planned_times() -> None:
    stand, limiter = limited(5, wait_ns=10 * MS_NS)
    outcome = run(stand, 20, 20)
    assert limiter.refused == 0
    sent = stand.transport.sent
    assert [t.planned_ns for t in sent] == [50 * MS_NS * n for n in range(20)]
    seconds = [(t.start_ns or 0) // SECOND_NS for t in sent]
    assert [seconds.count(n) for n in range(4)] == [5, 5, 5, 5]
    late = [(t.start_ns or 0) - (t.planned_ns or 0) for t in sent]
    held = [lag for lag in late if lag > MS_NS]
    assert (outcome.held_back, outcome.unsent) == (len(held), 0)
    assert outcome.held_back_s == pytest.approx(sum(held) / SECOND_NS)
    assert [round(end / SECOND_NS, 1) for _, end in outcome.holds_ns] == [1.0, 2.0, 3.0]


def test_what_is_on_its_way_counts_as_used() -> None:
    """An answer takes longer than the window has room for: no one waits for it to say 0."""
    stand, limiter = limited(10, window_s=2.0, wait_ns=300 * MS_NS)
    run(stand, 20, 30)
    assert limiter.refused == 0
    assert len(stand.transport.sent) == 30


def test_slow_answers_are_overrun_only_before_the_first_one_tells() -> None:
    stand, limiter = limited(5, window_s=1.0, wait_ns=900 * MS_NS)
    run(stand, 20, 40)
    first = [t for t in stand.transport.sent if (t.start_ns or 0) < SECOND_NS]
    assert limiter.refused == len(first) - 5


def test_a_refusal_that_asks_to_wait_holds_all_back() -> None:
    stand, limiter = limited(3, window_s=4.0, wait_ns=10 * MS_NS)
    limiter.told = {"retry"}
    outcome = run(stand, 10, 20)
    starts = [(t.start_ns or 0) / SECOND_NS for t in stand.transport.sent]
    assert [start for start in starts if start < 4] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert limiter.refused >= 1
    assert outcome.held_back >= 16
    assert outcome.holds_ns[0][1] == pytest.approx(4 * SECOND_NS, abs=50 * MS_NS)


@pytest.mark.parametrize(("status", "held"), [(429, True), (529, True), (500, False), (401, False)])
def test_which_refusals_are_waited_for(status: int, held: bool) -> None:
    stand = Stand(status=[status, 200], headers=(("retry-after", "3"),), wait_ns=10 * MS_NS)
    outcome = run(stand, 10, 5)
    assert (outcome.held_back == 4) is held
    assert (outcome.held_back == 0) is not held


def test_a_refusal_without_a_time_holds_nothing_back() -> None:
    stand = Stand(status=[429, 200])
    assert run(stand, 10, 5).held_back == 0


@pytest.mark.parametrize(
    ("headers", "held"),
    [
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"}, True),
        ({"x-ratelimit-remaining-tokens": "1", "x-ratelimit-reset-tokens": "2s"}, False),
        ({"x-ratelimit-remaining-req-minute": "0"}, True),
        ({"x-ratelimit-remaining-requests": "0"}, False),
        ({"x-ratelimit-limit-requests": "9", "x-ratelimit-reset-requests": "2s"}, False),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "5ms"}, False),
    ],
)
def test_which_headers_hold_back(headers: dict[str, str], held: bool) -> None:
    stand = Stand(headers=tuple(headers.items()), tokens=1, wait_ns=10 * MS_NS)
    outcome = run(stand, 10, 3)
    assert bool(outcome.held_back) is held
    assert len(stand.transport.sent) == 3


def test_tokens_that_came_back_early_hold_nothing_back() -> None:
    told = iter(["0", *["5"] * 9])
    stand = Stand(tokens=1, wait_ns=150 * MS_NS)

    def judge() -> tuple[int, Headers]:
        reset = ("x-ratelimit-reset-tokens", "10s")
        return 200, (("x-ratelimit-remaining-tokens", next(told)), reset)

    stand.transport.judge = judge
    outcome = run(stand, 10, 5)
    # The second answer was under way when the first one held the third back.
    assert outcome.held_back == 1
    assert stand.starts_ms()[2] == pytest.approx(250, abs=60)


def test_an_older_answer_does_not_undo_a_newer_one() -> None:
    waits = iter([400, 50, 50, 50, 50])
    told = iter(["9", "0", "9", "9", "9"])
    stand = Stand(tokens=1)

    def judge() -> tuple[int, Headers]:
        stand.transport.wait_ns = next(waits) * MS_NS
        reset = ("x-ratelimit-reset-requests", "2s")
        return 200, (("x-ratelimit-remaining-requests", next(told)), reset)

    stand.transport.judge = judge
    run(stand, 10, 5)
    assert stand.starts_ms()[2] == pytest.approx(2150, abs=60)


def test_a_limit_that_is_whole_again_lets_no_more_go_than_it_allows() -> None:
    stand, limiter = limited(4, window_s=1.0, wait_ns=200 * MS_NS)
    run(stand, 100, 24)
    seconds = [(t.start_ns or 0) // SECOND_NS for t in stand.transport.sent]
    # In the first window nobody knew; then as many as are allowed go at once.
    assert all(seconds.count(n) == 4 for n in range(1, max(seconds)))
    assert limiter.refused == seconds.count(0) - 4


def test_a_server_that_stops_telling_is_not_waited_for_for_ever() -> None:
    stand, limiter = limited(2, window_s=1.0, wait_ns=10 * MS_NS)
    stand.at(900, lambda: limiter.told.clear())
    run(stand, 20, 20)
    assert len(stand.transport.sent) == 20
    assert max(stand.starts_ms()) < 3000


def test_slots_and_holds_together() -> None:
    stand, limiter = limited(4, window_s=1.0, wait_ns=100 * MS_NS)
    outcome = run(stand, 40, 16, concurrency=2)
    assert limiter.refused == 0
    assert stand.transport.most == 2
    assert outcome.unsent == 0
    assert outcome.held_back > 0


def test_an_interrupt_ends_the_waiting_and_counts_what_was_due() -> None:
    stand = Stand(status=[429], headers=(("retry-after", "60"),), wait_ns=10 * MS_NS)
    stand.at(1000, lambda: stand.engine.interrupt())
    outcome = run(stand, 10, 30)
    assert len(stand.transport.sent) == 1
    assert outcome.unsent == 9
    assert outcome.held_back == 0
    assert stand.clock.monotonic_ns() < 1100 * MS_NS


def test_a_request_that_was_never_answered_tells_nothing() -> None:
    stand = Stand(status=[0, 200])
    assert run(stand, 10, 3).held_back == 0
    failure = stand.transport.sent[0].failure
    assert failure is not None
    assert failure.kind is ErrorKind.NETWORK


def test_progress_says_until_when() -> None:
    seen: list[float | None] = []
    stand = Stand(status=[429, 200], headers=(("retry-after", "2"),), wait_ns=10 * MS_NS)
    stand.on_beat = lambda engine: seen.append(engine.progress().held_until_s)
    run(stand, 10, 3)
    assert {value for value in seen if value is not None} == {2.01}
    assert (seen[0], stand.engine.progress().held_until_s) == (None, None)


def test_what_the_warm_up_learns_counts() -> None:
    stand, limiter = limited(3, window_s=2.0, wait_ns=10 * MS_NS)
    run(stand, 10, 4, warmup=2)
    assert limiter.refused == 0
    assert [ms >= 2000 for ms in stand.starts_ms()] == [False, True, True, True]
