"""OpenAI's Responses: what is asked, and what the corpus does not say of an answer."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import get
from llm_latency_lens.providers.openai_responses import build, decode
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Prompt, Secret, Target
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

SAMPLES = {
    sample.name: sample
    for sample in load_samples(Path(__file__).parents[1] / "conformance" / "responses.jsonl")
}
target = partial(Target, provider="openai-responses", model="m", base_url="http://h/v1")
HI = Prompt.of("Hi")


def understood(*events: dict[str, Any]) -> Record:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    return decode(capture(Sample("s", body), (len(body),)))


def test_a_whole_request() -> None:
    request = build(target(max_tokens=7, temperature=0.5, api_key=Secret("k")), HI)
    assert request.url == "http://h/v1/responses"
    assert dict(request.headers)["authorization"] == "Bearer k"
    assert dict(request.headers)["accept"] == "text/event-stream"
    assert json.loads(request.body) == {
        "model": "m",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "max_output_tokens": 7,
        "temperature": 0.5,
    }
    assert request.max_tokens == 7


def test_without_streaming_and_limits() -> None:
    sent = json.loads(build(target(stream=False), HI).body)
    assert sent == {"model": "m", "input": [{"role": "user", "content": "Hi"}], "stream": False}


def test_parts_of_text_get_the_names_of_this_interface() -> None:
    messages: tuple[dict[str, Any], ...] = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_image"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}, "c", {"text": "d"}]},
        {"type": "function_call_output", "call_id": "c", "output": "e"},
    )
    sent = json.loads(build(target(), Prompt(messages)).body)
    assert sent["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image"}]},
        {
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b"}, "c", {"text": "d", "type": None}],
        },
        {"type": "function_call_output", "call_id": "c", "output": "e"},
    ]
    assert messages[1]["content"][0]["type"] == "text"


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/responses"),
        ("http://h/v1/", "http://h/v1/responses"),
        ("http://h/v1/responses", "http://h/v1/responses"),
        ("http://h/v1?x=1", "http://h/v1/responses?x=1"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert build(target(base_url=base), HI).url == url


def test_the_row() -> None:
    row = get("openai-responses")
    assert (row.build, row.decode, row.key_env) == (build, decode, ("OPENAI_API_KEY",))


def test_what_is_told_besides() -> None:
    timeline = capture(SAMPLES["responses-xai"], (len(SAMPLES["responses-xai"].body),))
    record = decode(timeline)
    assert record.billed_usd == Decimal("0.00054215")
    assert (record.response_id, record.response_model) == ("resp_1", "gpt-5-nano")
    assert record.service_tier == "default"
    assert record.reasoning_streamed


def test_times_of_llamacpp_are_hints() -> None:
    sample = SAMPLES["responses-llamacpp"]
    record = decode(capture(sample, (len(sample.body),)))
    assert record.hints_ms == {"prompt_ms": 82.4, "predicted_ms": 25.3}
    assert record.response_model == "m.gguf"


def test_perplexity_says_what_it_cost() -> None:
    sample = SAMPLES["responses-perplexity"]
    record = get("perplexity").decode(capture(sample, (len(sample.body),)))
    assert record.billed_usd == Decimal("0.00105")
    assert record.service_tier is None


def test_reasoning_that_was_never_shown() -> None:
    sample = SAMPLES["responses-hidden-reasoning"]
    record = decode(capture(sample, (len(sample.body),)))
    assert not record.reasoning_streamed
    assert record.streamed_tokens == 6


def test_a_refused_request() -> None:
    record = decode(capture(Sample("s", b'{"error":{"message":"no"}}', status=401), (26,)))
    assert record.error is not None
    assert (record.error.kind, record.error.message) == ("auth", "no")


def test_the_end_is_the_read_that_completed_it() -> None:
    sample = SAMPLES["responses-text"]
    record = decode(capture(sample, range(1, len(sample.body) + 1)))
    last = sample.body.rindex(b"}") + 1
    assert record.end_ns == last * 1_000_000


def test_only_the_first_word_on_a_failure_stands() -> None:
    record = understood(
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow"},
        {"type": "error", "code": "server_error", "message": "broke"},
        {"type": "response.failed", "response": {"error": {"message": "broke"}}},
    )
    assert record.error is not None
    assert (record.error.kind, record.error.message) == ("rate_limit", "slow")


@pytest.mark.parametrize("status", ["cancelled", "completed", "incomplete", None])
def test_the_status_where_no_reason_is_given(status: str | None) -> None:
    record = understood({"type": "response.completed", "response": {"status": status}})
    assert record.finish_reason == (status or "completed")
    assert (record.status is Status.FAILED) == (status == "cancelled")


def test_an_index_counts_more_than_an_id() -> None:
    """A gateway that changes an item's id from event to event says nothing twice."""
    piece = {"type": "response.output_text.delta", "output_index": 0, "delta": "a"}
    record = understood(
        {**piece, "item_id": "one"},
        {**piece, "item_id": "two"},
        {"type": "response.output_text.done", "output_index": 0, "item_id": "3", "text": "aa"},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"id": "4", "type": "message", "content": [{"text": "aa"}]},
        },
        {"type": "response.completed"},
    )
    assert record.events.text == ["a", "a"]


def test_parts_that_come_whole_count_each() -> None:
    whole = {"type": "response.reasoning_summary_text.done", "item_id": "r"}
    record = understood(
        {**whole, "summary_index": 0, "text": "a"},
        {**whole, "summary_index": 1, "text": "b"},
        {
            "type": "response.output_item.done",
            "item": {"id": "r", "type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}]},
        },
        {"type": "response.completed"},
    )
    assert record.events.text == ["a", "b"]
    assert record.error is None


def test_nothing_after_the_end_belongs_to_the_answer() -> None:
    record = understood(
        {"type": "response.completed", "response": {"id": "one", "usage": {"output_tokens": 1}}},
        {"type": "response.output_text.delta", "delta": "late"},
        {"type": "response.completed", "response": {"id": "two", "usage": {"output_tokens": 9}}},
    )
    assert (record.response_id, record.usage.output, len(record.events)) == ("one", 1, 0)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ("type", "text", "content", "usage", "error", "status", "output", "item")
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
TYPES = st.sampled_from(
    (
        "response.created",
        "response.completed",
        "response.failed",
        "response.incomplete",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_item.done",
        "error",
    )
)
FIELDS = st.sampled_from(("delta", "item", "response", "error", "message", "output_index", "text"))


@given(st.lists(st.tuples(TYPES, st.dictionaries(FIELDS, VALUES)), max_size=4))
def test_events_of_any_shape_never_raise(events: list[tuple[str, dict[str, Any]]]) -> None:
    record = understood(*({**fields, "type": kind} for kind, fields in events))
    assert (record.error is None) == (record.status is Status.OK)


@given(VALUES)
def test_documents_of_any_shape_never_raise(document: Any) -> None:
    body = json.dumps(document).encode()
    headers = (("content-type", "application/json"),)
    sample = Sample("s", body, headers=headers, stream=False)
    record = decode(capture(sample, (len(body),)))
    assert (record.error is None) == (record.status is Status.OK)


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_samples_never_raise(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    body = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    damaged = Sample("s", bytes(body), status=sample.status, headers=sample.headers)
    record = decode(capture(damaged, (len(body),)))
    assert (record.error is None) == (record.status is Status.OK)
