"""What Bedrock's answers tell beside the text; the samples in the corpus hold the rest."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import decode
from llm_latency_lens.providers.aws_eventstream import CONTENT_TYPE, frame
from llm_latency_lens.record import Record, Status
from llm_latency_lens.testing.conformance import Sample, capture, load_samples

CORPUS = Path(__file__).parents[1] / "conformance"
SAMPLES = [
    sample
    for name in ("bedrock.jsonl", "bedrock-invoke.jsonl")
    for sample in load_samples(CORPUS / name)
]
EVENT = {":content-type": "application/json", ":message-type": "event"}
METRICS = "amazon-bedrock-invocationMetrics"


def answered(provider: str, *parts: bytes, headers: dict[str, str] | None = None) -> Record:
    told = {"content-type": CONTENT_TYPE, **(headers or {})}
    sample = Sample("", b"".join(parts), headers=tuple(told.items()), provider=provider)
    return decode(capture(sample, (len(sample.body),)))


def event(name: str, payload: Any) -> bytes:
    return frame({":event-type": name, **EVENT}, json.dumps(payload).encode())


def chunk(payload: Any) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode()})


def test_converse_tells_its_time_and_tier() -> None:
    told = {
        "usage": {"inputTokens": 1, "outputTokens": 1},
        "metrics": {"latencyMs": 802},
        "serviceTier": {"type": "flex"},
    }
    stop = event("messageStop", {"stopReason": "end_turn"})
    record = answered("bedrock", stop, event("metadata", told))
    assert record.hints_ms == {"latency_ms": 802.0}
    assert record.service_tier == "flex"
    fast = {**told, "performanceConfig": {"latency": "optimized"}}
    assert answered("bedrock", stop, event("metadata", fast)).service_tier == "optimized"


def test_nothing_said_is_unknown() -> None:
    stop, told = event("messageStop", {"stopReason": "x"}), event("metadata", {})
    record = answered("bedrock", stop, told)
    assert (record.status, record.usage.input, record.usage.cache_write) == (Status.OK, None, None)
    assert (record.hints_ms, record.service_tier) == ({}, None)


def test_invoke_tells_times_and_tier() -> None:
    metrics = {"invocationLatency": 267, "firstByteLatency": 173}
    last = chunk({"generation": "a", "stop_reason": "stop", METRICS: metrics})
    headers = {
        "x-amzn-bedrock-service-tier": "priority",
        "x-amzn-requestid": "r-1",
        "set-cookie": "c",
    }
    record = answered("bedrock-invoke", last, headers=headers)
    assert record.hints_ms == {"invocation_latency_ms": 267.0, "first_byte_latency_ms": 173.0}
    assert record.service_tier == "priority"
    assert record.headers["x-amzn-requestid"] == "r-1"
    assert "set-cookie" not in record.headers
    headers["x-amzn-bedrock-performanceconfig-latency"] = "optimized"
    assert answered("bedrock-invoke", last, headers=headers).service_tier == "optimized"


def test_invoke_in_one_piece_tells_its_time_in_a_header() -> None:
    document = b'{"generation":"a","stop_reason":"stop"}'
    headers = {"content-type": "application/json", "x-amzn-bedrock-invocation-latency": "174"}
    record = answered("bedrock-invoke", document, headers=headers)
    assert record.hints_ms == {"x-amzn-bedrock-invocation-latency": 174.0}
    assert (record.usage.input, record.usage.output) == (None, None)


def test_ids_of_those_who_give_them() -> None:
    last = {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], METRICS: {}}
    record = answered("bedrock-invoke", chunk({"id": "c-1", "model": "m-1", **last}))
    assert (record.response_id, record.response_model) == ("c-1", "m-1")


@pytest.mark.parametrize("provider", ["bedrock", "bedrock-invoke"])
def test_stream_without_any_event(provider: str) -> None:
    record = answered(provider, b"")
    assert record.error is not None
    assert "the answer was empty" in record.error.message


@pytest.mark.parametrize("provider", ["bedrock", "bedrock-invoke"])
@pytest.mark.parametrize("payload", [b"null", b"1", b"[]", b'{"delta":[],"bytes":null}'])
def test_strange_payloads_are_no_content(provider: str, payload: bytes) -> None:
    record = answered(provider, frame({":event-type": "contentBlockDelta", **EVENT}, payload))
    assert (record.status, len(record.events)) == (Status.FAILED, 0)


@pytest.mark.parametrize(
    "inner", [b"null", b"[1]", b"1", b'{"choices":[{}]}', b'{"type":"message_start"}', b"{}"]
)
def test_strange_chunks_are_no_content(inner: bytes) -> None:
    packed = json.dumps({"bytes": base64.b64encode(inner).decode()}).encode()
    strange = frame({":event-type": "chunk", **EVENT}, packed)
    record = answered("bedrock-invoke", strange)
    assert (record.status, len(record.events)) == (Status.FAILED, 0)


@given(st.data())
def test_damaged_answers_never_raise(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    whole = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    record = decode(capture(replace(sample, body=bytes(whole)), (len(whole),)))
    assert (record.error is None) == (record.status is Status.OK)


KEYS = (
    "delta text toolUse input reasoningContent stopReason usage inputTokens outputs choices type"
    " message content generation output metadata completions data results event_type error"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.sampled_from(["bedrock", "bedrock-invoke"]), st.lists(JSON, max_size=4))
def test_any_json_in_sound_frames_never_raises(provider: str, payloads: list[Any]) -> None:
    parts = [chunk(one) if provider != "bedrock" else event("metadata", one) for one in payloads]
    record = answered(provider, *parts)
    assert (record.error is None) == (record.status is Status.OK)


@given(st.sampled_from(["bedrock", "bedrock-invoke"]), st.binary(max_size=120), st.booleans())
def test_noise_never_raises(provider: str, noise: bytes, framed: bool) -> None:
    headers = None if framed else {"content-type": "application/json"}
    record = answered(provider, noise, headers=headers)
    assert (record.error is None) == (record.status is Status.OK)
