"""Holds a decoder to what every decoder must do, whatever its wire format.

    samples = load_samples(Path("my-format.jsonl"))
    check_decoder(my_decode, samples)

Each sample is a response body with what it must come to. `check_decoder` gives it to the decoder
whole, byte by byte, split at every byte, with rubbish behind its end, and cut off at every byte.
Wherever the network puts its borders, the answer is the same; each event belongs to the read that
completed it; a cut answer is a failed request with its stage and with the events that did arrive,
and is never taken for a whole one unless the stream's own end had been seen.

A file of samples holds one JSON object a line (`tests/conformance/README.md` lists the members).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from ..clock import MS_NS
from ..providers import aws_eventstream
from ..record import Decoder, Record, Status
from ..request import Operation
from ..timeline import ErrorKind, Stage, Timeline

_EVENT_STREAM = (("content-type", "text/event-stream"),)
_OF_EVENTS = {":content-type": "application/json", ":message-type": "event"}
_READ = 64
_RUBBISH = b'\n\ndata: {"choices":[{"delta":{"content":"late"}}]}\n\ndata: {\n\n\xff<'


@dataclass(frozen=True, slots=True)
class Sample:
    """A response, and what a decoder must make of it.

    `events` are (kind, text) of each content event. `error` is (kind, stage). `usage` are the four
    counts by name, `None` where it is not to be checked. `ends_at` is the length of the body from
    which on the stream's own end has been seen: cut there or later, the answer is whole.
    """

    name: str
    body: bytes
    about: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = _EVENT_STREAM
    stream: bool = True
    provider: str = "openai"
    operation: Operation = Operation.CHAT
    outcome: Status = Status.OK
    events: tuple[tuple[str, str], ...] = ()
    error: tuple[str, str] | None = None
    says: str = ""
    """A part of the error's message."""
    provider_code: str | None = None
    usage: dict[str, int | None] | None = None
    finish_reason: str | None = None
    ends_at: int | None = None


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    about: str
    source: str
    body: list[str] = []
    frames: list[tuple[dict[str, str], Any]] = []
    base64: str | None = None
    status: int = 200
    headers: dict[str, str] = msgspec.field(default_factory=lambda: dict(_EVENT_STREAM))
    stream: bool = True
    provider: str = "openai"
    operation: Operation = Operation.CHAT
    outcome: str = "ok"
    events: list[tuple[str, str]] = []
    error: tuple[str, str] | None = None
    says: str = ""
    provider_code: str | None = None
    usage: dict[str, int | None] | None = None
    finish_reason: str | None = None
    end: int | None = None


def load_samples(path: Path) -> list[Sample]:
    """The samples of one file. Raises `msgspec.DecodeError` for a line that is none."""
    rows = msgspec.json.Decoder(_Row).decode_lines(path.read_bytes())
    return [_sample(row) for row in rows]


def _sample(row: _Row) -> Sample:
    pieces = [b64decode(row.base64)] if row.base64 else [piece.encode() for piece in row.body]
    if row.frames:
        pieces = [_frame(*one) for one in row.frames]
        if row.headers == dict(_EVENT_STREAM):
            row.headers = {"content-type": aws_eventstream.CONTENT_TYPE}
    whole = b"".join(pieces)
    until = b"" if row.end is None else b"".join(pieces[: row.end])
    # A frame may well end in what looks like white space.
    own_end = None if row.end is None else len(until if row.frames else until.rstrip())
    return Sample(
        name=row.name,
        body=whole,
        about=row.about,
        status=row.status,
        headers=tuple(row.headers.items()),
        stream=row.stream,
        provider=row.provider,
        operation=row.operation,
        outcome=Status(row.outcome),
        events=tuple(row.events),
        error=row.error,
        says=row.says,
        provider_code=row.provider_code,
        usage=row.usage,
        finish_reason=row.finish_reason,
        ends_at=own_end,
    )


def _frame(headers: dict[str, str], payload: Any) -> bytes:
    """A frame of AWS's event stream. `bytes` that are no string are JSON, to be put in base64."""
    if isinstance(payload, dict) and not isinstance(payload.get("bytes", ""), str):
        inner = b64encode(msgspec.json.encode(payload["bytes"])).decode()
        payload = {**payload, "bytes": inner}
    data = payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)
    return aws_eventstream.frame({**_OF_EVENTS, **headers}, data)


def capture(sample: Sample, borders: Iterable[int], *, complete: bool = True) -> Timeline:
    """The timeline of a response whose reads ended at `borders`, one every millisecond.

    What is not complete was cut by the network after the last read.
    """
    timeline = Timeline(
        provider=sample.provider,
        model="a-model",
        stream=sample.stream,
        operation=sample.operation,
    )
    timeline.start_ns = timeline.sent_ns = 0
    timeline.status, timeline.headers = sample.status, sample.headers
    begin = 0
    for number, end in enumerate(borders, 1):
        timeline.add(number * MS_NS, sample.body[begin:end])
        begin = end
    timeline.first_byte_ns = timeline.at[0] if timeline.at else None
    timeline.closed_ns = timeline.at[-1] if timeline.at else MS_NS
    timeline.complete = complete
    if not complete:
        timeline.fail(ErrorKind.NETWORK, Stage.STREAM, "the connection was lost")
    return timeline


