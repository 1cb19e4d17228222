"""llama.cpp's own completion as it is sent: what our own decoder makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from wire_responses import BROKEN, check_reads_back, read_back

from llm_latency_lens.record import EventKind, Status
from llm_latency_lens.testing.llamacpp_wire import WIRE, read
from llm_latency_lens.testing.wire import Ask, Asked
from llm_latency_lens.testing.wires import wire_of

ASK = Ask("qwen", prompt_tokens=5, created=1_790_000_000)
NAME = "llamacpp-native"


@pytest.mark.parametrize("options", [{}, {"tokens_per_event": "3"}, {"tokens": "1"}], ids=str)
@pytest.mark.parametrize("stream", [True, False])
def test_our_decoder_reads_the_plan(options: dict[str, str], stream: bool) -> None:
    record = check_reads_back(WIRE, NAME, replace(ASK, stream=stream), **options)
    assert (record.finish_reason, record.response_model) == ("eos", "qwen")
    assert record.hints_ms["prompt_ms"] == 200.0


def test_thoughts_and_calls_are_content() -> None:
    for options in ({"reasoning": "2"}, {"tool_calls": "1"}):
        due, record = read_back(WIRE, NAME, ASK, **options)
        assert set(record.events.kind) == {EventKind.TEXT}
        assert (len(record.events), record.usage.output) == (len(due), due.output_tokens)


def test_a_limit() -> None:
    _, record = read_back(WIRE, NAME, replace(ASK, max_tokens=2))
    assert (record.finish_reason, record.usage.output) == ("limit", 2)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", [*BROKEN, "no-done"])
def test_faults_are_failures(fault: str, stream: bool) -> None:
    _, record = read_back(WIRE, NAME, replace(ASK, stream=stream), faults=f"{fault}:always")
    wanted = Status.OK if (fault, stream) == ("no-done", False) else Status.FAILED
    assert record.status is wanted


def test_wrong_usage() -> None:
    due, record = read_back(WIRE, NAME, ASK, faults="wrong-usage=2:always")
    assert record.usage.output == 2 * due.output_tokens


@pytest.mark.parametrize(
    ("body", "ask"),
    [
        ({}, Ask("sim", False, 10)),
        ({"stream": True, "model": "m"}, Ask("m", True, 10)),
        ({"n_predict": 3}, Ask("sim", False, 10, 3)),
        ({"n_predict": -1}, Ask("sim", False, 10)),
    ],
)
def test_requests(body: dict[str, Any], ask: Ask) -> None:
    whole = json.dumps({"prompt": "x" * 40, **body}).encode()
    asked = Asked("POST", "/completion", body=whole)
    assert wire_of(asked) is WIRE
    assert read(asked) == ask


def test_a_bad_request_is_said_so() -> None:
    with pytest.raises(ValueError, match="prompt"):
        read(Asked("POST", "/completion", body=b"{}"))
