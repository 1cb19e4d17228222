"""When targets are probed: evenly, reproducibly, and never in a burst."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.service.timetable import Timetable, phase


def _times(table: Timetable, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(table.due_ns() / SECOND_NS)
        table.next += 1
    return found


def test_without_jitter_probes_are_an_interval_apart() -> None:
    assert _times(Timetable(5 * SECOND_NS, 10.0, 0.0, "0/a"), 4) == [5.0, 15.0, 25.0, 35.0]


def test_jitter_moves_each_probe_by_itself_and_adds_up_to_nothing() -> None:
    times = _times(Timetable(0, 10.0, 0.4, "0/a"), 500)
    moved = [at - 10.0 * number for number, at in enumerate(times)]
    assert moved[0] == 0.0
    assert all(-2.0 <= shift <= 2.0 for shift in moved)
    assert len(set(moved)) == 500
    assert abs(sum(moved) / 500) < 0.2


def test_the_seed_decides() -> None:
    tables = [Timetable(0, 10.0, 0.4, seed) for seed in ("0/a", "0/a", "0/b", "1/a")]
    first, again, other, another = (_times(table, 5) for table in tables)
    assert first == again
    assert len({tuple(first), tuple(other), tuple(another)}) == 3


def test_what_was_missed_is_left_out() -> None:
    table = Timetable(0, 10.0, 0.0, "0/a", next=1)
    assert table.pass_over(9 * SECOND_NS) == 0
    assert table.pass_over(35 * SECOND_NS) == 3
    assert table.due_ns() == 40 * SECOND_NS


def test_one_that_is_due_now_is_not_missed() -> None:
    table = Timetable(0, 10.0, 0.0, "0/a", next=1)
    assert table.pass_over(10 * SECOND_NS) == 0
    assert table.due_ns() == 10 * SECOND_NS


@settings(max_examples=30)
@given(
    st.floats(0.0, 1.0),
    st.floats(0.05, 600.0),
    st.integers(0, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 50),
)
def test_the_next_is_never_due_before_now_nor_later_than_it_must(
    jitter: float, interval_s: float, origin_s: int, ahead_ms: int, begun: int
) -> None:
    table = Timetable(origin_s * SECOND_NS, interval_s, jitter, "7/x", next=begun)
    now_ns = table.due_ns() + ahead_ms * 1_000_000
    skipped = table.pass_over(now_ns)
    assert table.due_ns() >= now_ns
    assert skipped == table.next - begun
    assert table.due_ns() - now_ns <= 2 * interval_s * SECOND_NS + 1


def test_targets_are_spread_over_the_interval_however_many_there_are() -> None:
    for many in (1, 2, 7, 200):
        phases = sorted(phase(place) for place in range(many))
        gaps = [b - a for a, b in zip(phases, [*phases[1:], 1.0 + phases[0]], strict=True)]
        assert phases[0] == 0.0
        assert max(gaps) < 2.7 / many
