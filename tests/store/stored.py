"""Timelines to be stored, and what must come back."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from llm_latency_lens.store.frames import HEADER, close_frame, open_frame, read_frames, reads_frame
from llm_latency_lens.timeline import Connection, ErrorKind, Failure, Stage, Timeline

TORN = "the file of timelines: it ends in the middle of a frame, and this torn tail is left out"

_NS = st.integers(-(2**62), 2**62)
_MAYBE_NS = st.none() | _NS
_TEXT = st.text(max_size=12)
_MAYBE_TEXT = st.none() | _TEXT

_CONNECTIONS = st.builds(
    Connection,
    reused=st.booleans(),
    dns_ns=_MAYBE_NS,
    connect_ns=_MAYBE_NS,
    tls_ns=_MAYBE_NS,
    tls_version=_MAYBE_TEXT,
    http_version=_MAYBE_TEXT,
    rtt_us=st.none() | st.integers(0, 2**31),
    address=_MAYBE_TEXT,
)
_FAILURES = st.builds(Failure, st.sampled_from(ErrorKind), st.sampled_from(Stage), _TEXT)
_READS = st.lists(st.tuples(_NS, st.binary(min_size=1, max_size=9), _NS), max_size=6)


@st.composite
def timelines(draw: st.DrawFn, index: int | None = None) -> Timeline:
    timeline = Timeline(
        index=draw(st.integers(0, 2**40)) if index is None else index,
        id=draw(_TEXT),
        attempt=draw(st.integers(0, 255)),
        provider=draw(_TEXT),
        model=draw(_TEXT),
        stream=draw(st.booleans()),
        max_tokens=draw(st.none() | st.integers(0, 2**31)),
        tag=draw(_MAYBE_TEXT),
        warmup=draw(st.booleans()),
        planned_ns=draw(_MAYBE_NS),
    )
    for name in ("start_ns", "sent_ns", "first_byte_ns", "closed_ns"):
        setattr(timeline, name, draw(_MAYBE_NS))
    timeline.offset_ns, timeline.offset_end_ns = draw(_NS), draw(_NS)
    timeline.clock_source = draw(st.sampled_from(("kernel", "user")))
    timeline.status = draw(st.none() | st.integers(100, 599))
    timeline.headers = tuple(draw(st.lists(st.tuples(_TEXT, _TEXT), max_size=3)))
    timeline.complete = draw(st.booleans())
    timeline.connection = draw(_CONNECTIONS)
    timeline.failure = draw(st.none() | _FAILURES)
    for at_ns, data, lag_ns in draw(_READS):
        timeline.add(at_ns, data, lag_ns)
    return timeline


def everything(timeline: Timeline) -> dict[str, Any]:
    """All that a timeline holds, to be compared."""
    return {name: getattr(timeline, name) for name in Timeline.__slots__}


def frames(timeline: Timeline, cuts: Iterable[int] = ()) -> list[bytes]:
    """The frames of one request, its reads written in groups that end at `cuts`."""
    made = [open_frame(timeline)]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(timeline.at)), len(timeline.at)]
    for first, end in itertools.pairwise(bounds):
        if first == end:
            continue
        part = Timeline(index=timeline.index, attempt=timeline.attempt)
        part.at, part.lag = timeline.at[:end], timeline.lag[:end]
        part.ends, part.body = timeline.ends[:end], timeline.body
        begin = timeline.ends[first - 1] if first else 0
        made.append(reads_frame(part, first, begin, bytes(part.body[begin : part.ends[-1]])))
    return [*made, close_frame(timeline)]


def read(data: bytes) -> tuple[list[Timeline], list[str]]:
    """The timelines in a file, and what was warned of."""
    warnings: list[str] = []
    return list(read_frames(io.BytesIO(data), warnings.append)), warnings


def example(index: int, reads: int = 4) -> Timeline:
    timeline = Timeline(index=index, id=f"run-{index}", model="ORC", planned_ns=index * 1000)
    timeline.start_ns, timeline.sent_ns, timeline.first_byte_ns = 10, 11, 12
    for number in range(reads):
        timeline.add(20 + number, b"data: %d-%d\n\n" % (index, number), number)
    timeline.closed_ns, timeline.complete, timeline.status = 99, True, 200
    timeline.headers = (("content-type", "text/event-stream"),)
    return timeline


def interleaved(*timelines: Timeline) -> list[tuple[int, bytes]]:
    """(index, frame) of several requests, dealt in turn as a heartbeat would write them."""
    columns = [
        [(timeline.index, frame) for frame in frames(timeline, range(10))] for timeline in timelines
    ]
    dealt: list[tuple[int, bytes]] = []
    while any(columns):
        dealt += [column.pop(0) for column in columns if column]
    return dealt


def joined(dealt: Iterable[tuple[int, bytes]]) -> bytes:
    return HEADER + b"".join(frame for _, frame in dealt)


def answered(index: int, words: str = "one two") -> Timeline:
    """What OpenAI's format looks like; without usage, so that the tokens are not counted."""
    timeline = Timeline(index=index, id=f"r-{index}", model="m")
    timeline.start_ns, timeline.sent_ns, timeline.first_byte_ns = 100, 110, 120
    timeline.status, timeline.complete, timeline.closed_ns = 200, True, 900
    timeline.headers = (("content-type", "text/event-stream"),)
    for number, word in enumerate(words.split()):
        event = {"choices": [{"index": 0, "delta": {"content": word}}]}
        timeline.add(200 + number, f"data: {json.dumps(event)}\n\n".encode())
    timeline.add(800, b"data: [DONE]\n\n")
    return timeline
