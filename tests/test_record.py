"""What one request came to: every figure of it, and when there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.record import EventKind, Events, Record, Status, Usage
from llm_latency_lens.timeline import Connection


def _record(*events: tuple[int, EventKind], **fields: object) -> Record:
    record = Record("r-1", 1, Status.OK, start_ns=100, **fields)  # type: ignore[arg-type]
    for number, (at_ns, kind) in enumerate(events):
        record.events.add(at_ns, number, kind, "x" * (number + 1))
    return record


TEXT, REASONING, REFUSAL, TOOL = (
    EventKind.TEXT,
    EventKind.REASONING,
    EventKind.REFUSAL,
    EventKind.TOOL,
)


def test_marks_count_from_the_start() -> None:
    record = _record((150, TEXT), (180, TEXT), first_byte_ns=120, end_ns=200)
    assert (record.ttfb_ns, record.ttft_ns, record.answer_ns, record.e2e_ns) == (20, 50, 50, 100)
    assert (record.first_token_ns, record.first_answer_ns, record.last_token_ns) == (150, 150, 180)


@pytest.mark.parametrize("kind", [TEXT, REFUSAL, TOOL])
def test_the_answer_begins_behind_the_reasoning(kind: EventKind) -> None:
    record = _record((150, REASONING), (160, REASONING), (190, kind), (195, REASONING))
    assert (record.ttft_ns, record.answer_ns) == (50, 90)
    assert _record((150, REASONING)).answer_ns is None


def test_what_was_planned_corrects_the_figures() -> None:
    record = _record((150, TEXT), planned_ns=70, end_ns=200)
    assert record.send_lag_ns == 30
    assert (record.corrected_ttft_ns, record.corrected_e2e_ns) == (80, 130)
    closed_loop = _record((150, TEXT), end_ns=200)
    assert closed_loop.send_lag_ns is None
    assert (closed_loop.corrected_ttft_ns, closed_loop.corrected_e2e_ns) == (None, None)


def test_what_was_not_reached_has_no_figure() -> None:
    record = Record("r-1", 1, Status.FAILED)
    figures = (
        "first_token_ns",
        "first_answer_ns",
        "last_token_ns",
        "ttfb_ns",
        "ttft_ns",
        "answer_ns",
        "e2e_ns",
        "send_lag_ns",
        "corrected_ttft_ns",
        "corrected_e2e_ns",
        "connection_ns",
        "cold_ttft_ns",
        "streamed_tokens",
        "tpot_ns",
        "tokens_per_event",
    )
    for name in figures:
        assert getattr(record, name) is None, name
    assert record.events.gaps_ns() == []


def test_the_set_up_of_a_connection_is_part_of_a_cold_first_token_only() -> None:
    cold = _record((150, TEXT), connection=Connection(dns_ns=1, connect_ns=20, tls_ns=300))
    assert (cold.connection_ns, cold.cold_ttft_ns, cold.ttft_ns) == (321, 371, 50)
    plain = _record((150, TEXT), connection=Connection(connect_ns=20))
    assert (plain.connection_ns, plain.cold_ttft_ns) == (20, 70)
    reused = _record((150, TEXT), connection=Connection(reused=True, connect_ns=20))
    assert (reused.connection_ns, reused.cold_ttft_ns) == (None, None)
    nothing_came = _record(connection=Connection(connect_ns=20))
    assert (nothing_came.connection_ns, nothing_came.cold_ttft_ns) == (20, None)


def test_time_per_token_is_spread_over_the_tokens_after_the_first() -> None:
    record = _record((150, TEXT), (170, TEXT), (190, TEXT), usage=Usage(output=9))
    assert record.tpot_ns == 5.0
    assert record.tokens_per_event == 3.0
    assert record.events.gaps_ns() == [20, 20]


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        ([(150, TEXT)], Usage(output=9)),  # one event carried everything
        ([(150, TEXT), (160, TEXT)], Usage(output=1)),
        ([(150, TEXT), (160, TEXT)], Usage()),  # nobody counted
        ([], Usage(output=9)),
    ],
)
def test_where_time_per_token_has_no_meaning_there_is_none(
    events: list[tuple[int, EventKind]], usage: Usage
) -> None:
    assert _record(*events, usage=usage).tpot_ns is None


def test_tokens_of_reasoning_that_nobody_saw_are_not_streamed() -> None:
    usage = Usage(output=50, reasoning=40)
    hidden = _record((150, TEXT), (240, TEXT), usage=usage, reasoning_streamed=False)
    assert (hidden.streamed_tokens, hidden.tpot_ns, hidden.tokens_per_event) == (10, 10.0, 5.0)
    shown = _record((150, REASONING), (248, TEXT), usage=usage)
    assert (shown.streamed_tokens, shown.tpot_ns) == (50, 2.0)
    uncounted = _record((150, TEXT), usage=Usage(output=50), reasoning_streamed=False)
    assert uncounted.streamed_tokens == 50
    odd = _record((150, TEXT), usage=Usage(output=5, reasoning=9), reasoning_streamed=False)
    assert odd.streamed_tokens == 0


@given(st.lists(st.integers(0, 10**15), max_size=30).map(sorted))
def test_gaps_are_between_neighbours_and_add_up(times: list[int]) -> None:
    events = Events()
    for number, at_ns in enumerate(times):
        events.add(at_ns, number, TEXT, "ab")
    gaps = events.gaps_ns()
    assert len(gaps) == max(0, len(times) - 1)
    assert sum(gaps) == (times[-1] - times[0] if times else 0)
    assert len(events) == len(events.read) == len(events.kind) == len(events.text)
    assert list(events.chars) == [2] * len(times)


def test_events_that_are_not_all_known_tell_less() -> None:
    record = _record((10, EventKind.TEXT), (40, EventKind.TEXT))
    record.start_ns, record.usage = 0, Usage(output=4)
    assert (record.events.count, record.events.gaps_ns()) == (2, [30])
    record.events.partial = True
    assert (record.events.count, record.events.gaps_ns()) == (None, [])
    assert (record.ttft_ns, record.tpot_ns, record.tokens_per_event) == (10, 10.0, None)


def test_characters_that_nobody_counted_are_unknown() -> None:
    events = Events()
    assert events.characters == 0
    events.add(1, 0, EventKind.TEXT, "")
    assert events.characters is None
    events.add(2, 1, EventKind.TEXT, "word")
    assert events.characters == 4
