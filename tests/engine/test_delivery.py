"""Records on their way to a sink that answers, is down, refuses, is slow, or breaks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from llm_latency_lens.engine.delivery import Delivery, Pace, send_all
from llm_latency_lens.errors import SinkError
from llm_latency_lens.metrics.context import SinkOutcome
from llm_latency_lens.record import Record, Status

QUICK = Pace(capacity=4, linger_s=0.002, first_retry_s=0.002, longest_retry_s=0.004, last_s=0.02)
DOWN = SinkError("nobody there", later=True)
REFUSED = SinkError("HTTP 400", later=False)


@dataclass
class FakeSink:
    """Answers as `troubles` say, one for each push; then all is well."""

    troubles: list[SinkError | None] = field(default_factory=list)
    always: SinkError | None = None
    batch: int = 2
    rest_s: float = 0.0
    whole: bool = False
    held: list[int] = field(default_factory=list)
    pushed: list[list[int]] = field(default_factory=list)
    tries: int = 0
    tried: threading.Event = field(default_factory=threading.Event)
    closed: bool = False

    def take(self, record: Record) -> None:
        self.held.append(record.index)

    def push(self) -> None:
        self.tries += 1
        self.tried.set()
        trouble = self.troubles.pop(0) if self.troubles else self.always
        if trouble:
            raise trouble
        self.pushed.append(list(self.held))
        if not self.whole:
            self.held.clear()

    def drop(self) -> None:
        if not self.whole:
            self.held.clear()

    def close(self) -> None:
        self.closed = True


def records(count: int) -> list[Record]:
    return [Record(f"r{index}", index, Status.OK) for index in range(count)]


def served(sink: FakeSink, count: int, *, patience_s: float = 5.0) -> SinkOutcome:
    delivery = Delivery(sink, "sink://", QUICK)
    for record in records(count):
        delivery.offer(record)
    delivery.end(patience_s)
    return delivery.outcome()


def test_a_sink_that_answers_gets_everything_in_order_however_small_the_queue():
    sink = FakeSink(rest_s=0.0001)
    assert served(sink, 50) == SinkOutcome(url="sink://", sent=50, lost=0)
    assert [index for batch in sink.pushed for index in batch] == list(range(50))
    assert max(map(len, sink.pushed)) == 2
    assert sink.closed


def test_nothing_to_send():
    sink = FakeSink()
    assert served(sink, 0) == SinkOutcome(url="sink://", sent=0, lost=0)
    assert (sink.tries, sink.closed) == (0, True)


def test_one_that_was_down_for_a_while_gets_everything():
    sink = FakeSink(troubles=[DOWN, DOWN, None, DOWN])
    assert served(sink, 4) == SinkOutcome(url="sink://", sent=4, lost=0)
    assert [index for batch in sink.pushed for index in batch] == [0, 1, 2, 3]


def test_one_that_stays_down_loses_what_does_not_fit_and_does_not_hold_up():
    sink = FakeSink(always=DOWN)
    found = served(sink, 100)
    assert found == SinkOutcome(url="sink://", sent=0, lost=100, error="nobody there")
    assert sink.tries >= 2
    assert sink.closed


def test_one_that_is_down_or_broken_holds_nobody_up():
    """Whoever hands over would wait an hour for a place in the queue of a sink that works."""
    slow = Pace(capacity=2, linger_s=3600.0, first_retry_s=3600.0, last_s=0.0)

    class Broken(FakeSink):
        def take(self, record: Record) -> None:
            raise ValueError(f"a bug with {record.id}")

    for sink in (FakeSink(always=DOWN), Broken()):
        delivery = Delivery(sink, "sink://", slow)
        delivery.offer(records(1)[0])
        delivery._ending.set()  # so that it does not let records gather for an hour first
        if isinstance(sink, Broken):
            delivery._thread.join()
        else:
            delivery._down.wait()
        for record in records(500):
            delivery.offer(record)
        delivery.end(0.0)
        assert delivery.outcome().lost == 501


def test_what_is_refused_is_lost_and_the_rest_goes_on():
    sink = FakeSink(troubles=[REFUSED])
    found = served(sink, 6)
    assert found.sent + found.lost == 6
    assert 0 < found.lost <= 2
    assert found.error == "HTTP 400"
    assert [index for batch in sink.pushed for index in batch] == list(range(found.lost, 6))


def test_a_push_that_carries_everything_makes_good_for_one_that_failed():
    sink = FakeSink(troubles=[REFUSED], whole=True)
    assert served(sink, 6) == SinkOutcome(url="sink://", sent=6, lost=0)
    assert sink.pushed[-1] == list(range(6))


def test_a_sink_that_breaks_is_said_to_and_stops_nobody():
    class Broken(FakeSink):
        def push(self) -> None:
            raise ValueError("a bug")

    sink = Broken()
    found = served(sink, 40)
    assert found == SinkOutcome(url="sink://", sent=0, lost=40, error="ValueError: a bug")
    assert sink.closed


def test_one_that_hangs_is_left_alone():
    release = threading.Event()

    class Hanging(FakeSink):
        def push(self) -> None:
            release.wait()

    sink = Hanging()
    delivery = Delivery(sink, "sink://", QUICK)
    delivery.offer(records(1)[0])
    delivery.end(0.01)
    assert delivery.outcome() == SinkOutcome(
        url="sink://", sent=0, lost=1, error="it took too long"
    )
    release.set()


def test_what_is_left_when_the_time_is_over_is_lost():
    sink = FakeSink(rest_s=0.03, batch=1)
    delivery = Delivery(sink, "sink://", QUICK)
    for record in records(4):
        delivery.offer(record)
    sink.tried.wait()
    delivery.end(0.0)
    found = delivery.outcome()
    assert found.sent + found.lost == 4
    assert found.lost >= 1


def test_all_at_once():
    sink = FakeSink()
    assert send_all(sink, records(5)) == 5
    assert sink.pushed == [[0, 1], [2, 3], [4]]
    assert sink.closed
    assert send_all(FakeSink(), []) == 0
    whole = FakeSink(whole=True)
    assert send_all(whole, []) == 0
    assert whole.pushed == [[]]  # that nothing was measured is a state too


@pytest.mark.parametrize(
    ("troubles", "message"),
    [
        ([DOWN], "nobody there"),
        ([None, REFUSED], "HTTP 400; 2 requests before were taken"),
    ],
)
def test_all_at_once_to_a_sink_that_does_not_take_it(
    troubles: list[SinkError | None], message: str
):
    sink = FakeSink(troubles=troubles)
    with pytest.raises(SinkError) as raised:
        send_all(sink, records(5))
    assert str(raised.value) == message
    assert sink.closed