def check_decoder(decode: Decoder, samples: Iterable[Sample]) -> None:
    """Raises AssertionError, naming the sample and the way in which it was fed."""
    for sample in samples:
        size = len(sample.body)
        places = _check_bytes(decode, sample)
        for way, timeline in _ways(sample):
            record = _decoded(decode, timeline, sample, way)
            _check_whole(record, sample, way)
        for cut in range(1, min(size, _READ + 1)):
            _check_split(decode, sample, cut, places)
        for cut in range(size + 1):
            _check_cut(decode, sample, cut)


def _ways(sample: Sample) -> Iterator[tuple[str, Timeline]]:
    yield "whole", capture(sample, (len(sample.body),))
    if sample.ends_at is not None:
        timeline = capture(sample, (len(sample.body),))
        timeline.add(2 * MS_NS, _behind(sample))
        yield "with something behind it", timeline


def _behind(sample: Sample) -> bytes:
    """What may follow the end of an answer without changing it."""
    if sample.headers != _EVENT_STREAM:
        return b"\r\n \n"
    return _RUBBISH if b"[DONE]" in sample.body else b"\n\n: bye\n\n"


def _check_bytes(decode: Decoder, sample: Sample) -> list[int]:
    """Byte by byte; returns the place of the byte that completed each event."""
    way = "byte by byte"
    timeline = capture(sample, range(1, len(sample.body) + 1))
    record = _decoded(decode, timeline, sample, way)
    _check_whole(record, sample, way)
    places = list(record.events.read)
    _require(all(a <= b for a, b in pairwise(places)), sample, way, "events out of order")
    _same(list(record.events.at_ns), [timeline.at[place] for place in places], sample, way)
    if sample.outcome is Status.OK and sample.ends_at is not None and sample.stream:
        _require(record.end_ns is not None, sample, way, "no end")
    return places


def _check_split(decode: Decoder, sample: Sample, cut: int, places: list[int]) -> None:
    """Split at a byte and then after each `_READ` bytes: so each byte is split at in one decoding,
    and a body costs `_READ` decodings at most, not one for each of its bytes."""
    way, size = f"split at {cut}", len(sample.body)
    borders = range(cut, size, _READ)
    record = _decoded(decode, capture(sample, (*borders, size)), sample, way)
    _check_whole(record, sample, way)
    reads = [bisect_right(borders, place) for place in places]
    _same(list(record.events.read), reads, sample, f"{way}: reads")


def _check_whole(record: Record, sample: Sample, way: str) -> None:
    error = record.error
    found: dict[str, Any] = {
        "outcome": record.status,
        "events": _events(record),
        "error": (str(error.kind), str(error.stage)) if error else None,
        "finish_reason": record.finish_reason,
    }
    wanted: dict[str, Any] = {
        "outcome": sample.outcome,
        "events": sample.events,
        "error": sample.error,
        "finish_reason": sample.finish_reason,
    }
    if sample.usage is not None:
        usage = record.usage
        found["usage"] = {name: getattr(usage, name) for name in sample.usage}
        wanted["usage"] = sample.usage
    _same(found, wanted, sample, way)
    if error:
        _require(sample.says in error.message, sample, way, f"it says {error.message!r}")
        _same(error.provider_code, sample.provider_code, sample, f"{way}: code")


def _check_cut(decode: Decoder, sample: Sample, cut: int) -> None:
    way = f"cut at {cut}"
    short = capture(sample, (cut,) if cut else (), complete=False)
    record = _decoded(decode, short, sample, way)
    events = _events(record)
    _same(events, sample.events[: len(events)], sample, f"{way}: events")
    whole = sample.ends_at is not None and cut >= sample.ends_at
    if sample.outcome is Status.OK and whole:
        _same(record.status, Status.OK, sample, way)
        _same(events, sample.events, sample, f"{way}: events")
        return
    _same(record.status, Status.FAILED, sample, way)
    _require(record.error is not None, sample, way, "failed without an error")


def _decoded(decode: Decoder, timeline: Timeline, sample: Sample, way: str) -> Record:
    record = decode(timeline)
    columns = record.events
    sizes = {len(columns.at_ns), len(columns.read), len(columns.chars), len(columns.kind)}
    _require(sizes == {len(columns.text)}, sample, way, "columns of unequal length")
    _same(list(columns.chars), [len(text) for text in columns.text], sample, f"{way}: chars")
    return record


def _events(record: Record) -> tuple[tuple[str, str], ...]:
    kinds = map(str, record.events.kind)
    return tuple(zip(kinds, record.events.text, strict=True))


def _same(found: object, wanted: object, sample: Sample, way: str) -> None:
    _require(found == wanted, sample, way, f"{found!r}, where {wanted!r} was expected")


def _require(condition: bool, sample: Sample, way: str, otherwise: str) -> None:
    if not condition:
        raise AssertionError(f"{sample.name}, {way}: {otherwise}")
