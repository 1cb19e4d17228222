from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.chat_wire import Chunk, Cost, Delta, billed, read
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
        (
            {"content": [{"type": "text", "text": "a"}, "b", {"text": ["c"]}]},
            (EventKind.TEXT, "abc"),
        ),
        ({"content": [{"thinking": [{"text": "t"}, {"text": "u"}]}]}, (EventKind.REASONING, "tu")),
        ({"content": [{"thinking": "t"}, {"text": "a"}]}, (EventKind.TEXT, "ta")),
        ({"content": [5, None, {}]}, None),
        ({"content": {"text": "a"}}, None),
        ({"content": 5}, None),
        ({"tool_calls": [{"function": {"arguments": {"a": "é"}}}]}, (EventKind.TOOL, '{"a":"é"}')),
        ({"tool_calls": [{"function": {"arguments": 5}}]}, None),
        ({"tool_calls": [{"function": {"arguments": {}}}]}, None),
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
    slow = read(json.dumps({**document, "object": 1}).encode())
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
        "reasoning_details": [{"text": "r"}, {"summary": []}, {"summary": "s"}],
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


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        ({}, None),
        ({"cost": None}, None),
        ({"cost": 0}, "0"),
        ({"cost": 0.00014400}, "0.000144"),
        ({"cost": 1.5e-7}, "1.5E-7"),
        ({"cost": "0.0000344"}, "0.0000344"),
        ({"cost": {"total_cost": 0.00501, "request_cost": 0.005}}, "0.00501"),
        ({"cost": {"currency": "USD"}}, None),
        ({"cost_in_usd_ticks": 1330500}, "0.00013305"),
        ({"cost_in_usd_ticks": 37756000, "cost": 9}, "0.0037756"),
        ({"cost": -1}, None),
        ({"cost": 1e300}, None),
        ({"cost": True}, None),
        ({"cost": []}, None),
    ],
)
@pytest.mark.parametrize("more", [{}, {"object": 1}], ids=["fast", "slow"])
def test_what_was_billed_is_exact(
    usage: dict[str, Any], dollars: str | None, more: dict[str, Any]
) -> None:
    chunk = read(json.dumps({"usage": usage, **more}).encode())
    assert chunk is not None
    assert chunk.usage is not None
    found = billed(chunk.usage.cost, chunk.usage.cost_in_usd_ticks)
    assert found == (None if dollars is None else Decimal(dollars))


def test_what_is_no_amount_is_not_billed() -> None:
    assert billed(Decimal("NaN"), None) is None
    assert billed(Decimal("Infinity"), None) is None
    assert billed(Cost(Decimal("sNaN")), None) is None
    chunk = read(b'{"usage":{"cost":NaN}}')
    assert chunk is not None
    assert chunk.usage is not None
    assert chunk.usage.cost is None


def test_halves_of_characters_are_replaced_on_both_roads() -> None:
    chunk = read(rb'{"choices":[{"delta":{"content":"a\ud800","reasoning":"b\udc00"}}]}')
    assert chunk is not None
    assert chunk.choices is not None
    assert chunk.choices[0].delta is not None
    assert chunk.choices[0].delta.carried() == (EventKind.TEXT, "b\ufffda\ufffd")
