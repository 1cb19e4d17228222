"""The corpus against our decoder, and the checks against decoders that are wrong."""

from __future__ import annotations

import re
from array import array
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import decode
from llm_latency_lens.providers.aws_eventstream import frame, frames
from llm_latency_lens.providers.redact import redact, safe_prefix
from llm_latency_lens.record import Record, RequestError, Status
from llm_latency_lens.testing.conformance import Sample, capture, check_decoder, load_samples
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.jsonl"))
SAMPLES = [sample for file in FILES for sample in load_samples(file)]
BY_FILE = pytest.mark.parametrize(
    "samples", [load_samples(file) for file in FILES], ids=[file.stem for file in FILES]
)
"""Where a check is quick, and an item for each sample would take longer than the check."""
STREAMS = [sample for sample in SAMPLES if sample.body.lstrip().startswith((b"data:", b":"))]

PLAIN_WORDS = {"400-echo", "413", "503-text", "event-error-text", "error-text"}
"""Samples whose error text redaction blanks, because it may be the model's or the user's."""


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_sample_is_decoded_alike_however_it_is_split(sample: Sample) -> None:
    check_decoder(decode, [sample])


def test_corpus_is_documented() -> None:
    readme = (HERE / "README.md").read_text()
    assert [file.name for file in FILES if f"`{file.name}`" not in readme] == []
    assert all(sample.about.endswith(".") for sample in SAMPLES)
    assert all(len(sample.body) < 1800 for sample in SAMPLES), "checks are quadratic: keep it small"
    twice = Counter((sample.name, sample.body) for sample in SAMPLES).most_common(1)
    assert twice[0][1] == 1


def told(record: Record, *, message: bool) -> dict[str, Any]:
    """All of a record but the text."""
    members = asdict(record)
    del members["events"]["text"]
    if not message:
        del members["error"]["message"]
    return members


@BY_FILE
def test_redacted_samples_decode_to_the_same_numbers(samples: Sequence[Sample]) -> None:
    for sample in samples:
        blanked = redact(sample.body)
        assert len(blanked) == len(sample.body), sample.name
        assert redact(blanked) == blanked, sample.name
        reads = range(1, len(blanked) + 1)
        before = decode(capture(sample, reads))
        after = decode(capture(replace(sample, body=blanked), reads))
        message = sample.name not in PLAIN_WORDS
        assert told(after, message=message) == told(before, message=message), sample.name


@BY_FILE
@pytest.mark.parametrize("step", [1, 17])
def test_redaction_piece_by_piece_equals_that_of_the_whole(
    samples: Sequence[Sample], step: int
) -> None:
    for sample in samples:
        out, start = b"", 0
        for size in range(0, len(sample.body), step):
            end = safe_prefix(bytearray(sample.body[:size]), start)
            assert start <= end <= size, sample.name
            out += redact(sample.body[start:end])
            start = end
        assert out + redact(sample.body[start:]) == redact(sample.body), sample.name


STRING = re.compile(rb'"(?:[^"\\\r\n]|\\.)*"')
INNER = re.compile(rb'"bytes":\s*"([^"]*)"')


def planted(body: bytes) -> Iterator[bytes]:
    """The body with another word in place of each of its strings in turn, keys among them."""
    if not body.startswith(b"\0"):
        for found in STRING.finditer(body):
            yield body[: found.start()] + b'"zebra"' + body[found.end() :]
        return
    sent = list(frames(body, array("Q", [len(body)])))
    for place, one in enumerate(sent):
        if one.damage is None:
            for payload in within(one.payload, planted):
                changed = [*sent[:place], one._replace(payload=payload), *sent[place + 1 :]]
                yield b"".join(frame(each.headers, each.payload) for each in changed)


def within(payload: bytes, change: Callable[[bytes], Iterator[bytes]]) -> Iterator[bytes]:
    """What becomes of a frame's payload, or of the event in base64 within it."""
    if (found := INNER.search(payload)) is None:
        yield from change(payload)
        return
    try:
        event = b64decode(found[1], validate=True)
    except ValueError:
        return
    for changed in change(event):
        yield payload[: found.start(1)] + b64encode(changed) + payload[found.end(1) :]


