"""A log of HdrHistograms, format 1.3: for each interval of time and each metric, named by its tag,
one compressed histogram.

Values are nanoseconds, kept to three significant digits; the largest of an interval is told in
milliseconds, as is usual. They are those of the result, each in the interval in which it was seen.
Facts about the format are of the Java implementation's writer and its ports: intervals hold what
the histogram's own encoding (V2) packs of its counts, deflated, in base64.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ..clock import SECOND_NS
from ..record import Record, Status
from .csv import iso
from .exported import Exported

Ints = npt.NDArray[np.int64]
_Values = Callable[[Record], float | None]

_DIGITS = 3
_HALF_BITS = 10
"""A bucket has 2 x 2^10 parts: the next power of two above 2 x 10^3."""
_HALF = 1 << _HALF_BITS
_MASK = 2 * _HALF - 1
_HOUR_NS = 3600 * SECOND_NS
_LENGTHS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 86400)
_MOST_INTERVALS = 1000

_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_HEAD = struct.Struct(">IIIIQQd")
_OUTER_HEAD = struct.Struct(">II")

# A tag ends at a comma, and its line at a break.
_UNFIT = re.compile(r"[\s,]")

_TAGS: dict[str, tuple[_Values, str]] = {
    "ttft": (lambda record: record.ttft_ns, "first_token_ns"),
    "answer": (lambda record: record.answer_ns, "first_answer_ns"),
    "tpot": (lambda record: record.tpot_ns, "last_token_ns"),
    "e2e": (lambda record: record.e2e_ns, "end_ns"),
    "ttfb": (lambda record: record.ttfb_ns, "first_byte_ns"),
    "cold_ttft": (lambda record: record.cold_ttft_ns, "first_token_ns"),
    "send_lag": (lambda record: record.send_lag_ns, "start_ns"),
    "corrected_ttft": (lambda record: record.corrected_ttft_ns, "first_token_ns"),
    "corrected_e2e": (lambda record: record.corrected_e2e_ns, "end_ns"),
}
"""One value a request, and the mark at which it was known; `itl` has one an event besides."""


class _Seen:
    """The values of one metric, and when each was seen, in Unix nanoseconds."""

    def __init__(self) -> None:
        self._at, self._values = array("q"), array("q")

    def add(self, at_ns: int, value: float) -> None:
        self._at.append(at_ns)
        self._values.append(round(value))

    def extend(self, at_ns: Iterable[int], values: Iterable[int]) -> None:
        self._at.extend(at_ns)
        self._values.extend(values)

    @property
    def at_ns(self) -> Ints:
        return np.frombuffer(self._at, np.int64)

    @property
    def values(self) -> Ints:
        return np.maximum(np.frombuffer(self._values, np.int64), 0)


def write(exported: Exported, file: BinaryIO) -> None:
    """One line for each interval and metric, the intervals in order."""
    seen = _gathered(exported.records())
    begin_ns = exported.context.started_at_unix_ns
    file.write(_opening(exported).encode())
    if not seen:
        return
    last_ns = max(int(metric.at_ns.max()) for metric in seen.values())
    highest = max(_HOUR_NS, *(int(metric.values.max()) for metric in seen.values()))
    length_s = _length_s(last_ns - begin_ns)
    lines = [
        (interval, order, _line(tag, interval * length_s, length_s, largest, packed))
        for order, (tag, metric) in enumerate(seen.items())
        for interval, largest, packed in _intervals(metric, begin_ns, length_s, highest)
    ]
    for _, _, line in sorted(lines):
        file.write(line)


def _gathered(records: Iterable[Record]) -> dict[str, _Seen]:
    """The values by their tags; an arm of an experiment has tags of its own."""
    seen: defaultdict[str, _Seen] = defaultdict(_Seen)
    for record in records:
        if record.status is not Status.OK or record.warmup or record.attempt:
            continue
        if record.start_ns is None or record.start_unix_ns is None:
            continue
        offset_ns = record.start_unix_ns - record.start_ns
        arm = "" if record.arm is None else f".{_UNFIT.sub('_', record.arm)}"
        for tag, (read, mark) in _TAGS.items():
            if (value := read(record)) is not None:
                seen[f"{tag}{arm}"].add(getattr(record, mark) + offset_ns, value)
        if gaps_ns := record.events.gaps_ns():
            at_ns = (at + offset_ns for at in record.events.at_ns[1:])
            seen[f"itl{arm}"].extend(at_ns, gaps_ns)
    return seen


def _opening(exported: Exported) -> str:
    context = exported.context
    seconds = f"{context.started_at_unix_ns / SECOND_NS:.3f}"
    return (
        f"#[Logged with latency-lens {context.tool_version}, run {context.id}]\n"
        "#[Histogram log format version 1.3]\n"
        f"#[StartTime: {seconds} (seconds since epoch), {iso(context.started_at_unix_ns)}]\n"
        f"#[BaseTime: {seconds} (seconds since epoch)]\n"
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    )


def _length_s(span_ns: int) -> int:
    """A second, or so long that there are at most a thousand intervals."""
    enough = (s for s in _LENGTHS_S if span_ns <= s * SECOND_NS * _MOST_INTERVALS)
    return next(enough, _LENGTHS_S[-1])


def _line(tag: str, begin_s: int, length_s: int, largest: int, packed: bytes) -> bytes:
    return b"Tag=%s,%.3f,%.3f,%.3f,%s\n" % (tag.encode(), begin_s, length_s, largest / 1e6, packed)


def _intervals(
    metric: _Seen, begin_ns: int, length_s: int, highest: int
) -> Iterator[tuple[int, int, bytes]]:
    """Number, largest value and packed histogram of each interval in which there was a value."""
    values = metric.values
    intervals = np.maximum(metric.at_ns - begin_ns, 0) // (length_s * SECOND_NS)
    order = np.argsort(intervals, kind="stable")
    values, intervals = values[order], intervals[order]
    numbers, begins = np.unique(intervals, return_index=True)
    for number, own in zip(numbers.tolist(), np.split(values, begins[1:]), strict=True):
        yield number, int(own.max()), encoded(own, highest)


def encoded(values: Ints, highest: int) -> bytes:
    """A histogram of the values, none above `highest`, in base64."""
    indices, counts = np.unique(_places(values), return_counts=True)
    body = _packed(indices.tolist(), counts.tolist())
    head = _HEAD.pack(_COOKIE, len(body), 0, _DIGITS, 1, highest, 1.0)
    deflated = zlib.compress(head + body)
    return base64.b64encode(_OUTER_HEAD.pack(_COMPRESSED_COOKIE, len(deflated)) + deflated)


def _places(values: Ints) -> Ints:
    """Where in the array of counts each value is counted."""
    bits = np.frexp((values | _MASK).astype(np.float64))[1].astype(np.int64)
    bucket = bits - (_HALF_BITS + 1)
    places: Ints = ((bucket + 1) << _HALF_BITS) + (values >> bucket) - _HALF
    return places


def _packed(indices: list[int], counts: list[int]) -> bytes:
    """Counts as ZigZag LEB128; a negative number stands for as many noughts."""
    out = bytearray()
    following = 0
    for index, count in zip(indices, counts, strict=True):
        if noughts := index - following:
            _put(out, -noughts if noughts > 1 else 0)
        _put(out, count)
        following = index + 1
    return bytes(out)


def _put(out: bytearray, number: int) -> None:
    rest = 2 * number if number >= 0 else -2 * number - 1
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
