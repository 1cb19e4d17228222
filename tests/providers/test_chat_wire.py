from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import chat_wire
from llm_latency_lens.providers.chat_wire import Chunk, Delta, read
from llm_latency_lens.record import EventKind


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"[DONE]", b"1", b'"x"', b"{", b"{}x", b"{} {}", b"nul", b"\xff"]
)
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(data)


def test_null_is_nothing() -> None:
    assert read(b" null ") is None


def test_depth_is_bounded() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read(b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}")


def test_deep_parts_do_not_overflow() -> None:
    nested = '{"text":' * 400 + '"x"' + "}" * 400
    body = '{"choices":[{"delta":{"content":[' + nested + "]}}]}"
    assert isinstance(read(body.encode()), Chunk)


@pytest.mark.parametrize(
    ("delta", "carried"),
    [
        ({}, None),
        ({"content": "", "reasoning": "", "tool_calls": []}, None),
        ({"tool_calls": [{"function": {"name": "f"}}]}, None),
        ({"content": "a"}, (EventKind.TEXT, "a")),
        ({"reasoning": "r"}, (EventKind.REASONING, "r")),
        ({"reasoning_content": "", "reasoning": "r"}, (EventKind.REASONING, "r")),
        ({"reasoning_content": "c", "reasoning": "r"}, (EventKind.REASONING, "c")),
        (
            {"reasoning": "r", "tool_calls": [{"function": {"arguments": "{"}}]},
            (EventKind.TOOL, "r{"),
        ),
        ({"refusal": "n", "reasoning": "r"}, (EventKind.REFUSAL, "rn")),
        ({"content": "a", "refusal": "n"}, (EventKind.TEXT, "an")),
        ({"function_call": {"arguments": "1"}}, (EventKind.TOOL, "1")),
        ({"tool_calls": [{"custom": {"input": "i"}}, {}]}, (EventKind.TOOL, "i")),
    ],
)
def test_carried(delta: dict[str, Any], carried: tuple[EventKind, str] | None) -> None:
    body = json.dumps({"choices": [{"delta": delta}]}).encode()
    chunk = read(body)
    assert chunk is not None
    assert chunk.choices is not None
    assert chunk.choices[0].delta is not None
    assert chunk.choices[0].delta.carried() == carried


FIELDS = (
    "content",
    "reasoning",
    "reasoning_content",
    "refusal",
    "tool_calls",
    "function_call",
    "role",
)
VALUES = (
    st.none()
    | st.text(max_size=5)
    | st.integers()
    | st.lists(
        st.fixed_dictionaries(
            {}, optional={"text": st.text(max_size=3), "thinking": st.text(max_size=3)}
        )
    )
)
DELTAS = st.dictionaries(st.sampled_from(FIELDS), VALUES)


@given(st.lists(DELTAS, max_size=3), st.none() | st.text(max_size=3) | st.integers())
def test_any_shape_is_read_and_both_roads_agree(deltas: list[dict[str, Any]], id: Any) -> None:
    document = {"id": id, "choices": [{"index": 0, "delta": delta} for delta in deltas]}
    data = json.dumps(document).encode()
    chunk = read(data)
    slow = chat_wire._untyped(json.loads(data))
    assert chunk is not None
    assert slow is not None
    assert [one.delta and one.delta.carried() for one in chunk.choices or ()] == [
        one.delta and one.delta.carried() for one in slow.choices or ()
    ]


def test_odd_counts() -> None:
    usage = {
        "prompt_tokens": "12",
        "completion_tokens": 3.0,
        "total_tokens": True,
        "prompt_tokens_details": {"cached_tokens": 1e300},
        "completion_tokens_details": [],
        "prompt_cache_hit_tokens": "many",
        "reasoning_tokens": -1,
    }
    chunk = read(json.dumps({"usage": usage, "x_groq": {"usage": [], "error": 5}}).encode())
    assert chunk is not None
    counts = chunk.usage
    assert counts is not None
    assert (counts.prompt_tokens, counts.completion_tokens, counts.total_tokens) == (12, 3, None)
    assert counts.prompt_tokens_details is not None
    assert counts.prompt_tokens_details.cached_tokens is None
    assert (counts.prompt_cache_hit_tokens, counts.reasoning_tokens) == (None, -1)
    assert chunk.x_groq is not None
    assert (chunk.x_groq.usage, chunk.x_groq.error) == (None, "5")


def test_the_second_road_reads_what_the_first_does() -> None:
    delta = {
        "content": [{"type": "text", "text": "a"}],
        "reasoning_details": [{"text": "r"}, {"summary": 3}, {"summary": "s"}],
        "tool_calls": [{"function": "f"}, {"function": {"arguments": [1, {"x": "y"}]}}],
    }
    chunk = read(json.dumps({"choices": [{"delta": delta}]}).encode())
    assert chunk is not None
    assert chunk.choices is not None
    assert chunk.choices[0].delta is not None
    assert chunk.choices[0].delta.carried() == (EventKind.TEXT, 'rsa[1,{"x":"y"}]')


def test_delta_without_anything_is_empty() -> None:
    assert Delta().carried() is None
    assert Delta().thought() == ""
