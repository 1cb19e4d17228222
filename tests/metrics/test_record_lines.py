"""A line must read back to the record it came from, to the nanosecond."""

from __future__ import annotations

import json
from array import array
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.metrics import lines
from llm_latency_lens.record import EventKind, Events, Record, RequestError, Status, Usage
from llm_latency_lens.timeline import Connection, ErrorKind, Stage

SCHEMA = Path(__file__).parents[2] / "docs/reference/record.schema.json"

day_ns = 86_400_000_000_000
marks = st.none() | st.integers(0, 30 * day_ns)
counts = st.none() | st.integers(0, 1 << 40)
words = st.text(max_size=12)
durations = st.none() | st.integers(0, day_ns)


@st.composite
def event_columns(draw: st.DrawFn) -> Events:
    events = Events()
    for at_ns in sorted(draw(st.lists(st.integers(10 * day_ns, 11 * day_ns), max_size=8))):
        kind = draw(st.sampled_from(EventKind))
        events.add(at_ns, draw(st.integers(0, 1000)), kind, draw(words))
    return events


errors = st.builds(
    RequestError,
    st.sampled_from(ErrorKind),
    st.sampled_from(Stage),
    words,
    st.none() | st.integers(100, 599),
    st.none() | words,
)
connections = st.builds(
    Connection, st.booleans(), durations, durations, durations, words, words, counts, words
)
records = st.builds(
    Record,
    words,
    st.integers(0, 1 << 30),
    st.sampled_from(Status),
    provider=words,
    model=words,
    tag=st.none() | words,
    attempt=st.integers(0, 5),
    warmup=st.booleans(),
    stream=st.booleans(),
    max_tokens=counts,
    error=st.none() | errors,
    planned_ns=st.none() | st.integers(9 * day_ns, 11 * day_ns),
    start_ns=st.none() | st.integers(10 * day_ns, 11 * day_ns),
    sent_ns=st.none() | st.integers(10 * day_ns, 11 * day_ns),
    first_byte_ns=st.none() | st.integers(10 * day_ns, 11 * day_ns),
    end_ns=st.none() | st.integers(10 * day_ns, 11 * day_ns),
    start_unix_ns=st.none() | st.integers(0, 1 << 62),
    events=event_columns(),
    usage=st.builds(Usage, counts, counts, counts, counts),
    tokens_source=st.sampled_from(["usage", "tokenizer", "events"]),
    reasoning_streamed=st.booleans(),
    finish_reason=st.none() | words,
    response_id=st.none() | words,
    hints_ms=st.dictionaries(words, st.floats(0, 1e9), max_size=3),
    connection=connections,
    headers=st.dictionaries(words, words, max_size=3),
    clock_source=st.sampled_from(["kernel", "user"]),
    clock_step_ns=st.integers(-day_ns, day_ns),
    read_lag_ns_max=st.integers(0, day_ns),
    late_events=st.integers(0, 9),
    merged_events=st.integers(0, 9),
    coalesced_events=st.integers(0, 9),
)


@given(records)
def test_a_line_with_text_reads_back_to_the_same_record(record: Record) -> None:
    written = lines.encode(lines.to_line(record, keep_text=True))
    assert b"\n" not in written
    assert lines.from_line(lines.decode(written)) == record


@given(records)
def test_without_text_only_the_text_is_lost(record: Record) -> None:
    written = lines.encode(lines.to_line(record))
    silent = replace(
        record,
        events=replace(record.events, text=[""] * len(record.events)),
        error=record.error and record.error.unquoted(),
    )
    assert lines.from_line(lines.decode(written)) == silent


@given(st.integers(-(2**51), 2**51))
def test_a_nanosecond_survives_as_milliseconds(ns: int) -> None:
    assert round(ns / 1e6 * 1e6) == ns


