"""Second attempts, and the limit on the first token."""

from __future__ import annotations

import itertools

import pytest
from fake_parts import Stand, decode

from llm_latency_lens.clock import MS_NS, SECOND_NS
from llm_latency_lens.record import Record
from llm_latency_lens.schedule import constant
from llm_latency_lens.timeline import ErrorKind, Timeline


def _why(timeline: Timeline) -> tuple[str, str, str]:
    assert timeline.failure is not None
    return timeline.failure.kind, timeline.failure.stage, timeline.failure.message


# -- retries ----------------------------------------------------------------------------------


def test_without_retries_nothing_is_sent_twice() -> None:
    stand = Stand(status=[500])
    stand.run(requests=3)
    assert [(t.index, t.attempt) for t in stand.transport.sent] == [(0, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize("status", [429, 500, 529, 0])
def test_what_may_pass_is_tried_again(status: int) -> None:
    stand = Stand(status=[status, status, 200])
    stand.run(requests=2, retries=5)
    sent = stand.transport.sent
    assert [(t.index, t.attempt) for t in sent] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [t.id for t in sent] == ["r-0", "r-0-1", "r-0-2", "r-1"]
    assert [t.complete for t in sent] == [status != 0, status != 0, True, True]
    assert stand.sink.closed == sent
    # Half a second, then one: each wait is twice the last.
    assert [(t.start_ns or 0) // MS_NS for t in sent] == [0, 600, 1700, 1820]
    progress = stand.engine.progress()
    assert (progress.sent, progress.ok, progress.failed) == (2, 1, 1)


@pytest.mark.parametrize("status", [401, 404])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    stand = Stand(status=[status, 200])
    stand.run(requests=1, retries=5)
    assert len(stand.transport.sent) == 1


def test_a_success_is_not_decoded_for_the_sake_of_retries() -> None:
    decoded: list[Timeline] = []

    def counting(timeline: Timeline) -> Record:
        decoded.append(timeline)
        return decode(timeline)

    stand = Stand(status=[200, 500, 200])
    stand.run(requests=2, retries=1, decode=counting)
    assert {timeline.status for timeline in decoded} == {500, 200}
    assert sum(timeline.status == 200 for timeline in decoded) <= 2  # for the display


def test_the_tries_come_to_an_end() -> None:
    stand = Stand(status=[500])
    stand.run(requests=1, retries=3)
    assert [t.attempt for t in stand.transport.sent] == [0, 1, 2, 3]
    stand = Stand(status=[500], wait_ns=0)
    stand.run(requests=1, retries=12)
    waits = [(t.start_ns or 0) // MS_NS for t in stand.transport.sent]
    assert [b - a for a, b in itertools.pairwise(waits)][-5:] == [60_000] * 5


@pytest.mark.parametrize(
    ("asked", "wait_ms"),
    [
        ("2", 2000),
        ("2.5", 2500),
        ("0", 500),
        ("-7", 500),
        ("86400", 60_000),
        ("inf", 500),
        ("nan", 500),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 500),
        ("", 500),
    ],
)
def test_the_server_says_how_long_to_wait_within_reason(asked: str, wait_ms: int) -> None:
    stand = Stand(status=[429, 200], headers=(("retry-after", asked),))
    stand.run(requests=1, retries=1)
    first, second = stand.transport.sent
    assert (second.start_ns or 0) - (first.closed_ns or 0) == wait_ms * MS_NS


def test_in_an_open_loop_only_the_first_attempt_was_planned() -> None:
    stand = Stand(status=[500, 200])
    stand.run(schedule=constant(10, requests=2), concurrency=None, retries=1)
    planned = {(t.index, t.attempt): t.planned_ns for t in stand.transport.sent}
    assert planned == {(0, 0): 0, (0, 1): None, (1, 0): 100 * MS_NS}


def test_an_interrupt_ends_the_waiting_for_another_attempt() -> None:
    stand = Stand(status=[429], headers=(("retry-after", "60"),))
    stand.at(1000, lambda: stand.engine.interrupt())
    stand.run(requests=1, retries=5)
    assert len(stand.transport.sent) == 1
    assert stand.clock.monotonic_ns() <= 1050 * MS_NS


def test_a_retry_that_is_cancelled_was_counted_with_its_first_attempt() -> None:
    stand = Stand(status=[500, 200], tokens=1000)
    stand.at(2000, lambda: stand.engine.interrupt())
    stand.run(requests=1, retries=1, grace_s=0.0)
    progress = stand.engine.progress()
    assert (progress.failed, progress.cancelled) == (1, 0)


def test_warm_up_is_retried_and_counted_nowhere() -> None:
    stand = Stand(status=[500, 200])
    stand.run(requests=1, warmup=1, retries=1)
    assert [t.warmup for t in stand.transport.sent] == [True, True, False]
    progress = stand.engine.progress()
    assert (progress.sent, progress.ok, progress.failed) == (1, 1, 0)


# -- the first token --------------------------------------------------------------------------


def test_a_first_token_in_time_is_left_alone() -> None:
    stand = Stand(tokens=500)
    stand.run(requests=2, first_token_s=0.2)
    assert all(timeline.complete for timeline in stand.transport.sent)


def test_a_first_token_that_does_not_come_ends_its_request_alone() -> None:
    stand = Stand(wait_ns=10 * SECOND_NS)
    outcome = stand.run(requests=3, first_token_s=1.5)
    assert [_why(t) for t in stand.transport.sent] == [
        ("timeout", "wait", "no first token within 1.5 s")
    ] * 3
    assert stand.starts_ms() == [0, 1500, 3000]
    assert not outcome.interrupted
    progress = stand.engine.progress()
    assert (progress.failed, progress.cancelled, progress.errors) == (3, 0, {"timeout": 3})


def test_bytes_are_no_token() -> None:
    def blind(timeline: Timeline) -> Record:
        record = decode(timeline)
        record.events = type(record.events)()
        return record

    stand = Stand(tokens=1000)
    stand.run(requests=1, first_token_s=1.0, decode=blind)
    assert _why(stand.transport.sent[0]) == ("timeout", "stream", "no first token within 1 s")


def test_the_time_runs_from_the_start_and_not_from_the_connecting() -> None:
    stand = Stand(connect_ns=2500 * MS_NS, wait_ns=900 * MS_NS)
    stand.run(requests=1, first_token_s=1.0)
    assert stand.transport.sent[0].complete
    stand = Stand(connect_ns=2500 * MS_NS, wait_ns=1100 * MS_NS)
    stand.run(requests=1, first_token_s=1.0)
    assert _why(stand.transport.sent[0])[0] == "timeout"
    assert stand.transport.sent[0].closed_ns == 3500 * MS_NS


def test_a_timeout_may_be_retried() -> None:
    stand = Stand()
    stand.transport.on_send = lambda timeline: setattr(
        stand.transport, "wait_ns", (10 * SECOND_NS, 100 * MS_NS)[timeline.attempt]
    )
    stand.run(requests=1, first_token_s=1.0, retries=1)
    assert [t.complete for t in stand.transport.sent] == [False, True]


def test_an_interrupt_that_meets_the_limit_is_not_lost() -> None:
    """Both cancel the same task in the same moment: the run must not wait for it for ever."""
    stand = Stand(wait_ns=10 * SECOND_NS)
    stand.at(1000, lambda: (stand.engine.interrupt(), stand.engine.interrupt()))
    outcome = stand.run(requests=100, first_token_s=1.0)
    assert outcome.interrupted
    assert len(stand.transport.sent) == 1
    assert stand.transport.sent[0].failure is not None
    assert stand.transport.sent[0].failure.kind in (ErrorKind.TIMEOUT, ErrorKind.CANCELLED)
