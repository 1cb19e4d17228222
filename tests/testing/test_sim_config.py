"""The simulator's options: texts in, a configuration out, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.testing.config import OPTIONS, Freeze, SimConfig, Stalls
from llm_latency_lens.testing.faults import parse_faults
from llm_latency_lens.testing.values import Dist

MS = 1_000_000

EVERY_OPTION = {
    "ttft": "lognormal:200ms,0.3",
    "gap": "gamma:20ms,0.5",
    "stalls": "0.002:150ms",
    "freeze": "2s@10",
    "prefill": "50us",
    "slots": "4",
    "slowdown": "0.01",
    "tokens": "lognormal:64,0.5",
    "tokens_per_event": "2",
    "reasoning": "32",
    "reasoning_hidden": "yes",
    "reasoning_field": "reasoning",
    "tool_calls": "2",
    "burst": "all",
    "role": "early",
    "usage": "always",
    "faults": "429=2s:0.05,reset@10:#3",
    "limits": "requests:60/60s,tokens:9000/500ms",
    "model": "other",
    "seed": "42",
}


def test_every_option_survives_the_way_there_and_back() -> None:
    assert set(EVERY_OPTION) == set(OPTIONS)
    config = SimConfig.from_options(**EVERY_OPTION)
    assert config.options() == EVERY_OPTION
    assert SimConfig.from_options(**config.options()) == config


def test_the_defaults_need_no_options() -> None:
    assert SimConfig.from_options() == SimConfig()
    assert SimConfig().options() == {}
    assert SimConfig.from_options(stalls="none", freeze="none") == SimConfig()


def test_what_the_texts_mean() -> None:
    config = SimConfig.from_options(**EVERY_OPTION)
    assert config.ttft == Dist.lognormal(200 * MS, 0.3)
    assert config.stalls == Stalls(0.002, Dist.constant(150 * MS))
    assert config.freeze == Freeze(2000 * MS, 10)
    assert config.prefill_ns == 50_000
    assert config.burst is None
    assert config.faults == parse_faults("429=2s:5%,reset@10:#3")
    assert SimConfig.from_options(stalls="0.2%:gamma:150ms,1").stalls == Stalls(
        0.002, Dist.gamma(150 * MS, 1)
    )


def test_dashes_are_underscores() -> None:
    assert SimConfig.from_options(**{"tokens-per-event": "4"}).tokens_per_event.mean == 4


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("ttft", "fast", "ttft: 'fast' is not a duration"),
        ("stalls", "5%", "stalls: stalls '5%' lack their length"),
        ("freeze", "2s", "freeze: freeze '2s' lacks its event"),
        ("freeze", "2s@0", "1 is the first gap"),
        ("slots", "-1", "slots: '-1' is not a whole number"),
        ("slots", "1.5", "not a whole number"),
        ("reasoning_hidden", "maybe", "'maybe' is none of yes, no"),
        ("role", "late", "'late' is none of first, early, off"),
        ("burst", "0", "burst is a number of events from 1, or 'all'"),
        ("tokens_per_event", "0.5", "at least 1 token"),
        ("model", "", "the model needs a name"),
        ("colour", "red", "unknown option 'colour': known are ttft, gap"),
    ],
)
def test_mistakes_are_named(name: str, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        SimConfig.from_options(**{name: text})


def test_negative_numbers_are_refused_in_code_too() -> None:
    with pytest.raises(UsageError, match="prefill cannot be less than 0"):
        SimConfig(prefill_ns=-1)


@given(
    st.builds(
        SimConfig,
        slots=st.integers(0, 10**6),
        slowdown=st.floats(0, 10),
        tool_calls=st.integers(0, 9),
        burst=st.none() | st.integers(1, 100),
        seed=st.integers(0, 2**64),
        freeze=st.none() | st.builds(Freeze, st.integers(0, 10**12), st.integers(1, 1000)),
        stalls=st.none()
        | st.builds(Stalls, st.floats(0, 1), st.integers(0, 10**9).map(Dist.constant)),
    )
)
def test_any_configuration_survives_its_options(config: SimConfig) -> None:
    assert SimConfig.from_options(**config.options()) == config