def spoken() -> Record:
    events = Events()
    events.add(1_250_000_000, 1, EventKind.REASONING, "hm")
    events.add(1_300_000_001, 2, EventKind.TEXT, "Hel")
    events.add(1_350_000_000, 2, EventKind.TEXT, "lo")
    return Record(
        "r1",
        7,
        Status.OK,
        provider="openai",
        model="m",
        planned_ns=999_000_000,
        start_ns=1_000_000_000,
        sent_ns=1_000_100_000,
        first_byte_ns=1_200_000_000,
        end_ns=1_400_000_000,
        start_unix_ns=1_700_000_000_000_000_000,
        events=events,
        usage=Usage(5, 3, 1, 0),
        tokens_source="usage",
        read_lag_ns_max=12_345,
        connection=Connection(reused=True, http_version="1.1"),
        headers={"x-request-id": "a"},
    )


def test_the_fields_are_the_ones_that_other_programs_read() -> None:
    line = json.loads(lines.encode(lines.to_line(spoken())))
    assert line["marks_ms"] == {
        "planned": -1.0,
        "sent": 0.1,
        "first_byte": 200.0,
        "first_token": 250.0,
        "first_answer": 300.000001,
        "last_token": 350.0,
        "end": 400.0,
    }
    assert line["events"] == [
        [250.0, "reasoning", 2],
        [300.000001, "text", 3],
        [350.0, "text", 2],
    ]
    usage = {name: found for name, found in line["usage"].items() if found is not None}
    assert usage == {"input": 5, "output": 3, "reasoning": 1, "cached_input": 0}
    assert (line["ttft_ms"], line["answer_ms"], line["e2e_ms"]) == (250.0, 300.000001, 400.0)
    assert line["tpot_ms"] == 50.0
    assert line["read_lag_us_max"] == 12.345
    assert line["status"] == "ok"
    assert line["error"] is None
    assert line["connection"]["reused"] is True
    assert line["headers"] == {"x-request-id": "a"}


def test_text_is_written_only_when_asked_for() -> None:
    assert b"Hel" not in lines.encode(lines.to_line(spoken()))
    kept = json.loads(lines.encode(lines.to_line(spoken(), keep_text=True)))
    assert (kept["text"], kept["reasoning_text"]) == ("Hello", "hm")
    assert "tool_text" not in kept


def test_a_request_that_never_started_keeps_its_columns() -> None:
    error = RequestError(ErrorKind.NETWORK, Stage.CONNECT, "connection refused")
    record = Record("r", 0, Status.FAILED, error=error, planned_ns=50, end_ns=90)
    line = json.loads(lines.encode(lines.to_line(record)))
    assert line["ttft_ms"] is None
    assert line["marks_ms"]["end"] == 4e-05
    assert line["error"] == {
        "kind": "network",
        "stage": "connect",
        "message": "connection refused",
        "http_status": None,
        "provider_code": None,
        "retry_after_s": None,
    }
    assert lines.from_line(lines.decode(json.dumps(line))) == record


def test_half_a_surrogate_pair_does_not_stop_the_writing() -> None:
    events = Events(
        array("q", [5]), array("q", [0]), array("q", [2]), [EventKind.TEXT], ["a\ud83d"]
    )
    record = replace(spoken(), events=events, headers={"x": "\udcff"})
    line = lines.decode(lines.encode(lines.to_line(record, keep_text=True)))
    assert line.text == "a?"
    assert line.headers == {"x": "?"}


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        lines.decode('{"id": "x"}')


def test_the_schema_in_the_documentation_is_the_one_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == lines.json_schema()


VALIDATOR = jsonschema.Draft202012Validator(lines.json_schema())


@given(records)
def test_every_line_agrees_with_its_schema(record: Record) -> None:
    VALIDATOR.validate(json.loads(lines.encode(lines.to_line(record, keep_text=True))))


def test_a_filters_words_are_text_too() -> None:
    error = RequestError(ErrorKind.CONTENT_FILTER, Stage.WAIT, "refused: my secret", 400)
    record = Record("r", 0, Status.FAILED, error=error)
    assert b"secret" not in lines.encode(lines.to_line(record))
    assert lines.from_line(lines.to_line(record, keep_text=True)).error == error
