"""Plans: exact schedules, and what does and does not change them."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.record import EventKind
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.plan import Plan, plan, words

MS = 1_000_000


def planned(
    index: int = 0, prompt_tokens: int = 0, max_tokens: int | None = None, **options: str
) -> Plan:
    config = SimConfig.from_options(**options)
    return plan(config, index, prompt_tokens=prompt_tokens, max_tokens=max_tokens)


def offsets_ms(answer: Plan) -> list[float]:
    return [at / MS for at in answer.offsets_ns]


def test_constant_times_are_exact() -> None:
    answer = planned(tokens="4")
    assert offsets_ms(answer) == [200, 220, 240, 260]
    assert (answer.first_ns, answer.decode_ns, answer.end_ns) == (200 * MS, 200 * MS, 260 * MS)
    assert answer.tokens == [1, 1, 1, 1]
    assert answer.kinds == [EventKind.TEXT] * 4
    assert (answer.output_tokens, answer.reasoning_tokens) == (4, 0)
    assert answer.finish_reason == "stop"
    assert answer.fault is None


def test_the_default_is_64_tokens() -> None:
    assert len(planned()) == 64


def test_prefill_grows_with_the_prompt() -> None:
    assert planned(prefill="1ms", prompt_tokens=100).first_ns == 300 * MS


def test_max_tokens_is_honoured_and_said() -> None:
    answer = planned(tokens="10", max_tokens=3)
    assert (len(answer), answer.output_tokens, answer.finish_reason) == (3, 3, "length")
    assert planned(tokens="10", max_tokens=10).finish_reason == "stop"
    with pytest.raises(UsageError, match="at least 1"):
        planned(max_tokens=0)


def test_an_answer_has_at_least_one_token() -> None:
    assert planned(tokens="0").output_tokens == 1


def test_tokens_per_event() -> None:
    answer = planned(tokens="7", tokens_per_event="3")
    assert answer.tokens == [3, 3, 1]
    assert offsets_ms(answer) == [200, 220, 240]
    drawn = planned(tokens="100", tokens_per_event="list:1/4")
    assert sum(drawn.tokens) == 100
    assert set(drawn.tokens[:-1]) == {1, 4}


def test_a_freeze_lengthens_the_gap_before_its_event() -> None:
    assert offsets_ms(planned(tokens="4", freeze="2s@2")) == [200, 220, 2240, 2260]
    assert offsets_ms(planned(tokens="2", freeze="2s@2")) == [200, 220]


def test_stalls_lengthen_their_share_of_gaps_and_leave_the_rest() -> None:
    calm = planned(tokens="5000", gap="lognormal:20ms,0.3")
    stalled = planned(tokens="5000", gap="lognormal:20ms,0.3", stalls="1%:150ms")
    more = [
        (b - a) - (d - c)
        for a, b, c, d in zip(
            stalled.offsets_ns,
            stalled.offsets_ns[1:],
            calm.offsets_ns,
            calm.offsets_ns[1:],
            strict=False,
        )
    ]
    assert set(more) == {0, 150 * MS}
    assert 25 <= more.count(150 * MS) <= 80


def test_reasoning_comes_first() -> None:
    answer = planned(reasoning="2", tokens="2")
    assert [kind.value for kind in answer.kinds] == ["reasoning", "reasoning", "text", "text"]
    assert offsets_ms(answer) == [200, 220, 240, 260]
    assert (answer.output_tokens, answer.reasoning_tokens) == (4, 2)


def test_hidden_reasoning_takes_its_time_and_is_counted() -> None:
    answer = planned(reasoning="2", tokens="2", reasoning_hidden="yes")
    assert [kind.value for kind in answer.kinds] == ["text", "text"]
    assert offsets_ms(answer) == [240, 260]
    assert (answer.output_tokens, answer.reasoning_tokens) == (4, 2)
    assert answer.decode_ns == 200 * MS


def test_max_tokens_can_end_an_answer_within_hidden_reasoning() -> None:
    answer = planned(reasoning="5", tokens="5", reasoning_hidden="yes", max_tokens=3)
    assert len(answer) == 0
    assert (answer.reasoning_tokens, answer.output_tokens) == (3, 3)
    assert answer.first_ns == answer.end_ns == 240 * MS
    assert answer.finish_reason == "length"


def test_tool_calls_share_the_answer() -> None:
    answer = planned(tool_calls="2", tokens="4", reasoning="1")
    assert [kind.value for kind in answer.kinds] == ["reasoning", *["tool"] * 4]
    assert answer.calls == [-1, 0, 0, 1, 1]
    assert answer.finish_reason == "tool_calls"
    assert planned(tool_calls="3", tokens="1").calls == [0]


def test_a_burst_holds_events_back() -> None:
    assert offsets_ms(planned(tokens="5", burst="2")) == [220, 220, 260, 260, 280]
    assert offsets_ms(planned(tokens="3", burst="all")) == [240, 240, 240]


def test_slowing_stretches_the_gaps_and_not_the_ttft() -> None:
    slow = planned(tokens="3").slowed(1.5)
    assert offsets_ms(slow) == [200, 230, 260]
    assert slow.end_ns == 260 * MS
    assert offsets_ms(planned(tokens="3", burst="all").slowed(2)) == [280, 280, 280]
    hidden = planned(tokens="1", reasoning="2", reasoning_hidden="yes").slowed(2)
    assert offsets_ms(hidden) == [280]


RANDOM: dict[str, Any] = {
    "ttft": "lognormal:200ms,0.3",
    "gap": "gamma:20ms,0.5",
    "tokens": "lognormal:64,0.5",
}


@given(st.integers(0, 10**6), st.integers(0, 100))
def test_seed_and_index_alone_decide(seed: int, index: int) -> None:
    one, two = (planned(index, seed=str(seed), **RANDOM) for _ in range(2))
    assert one == two
    assert one != planned(index + 1, seed=str(seed), **RANDOM)
    assert one != planned(index, seed=str(seed + 1), **RANDOM)


def test_faults_leave_the_schedule_alone() -> None:
    sound = planned(3, **RANDOM)
    struck = planned(3, faults="cut:#3", **RANDOM)
    assert str(struck.fault) == "cut:#3"
    assert struck.offsets_ns == sound.offsets_ns
    assert planned(4, faults="cut:#3", **RANDOM).fault is None


numbers = st.integers(1, 200).map(str)
any_options = st.fixed_dictionaries(
    {
        "gap": st.sampled_from(["0", "lognormal:20ms,0.5", "gamma:20ms,1"]),
        "tokens": numbers,
        "reasoning": numbers,
        "tokens_per_event": st.sampled_from(["1", "3", "list:1/5"]),
        "reasoning_hidden": st.sampled_from(["yes", "no"]),
        "burst": st.sampled_from(["1", "3", "all"]),
        "tool_calls": st.sampled_from(["0", "1", "3"]),
        "stalls": st.sampled_from(["none", "10%:1s"]),
    }
)


@given(st.integers(0, 1000), any_options, st.none() | st.integers(1, 300))
def test_any_plan_is_sound(index: int, options: dict[str, Any], limit: int | None) -> None:
    answer = planned(index, max_tokens=limit, **options)
    assert answer.offsets_ns == sorted(answer.offsets_ns)
    assert len(answer) == len(answer.tokens) == len(answer.kinds) == len(words(answer))
    assert len(answer.calls) in (0, len(answer))
    hidden = answer.reasoning_tokens if options["reasoning_hidden"] == "yes" else 0
    assert sum(answer.tokens) == answer.output_tokens - hidden
    wanted = int(options["tokens"]) + int(options["reasoning"])
    assert answer.output_tokens == min(wanted, limit or wanted)
    assert answer.end_ns >= (answer.offsets_ns[-1] if len(answer) else answer.decode_ns)
    assert all(words(answer))


def test_the_distributions_asked_for_are_the_ones_that_come() -> None:
    answers = [planned(i, **RANDOM) for i in range(2000)]
    gaps = [b - a for p in answers for a, b in zip(p.offsets_ns, p.offsets_ns[1:], strict=False)]
    assert statistics.fmean(p.first_ns for p in answers) == pytest.approx(200 * MS, rel=0.02)
    assert statistics.fmean(gaps) == pytest.approx(20 * MS, rel=0.01)
    assert statistics.pstdev(gaps) == pytest.approx(10 * MS, rel=0.02)
    assert statistics.fmean(p.output_tokens for p in answers) == pytest.approx(64, rel=0.04)


def test_words_are_one_a_token_and_differ_between_requests() -> None:
    assert words(planned(0, tokens="3")) == [" the", " answer", " is"]
    assert words(planned(1, tokens="3")) == [" answer", " is", " that"]
    assert words(planned(0, tokens="3", tokens_per_event="2")) == [" the answer", " is"]
    assert len(words(planned(0, tokens="500"))) == 500


def test_tool_arguments_are_json_when_joined() -> None:
    answer = planned(tool_calls="2", tokens="4", reasoning="1")
    assert words(answer) == [" the", '{"text":"answer', ' is"}', '{"text":"that', ' a"}']
    assert words(planned(tool_calls="1", tokens="1")) == ['{"text":"the"}']
