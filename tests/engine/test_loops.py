"""Closed and open loops: what is sent when, on a clock that takes no time."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator

import pytest
from fake_parts import Stand, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.clock import MS_NS, SECOND_NS
from llm_latency_lens.engine import Engine, Outcome, Plan, Progress
from llm_latency_lens.schedule import constant, poisson
from llm_latency_lens.timeline import ErrorKind, Timeline


def _planned_ms(timelines: list[Timeline]) -> list[float | None]:
    return [None if t.planned_ns is None else t.planned_ns / MS_NS for t in timelines]


# -- closed -----------------------------------------------------------------------------------


def test_one_after_the_other() -> None:
    stand = Stand()
    outcome = stand.run(requests=3)
    assert stand.starts_ms() == [0, 120, 240]
    assert [timeline.index for timeline in stand.transport.sent] == [0, 1, 2]
    assert [timeline.id for timeline in stand.transport.sent] == ["r-0", "r-1", "r-2"]
    assert [timeline.planned_ns for timeline in stand.transport.sent] == [None] * 3
    first = stand.transport.sent[0]
    assert (first.provider, first.model, first.stream) == ("openai", "m", True)
    assert (first.max_tokens, first.tag, first.attempt, first.warmup) == (5, "t", 0, False)
    assert stand.sink.opened == stand.sink.closed == stand.transport.sent
    assert (outcome.interrupted, outcome.stopped_early, outcome.unsent) == (False, None, 0)
    assert outcome.health.reads == 9
    assert outcome.health.clock_source == "kernel"
    assert outcome.health.capture_s == pytest.approx(0.36)


@settings(max_examples=40)
@given(
    width=st.integers(1, 5),
    requests=st.integers(1, 12),
    waits=st.lists(st.integers(1, 400), min_size=1, max_size=5),
)
def test_so_many_are_under_way_and_exactly_so_many_are_sent(
    width: int, requests: int, waits: list[int]
) -> None:
    stand = Stand(tokens=1)

    def vary(timeline: Timeline) -> None:
        stand.transport.wait_ns = waits[timeline.index % len(waits)] * MS_NS

    stand.transport.on_send = vary
    stand.run(requests=requests, concurrency=width)
    assert len(stand.transport.sent) == requests
    assert stand.transport.most == min(width, requests)
    # As soon as one ends, and not before, the next begins.
    ends = sorted(timeline.closed_ns or 0 for timeline in stand.transport.sent)
    starts = sorted(timeline.start_ns or 0 for timeline in stand.transport.sent)
    assert starts[width:] == ends[: max(0, requests - width)]


def test_a_duration_ends_the_sending_and_what_runs_may_finish() -> None:
    stand = Stand()
    outcome = stand.run(duration_ns=300 * MS_NS, concurrency=2)
    assert stand.starts_ms() == [0, 0, 120, 120, 240, 240]
    assert all(timeline.complete for timeline in stand.transport.sent)
    assert not outcome.interrupted


def test_requests_or_duration_whichever_is_reached_first() -> None:
    stand = Stand()
    stand.run(duration_ns=300 * MS_NS, requests=2)
    assert len(stand.transport.sent) == 2
    stand = Stand()
    stand.run(duration_ns=130 * MS_NS, requests=100)
    assert len(stand.transport.sent) == 2


def test_a_workload_that_ends_ends_the_run() -> None:
    stand = Stand()
    stand.left = 5
    stand.run(requests=100, concurrency=3)
    assert len(stand.transport.sent) == 5


def test_an_engine_that_is_one_of_several_counts_from_its_own_number() -> None:
    stand = Stand()
    stand.run(requests=2, first_index=1000)
    assert [timeline.id for timeline in stand.transport.sent] == ["r-1000", "r-1001"]


# -- warm-up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 7])
def test_the_warm_up_comes_first_and_never_overlaps_with_what_is_measured(width: int) -> None:
    stand = Stand()
    stand.run(requests=4, concurrency=width, warmup=5)
    warm = [timeline for timeline in stand.transport.sent if timeline.warmup]
    assert len(warm) == 5
    assert len(stand.measured) == 4
    assert stand.transport.sent[:5] == warm
    last_end = max(timeline.closed_ns or 0 for timeline in warm)
    assert min(timeline.start_ns or 0 for timeline in stand.measured) >= last_end
    assert stand.transport.most == min(width, 5)
    assert sorted(timeline.index for timeline in stand.transport.sent) == list(range(9))


def test_the_clock_of_a_run_starts_behind_the_warm_up() -> None:
    stand = Stand()
    stand.run(schedule=constant(10, requests=3), concurrency=None, warmup=2)
    assert _planned_ms(stand.measured) == [120, 220, 320]
    assert stand.starts_ms() == [120, 220, 320]
    stand = Stand()
    stand.run(duration_ns=100 * MS_NS, warmup=2)
    assert stand.starts_ms() == [240]


# -- open -------------------------------------------------------------------------------------


def test_arrivals_are_sent_when_they_were_planned() -> None:
    stand = Stand()
    schedule = poisson(50, seed=7, requests=40)
    stand.run(schedule=schedule, concurrency=None)
    offsets = [schedule(number) for number in range(40)]
    assert [timeline.planned_ns for timeline in stand.transport.sent] == offsets
    assert [timeline.start_ns for timeline in stand.transport.sent] == offsets


def test_an_arrival_that_waits_for_a_slot_keeps_its_time_and_none_is_left_out() -> None:
    stand = Stand(wait_ns=SECOND_NS, tokens=1)
    stand.run(schedule=constant(10, requests=8), concurrency=2)
    assert stand.transport.most == 2
    assert _planned_ms(stand.transport.sent) == [0, 100, 200, 300, 400, 500, 600, 700]
    assert stand.starts_ms() == [0, 100, 1000, 1100, 2000, 2100, 3000, 3100]
    lags = [(t.start_ns or 0) - (t.planned_ns or 0) for t in stand.transport.sent]
    assert lags == [lag * MS_NS for lag in (0, 0, 800, 800, 1600, 1600, 2400, 2400)]


def test_an_arrival_that_the_program_itself_was_late_for_keeps_its_time() -> None:
    stand = Stand()
    stand.at(120, lambda: stand.clock.advance(300 * MS_NS))  # it stood still
    stand.run(schedule=constant(10, requests=6), concurrency=None)
    assert _planned_ms(stand.transport.sent) == [0, 100, 200, 300, 400, 500]
    assert stand.starts_ms() == [0, 100, 420, 420, 420, 500]


def test_a_rate_that_is_too_high_lets_requests_begin_before_all_were_planned() -> None:
    stand = Stand(wait_ns=0, tokens=1)
    planned: list[int] = []
    under_way: list[int] = []

    def schedule(number: int) -> int | None:
        planned.append(number)
        return 0 if number < 500 else None

    stand.transport.on_send = lambda _: under_way.append(len(planned))
    stand.run(schedule=schedule, concurrency=None)
    assert len(stand.transport.sent) == 500
    assert max(count - number for number, count in enumerate(under_way)) < 10


def test_a_duration_ends_an_open_loop() -> None:
    stand = Stand()
    stand.run(schedule=constant(10, duration_ns=SECOND_NS), concurrency=None)
    assert len(stand.transport.sent) == 10


def test_a_workload_that_ends_ends_an_open_loop() -> None:
    stand = Stand()
    stand.left = 4
    stand.run(schedule=constant(10), concurrency=None)
    assert len(stand.transport.sent) == 4


# -- interrupted ------------------------------------------------------------------------------


def test_the_first_interrupt_stops_the_sending_and_lets_what_runs_finish() -> None:
    stand = Stand()
    stand.at(150, lambda: stand.engine.interrupt())
    outcome = stand.run(requests=100, concurrency=2)
    assert outcome.interrupted
    assert stand.starts_ms() == [0, 0, 120, 120]
    assert all(timeline.complete for timeline in stand.transport.sent)
    assert stand.clock.monotonic_ns() == 240 * MS_NS


def test_when_the_grace_is_over_what_still_runs_is_cancelled() -> None:
    stand = Stand(tokens=1000)
    stand.at(500, lambda: stand.engine.interrupt())
    outcome = stand.run(requests=100, grace_s=2.0)
    assert outcome.interrupted
    [timeline] = stand.sink.closed
    assert timeline.failure is not None
    assert timeline.failure.kind is ErrorKind.CANCELLED
    assert timeline.closed_ns == 2500 * MS_NS
    assert len(timeline.at) == 241  # every 10 ms from 100 to 2500
    assert stand.engine.progress().cancelled == 1


def test_the_second_interrupt_cancels_at_once() -> None:
    stand = Stand(tokens=1000)
    stand.at(500, lambda: stand.engine.interrupt())
    stand.at(700, lambda: stand.engine.interrupt())
    stand.run(requests=100, concurrency=3, grace_s=60.0)
    assert {timeline.closed_ns for timeline in stand.sink.closed} == {700 * MS_NS}
    assert len(stand.sink.closed) == 3


def test_without_grace_the_first_interrupt_cancels() -> None:
    stand = Stand(tokens=1000)
    stand.at(500, lambda: stand.engine.interrupt())
    stand.run(requests=100, grace_s=0.0)
    assert stand.clock.monotonic_ns() == 500 * MS_NS


def test_an_interrupt_in_an_open_loop_counts_what_waited_and_was_never_sent() -> None:
    stand = Stand(wait_ns=10 * SECOND_NS)
    stand.at(950, lambda: stand.engine.interrupt())
    outcome = stand.run(schedule=constant(10, requests=100), concurrency=3, grace_s=60.0)
    assert len(stand.transport.sent) == 3
    assert outcome.unsent == 7
    assert all(timeline.complete for timeline in stand.sink.closed)


def test_so_does_a_second_interrupt() -> None:
    stand = Stand(wait_ns=10 * SECOND_NS)
    stand.at(950, lambda: stand.engine.interrupt())
    stand.at(1000, lambda: stand.engine.interrupt())
    outcome = stand.run(schedule=constant(10, requests=100), concurrency=3, grace_s=60.0)
    assert outcome.unsent == 7
    assert stand.engine.progress().cancelled == 3
    assert stand.clock.monotonic_ns() == SECOND_NS


def test_an_interrupt_between_two_arrivals_does_not_wait_for_the_next() -> None:
    stand = Stand()
    stand.at(1000, lambda: stand.engine.interrupt())
    stand.run(schedule=constant(0.1, requests=3), concurrency=None)
    assert len(stand.transport.sent) == 1
    assert stand.clock.monotonic_ns() <= 1050 * MS_NS


def test_an_interrupt_in_the_warm_up_ends_the_run() -> None:
    for plan in ({"requests": 5}, {"schedule": constant(10, requests=5)}):
        stand = Stand()
        stand.at(130, lambda stand=stand: stand.engine.interrupt())
        outcome = stand.run(warmup=9, **plan)
        assert outcome.interrupted
        assert len(stand.transport.sent) == 2
        assert stand.measured == []


def test_a_run_that_is_cancelled_from_outside_cancels_what_runs_and_closes_it() -> None:
    stand = Stand(tokens=1000)
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        engine = Engine(
            Plan(run_id="r", workload=stand.workload, decode=decode, requests=9, concurrency=2),
            stand.transport,
            stand.sink,
            stand.clock,
        )
        task = asyncio.create_task(engine.run())
        await stand.clock.sleep(200 * MS_NS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        tasks.extend(asyncio.all_tasks() - {asyncio.current_task()})  # type: ignore[arg-type]

    stand.clock.run(main())
    assert tasks == []
    assert len(stand.sink.closed) == 2
    assert all(t.failure and t.failure.kind == "cancelled" for t in stand.sink.closed)
    assert gc.isenabled()


# -- what goes wrong inside -------------------------------------------------------------------


class BugError(RuntimeError):
    pass


def _raise(*_: object) -> None:
    raise BugError("a mistake in the program")


@pytest.mark.parametrize("where", ["transport", "sweep", "flush", "display", "workload", "warm-up"])
def test_a_bug_ends_the_run_at_once_and_is_raised(where: str) -> None:
    stand = Stand(tokens=10_000)
    plan: dict[str, object] = {"requests": 50, "concurrency": 3}
    if where == "transport":
        stand.transport.on_send = lambda timeline: _raise() if timeline.index == 2 else None
    elif where == "warm-up":
        stand.transport.on_send = lambda timeline: _raise() if timeline.index == 2 else None
        plan["warmup"] = 5
    elif where == "sweep":
        stand.sink.sweep = _raise  # type: ignore[method-assign]
    elif where == "flush":
        stand.sink.flush = _raise  # type: ignore[method-assign,assignment]
    elif where == "display":
        stand.on_beat = _raise
    else:
        plan["workload"] = _raise
    with pytest.raises(BugError):
        stand.run(**plan)
    assert stand.clock.monotonic_ns() <= SECOND_NS
    assert len(stand.sink.closed) == len(stand.sink.opened)
    assert gc.isenabled()


def test_a_full_disk_ends_the_run_with_its_reason() -> None:
    stand = Stand()
    stand.sink.fails_at_flush = 4  # a flush each quarter of a second
    outcome = stand.run(requests=1000, grace_s=1.0)
    reason = "the disk is full; the run stops here, what was measured is reported"
    assert outcome.stopped_early == reason
    assert not outcome.interrupted
    assert stand.clock.monotonic_ns() == 1080 * MS_NS
    assert all(timeline.complete for timeline in stand.sink.closed)


def test_secrets_are_blanked_before_the_sink_sees_them() -> None:
    stand = Stand(tokens=200)
    stand.sink.sweep = lambda timelines: [  # type: ignore[method-assign]
        seen.append(bytes(timeline.body)) for timeline in timelines
    ]
    seen: list[bytes] = []
    stand.run(requests=1, secrets=(b"xx",))
    seen.append(bytes(stand.sink.closed[0].body))
    assert len(seen) > 3
    assert not [body for body in seen if b"xx" in body]


# -- the heartbeat ----------------------------------------------------------------------------


def test_each_request_under_way_is_visited_every_half_second_and_flushed_twice_as_often() -> None:
    stand = Stand(tokens=400)  # long ones, among others that come and go
    stand.transport.on_send = lambda timeline: setattr(
        stand.transport, "tokens", 400 if timeline.index % 3 == 0 else 7
    )
    stand.run(requests=60, concurrency=9)
    for timeline in stand.sink.closed:
        visits = [at_ns for at_ns, visited in stand.sink.swept if visited is timeline]
        known = [timeline.start_ns or 0, *visits, timeline.closed_ns or 0]
        steps = [b - a for a, b in itertools.pairwise(known)]
        assert max(steps) <= 500 * MS_NS
    assert stand.sink.flushed[:3] == [250 * MS_NS, 500 * MS_NS, 750 * MS_NS]


def test_the_display_is_called_twenty_times_a_second() -> None:
    stand = Stand(tokens=100)
    beats: list[int] = []
    stand.on_beat = lambda engine: beats.append(len(engine.in_flight))
    stand.run(requests=2, concurrency=2)
    assert beats == [2] * 21


def test_the_collector_is_off_while_capturing_and_as_before_afterwards() -> None:
    seen: list[bool] = []
    for before in (True, False):
        stand = Stand()
        stand.transport.on_send = lambda _: seen.append(gc.isenabled())
        (gc.enable if before else gc.disable)()
        try:
            outcome = stand.run(requests=1)
            assert gc.isenabled() is before
            assert outcome.health.gc_disabled
        finally:
            gc.enable()
    assert seen == [False, False]
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize(
    ("sources", "source"),
    [(["user"], "user"), (["kernel", "user"], "mixed"), (["kernel"], "kernel")],
)
def test_where_the_stamps_came_from(sources: list[str], source: str) -> None:
    stand = Stand()
    turns = iter(sources * 4)
    stand.transport.on_send = lambda _: setattr(stand.transport, "source", next(turns))
    assert stand.run(requests=4).health.clock_source == source


def test_a_request_that_received_nothing_says_nothing_of_the_stamps() -> None:
    stand = Stand(status=[0, 200])
    assert stand.run(requests=2).health.clock_source == "kernel"
    assert Stand(status=[0]).run(requests=2).health.clock_source == "user"


# -- how it stands ----------------------------------------------------------------------------


def _watched(stand: Stand, **plan: object) -> Iterator[tuple[int, Progress]]:
    seen: list[tuple[int, Progress]] = []
    stand.on_beat = lambda engine: seen.append(
        (stand.clock.monotonic_ns() // MS_NS, engine.progress())
    )
    stand.run(**plan)
    return iter(seen)


def test_progress_of_a_closed_loop() -> None:
    stand = Stand(status=[200, 500, 401, 500, 200])
    seen = dict(_watched(stand, requests=8, concurrency=2, warmup=1))
    warming = seen[100]
    assert (warming.warming, warming.draining, warming.sent, warming.in_flight) == (
        True,
        False,
        0,
        1,
    )
    assert (warming.planned, warming.remaining_s, warming.offered_rate) == (8, None, None)
    last = stand.engine.progress()
    assert (last.sent, last.ok, last.failed, last.cancelled, last.in_flight) == (8, 5, 3, 0, 0)
    assert last.errors == {"server": 2, "auth": 1}
    assert not last.warming
    middle = seen[400]
    done = middle.ok + middle.failed
    assert (middle.sent, middle.in_flight) == (done + 2, 2)
    assert middle.elapsed_s == pytest.approx(0.28)
    assert middle.rate == pytest.approx(done / 0.28)
    assert middle.remaining_s == pytest.approx(0.28 / done * (8 - done))
    assert middle.live.ttft_ms(0.5) == 100
    assert middle.live.itl_ms(0.5) == 10


def test_progress_of_a_duration() -> None:
    stand = Stand()
    seen = dict(_watched(stand, duration_ns=SECOND_NS, requests=1000))
    assert seen[500].remaining_s == pytest.approx(0.5)
    assert seen[500].planned == 1000
    assert stand.engine.progress().remaining_s == 0
    seen = dict(_watched(stand := Stand(), duration_ns=SECOND_NS, requests=5))
    assert seen[500].remaining_s == pytest.approx(0.5 / 4 * 1)


def test_progress_while_draining() -> None:
    stand = Stand(tokens=50)
    stand.at(110, lambda: stand.engine.interrupt())
    seen = dict(_watched(stand, requests=9))
    assert (seen[100].draining, seen[150].draining) == (False, True)


def test_progress_of_an_open_loop_tells_the_rate_that_was_asked_for() -> None:
    stand = Stand()
    seen = dict(
        _watched(stand, schedule=constant(10, requests=10), concurrency=None, offered_rate=10.0)
    )
    assert seen[500].offered_rate == 10.0
    assert seen[500].remaining_s is None  # the plan has neither a number nor a duration


def test_an_outcome_is_complete_even_of_no_request() -> None:
    stand = Stand()
    stand.left = 0
    outcome: Outcome = stand.run(requests=5)
    assert outcome.health.reads == 0
    assert outcome.health.clock_source == "user"