def laid_open(body: bytes) -> bytes:
    """All that can be read in a body."""
    read = body
    for one in frames(body, array("Q", [len(body)])) if body.startswith(b"\0") else ():
        read += one.payload + b"".join(b64decode(inner) for inner in INNER.findall(one.payload))
    return read


@BY_FILE
def test_no_word_of_an_answer_is_left(samples: Sequence[Sample]) -> None:
    """Wherever a word in a body is a word of the answer, it goes."""
    for sample in samples:
        said = 0
        for body in planted(sample.body):
            record = decode(capture(replace(sample, body=body), (len(body),)))
            if "zebra" in "".join(record.events.text):
                said += 1
                assert b"zebra" not in laid_open(redact(body)), sample.name
                assert b"zebr" not in redact(body[: body.rfind(b"zebra") + 4]), sample.name
        assert said or not sample.events, sample.name


@given(st.binary(max_size=200), st.booleans(), st.sampled_from([200, 204, 302, 404, 500]))
def test_noise_is_decoded_without_an_exception(body: bytes, complete: bool, status: int) -> None:
    sample = Sample("noise", body, status=status)
    record = decode(capture(sample, (len(body) // 2, len(body)), complete=complete))
    assert (record.error is None) == (record.status is Status.OK)


@given(st.data())
def test_damaged_streams_are_decoded_without_an_exception(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(STREAMS))
    body = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    whole = bytes(body)
    record = decode(capture(replace(sample, body=whole), (len(whole),)))
    assert (record.error is None) == (record.status is Status.OK)
    assert len(redact(whole)) == len(whole)


NAMED = {sample.name: sample for sample in SAMPLES if sample.provider == "openai"}
GOOD = [NAMED[name] for name in ("plain", "usage-and-no-done", "comments")]


def fails(decoder: Any, what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        check_decoder(decoder, GOOD)


def test_check_finds_a_decoder_that_takes_a_cut_answer_for_a_whole_one() -> None:
    def trusting(timeline: Timeline) -> Record:
        record = decode(timeline)
        record.status, record.error = Status.OK, None
        return record

    fails(trusting, "plain, cut at 0: .*'failed'.* was expected")


def test_check_finds_a_decoder_that_fails_a_whole_answer() -> None:
    def strict(timeline: Timeline) -> Record:
        record = decode(timeline)
        if not timeline.complete:
            record.status = Status.FAILED
            record.error = RequestError(ErrorKind.NETWORK, Stage.STREAM, "cut")
        return record

    fails(strict, r"plain, cut at \d+: .*'ok'.* was expected")


def test_check_finds_events_of_the_wrong_read() -> None:
    def early(timeline: Timeline) -> Record:
        record = decode(timeline)
        if 1 < len(timeline.at) < 10:
            record.events.read = type(record.events.read)("q", [0] * len(record.events))
        return record

    def unstamped(timeline: Timeline) -> Record:
        record = decode(timeline)
        record.events.at_ns = type(record.events.at_ns)("q", [1] * len(record.events))
        return record

    fails(early, "split at 1: reads")
    fails(unstamped, "byte by byte")


def test_check_finds_wrong_text_counts_and_messages() -> None:
    def cased(timeline: Timeline) -> Record:
        record = decode(timeline)
        record.events.text = [text.upper() for text in record.events.text]
        return record

    def short(timeline: Timeline) -> Record:
        record = decode(timeline)
        record.events.text = record.events.text[1:]
        return record

    fails(cased, "'HI'")
    fails(short, "columns of unequal length")
    silent = Sample("silent", b"", outcome=Status.FAILED, error=("protocol", "decode"), says="nope")
    with pytest.raises(AssertionError, match="silent, byte by byte: it says 'the answer was empty"):
        check_decoder(decode, [silent])
    with pytest.raises(AssertionError, match=r"where .*'usage': {'output': 3}"):
        check_decoder(decode, [replace(GOOD[0], usage={"output": 3})])
