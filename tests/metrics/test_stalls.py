"""Stalls, and answers that are streamed in name only."""

from __future__ import annotations

from random import Random

import pytest
from metrics_records import answer, clean, summed

from llm_latency_lens.metrics.result import PseudoStreaming, Stalls
from llm_latency_lens.record import Record


def stalls(*records: Record) -> Stalls:
    return summed(records).stalls


def test_a_freeze_is_a_stall_with_its_length_and_share() -> None:
    found = stalls(answer(0, gaps_ms=[20] * 30 + [2000] + [20] * 30), answer(1, gaps_ms=[20] * 61))
    assert (found.count, found.requests, found.longest_ms) == (1, 1, 2000.0)
    assert found.share_of_time == pytest.approx(2000 / (2000 + 60 * 20 + 61 * 20))
    assert (found.threshold_ms, found.threshold_factor) == (250.0, 10.0)


def test_a_stall_is_above_250_ms_and_above_ten_times_the_median() -> None:
    assert stalls(answer(gaps_ms=[20, 20, 250])).count == 0
    assert stalls(answer(gaps_ms=[20, 20, 250.001])).count == 1
    assert stalls(answer(gaps_ms=[60, 60, 60, 600])).count == 0
    assert stalls(answer(gaps_ms=[60, 60, 60, 600.001])).count == 1
    assert stalls(answer(gaps_ms=[20, 30, 40, 249, 999])).count == 1


def test_a_slow_stream_is_not_a_row_of_stalls() -> None:
    assert stalls(answer(gaps_ms=[400] * 20)) == stalls()


def test_every_stall_of_an_answer_counts() -> None:
    found = stalls(answer(gaps_ms=[20, 300, 20, 500, 20, 400, 20]))
    assert (found.count, found.requests, found.longest_ms) == (3, 1, 500.0)


def pseudo(*records: Record) -> PseudoStreaming:
    return summed(records).pseudo_streaming


def flushed(events: int, size: int, gap_ms: float = 20.0, inside_us: float = 0.0) -> Record:
    """An answer generated at an even pace that leaves in lumps of `size` events."""
    gaps, behind_ms = [], 0.0
    for i in range(1, events):
        within = inside_us / 1000
        gaps.append(gap_ms * size - behind_ms if i % size == 0 else within)
        behind_ms = 0.0 if i % size == 0 else behind_ms + within
    return answer(ttft_ms=200 + gap_ms * size, gaps_ms=gaps)


@pytest.mark.parametrize(
    "record",
    [
        flushed(64, 64),
        flushed(64, 16),
        flushed(64, 8),
        flushed(400, 8),
        flushed(500, 100),
        flushed(64, 64, inside_us=15.0),
        answer(ttft_ms=3000, gaps_ms=[], tokens=64),
        answer(ttft_ms=800, gaps_ms=[600, 600, 600], tokens=128),
        # A first token that slips through before the proxy's buffer fills up.
        answer(ttft_ms=100, gaps_ms=[20.0, 1500.0] + [0.01] * 70),
        # A long answer over a long way: TCP's slow start makes flights of one round trip each.
        answer(ttft_ms=5000, gaps_ms=([0.02] * 70 + [80]) + ([0.02] * 140 + [80]) + [0.02] * 280),
    ],
)
def test_an_answer_in_lumps_is_pseudo_streamed(record: Record) -> None:
    assert pseudo(record) == PseudoStreaming(requests=1, judged=1, share=1.0)


@pytest.mark.parametrize(
    "record",
    [
        flushed(64, 1),
        flushed(64, 4),
        flushed(64, 8, gap_ms=8),
        # 2,000 and 17,000 tokens a second, generated after a wait in a queue.
        answer(ttft_ms=3000, gaps_ms=[0.5] * 200),
        answer(ttft_ms=3000, gaps_ms=[0.059] * 200),
        # Speculative decoding: several tokens an event, after a long prefill.
        answer(ttft_ms=2000, gaps_ms=[20.0] * 7, tokens=40),
        # Large chunks that follow one another closely.
        answer(ttft_ms=2000, gaps_ms=[30.0] * 5, tokens=200),
        # Nobody notices lumps in an answer that is over after a blink.
        answer(ttft_ms=30, gaps_ms=[0.01] * 63),
    ],
)
def test_a_stream_that_is_one_is_not_suspected(record: Record) -> None:
    assert pseudo(record) == PseudoStreaming(requests=0, judged=1, share=0.0)


@pytest.mark.parametrize(
    "record",
    [
        answer(ttft_ms=2000, gaps_ms=[0.0] * 5),
        answer(ttft_ms=2000, gaps_ms=[0.0] * 63, merged_events=60),
        answer(ttft_ms=2000, gaps_ms=[], tokens=64, stream=False),
    ],
)
def test_short_merged_and_unstreamed_answers_are_not_judged(record: Record) -> None:
    assert pseudo(record).judged == 0


def test_fast_streams_with_jitter_raise_no_alarm() -> None:
    random = Random(1)
    fast = [
        answer(
            i,
            start_ms=50 * i,
            ttft_ms=random.uniform(5, 4000),
            gaps_ms=[0.5 * random.lognormvariate(0, 0.8) for _ in range(random.randrange(15, 400))],
        )
        for i in range(200)
    ]
    assert pseudo(*fast).requests == 0
    assert pseudo(*fast).judged == 200
    assert pseudo(*clean(100)).requests == 0


def test_characters_stand_in_where_tokens_are_unknown() -> None:
    record = flushed(64, 64)
    record.usage.output = None
    assert pseudo(record).requests == 1
