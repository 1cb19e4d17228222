"""StatsD lines, plain or with Datadog's tags.

Plain StatsD has no tags: provider and model stand in the name. Times are milliseconds: timers
there, distributions for Datadog, where the values of one request share a line. A line is never
longer than a datagram may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from ..metrics.stalls import stalls_of
from ..record import Record, Status
from .exported import Exported

DATAGRAM = 1432
"""Bytes that pass an Ethernet in one piece, whatever tunnels add."""

_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_TAG = re.compile(r"[,|#\s]+")

Lines = Callable[[Record], Iterator[str]]


def statsd_lines(record: Record) -> Iterator[str]:
    """The lines of one record."""
    parts = [_NAME.sub("_", part) or "_" for part in (record.provider, record.model)]
    if record.arm:
        parts.insert(0, _NAME.sub("_", record.arm))
    prefix = f"latency_lens.{'.'.join(parts)}"
    for name, values in times(record):
        for value in values:
            yield f"{prefix}.{name}:{value!r}|ms"
    for name, own, count in counts(record):
        yield f"{'.'.join((prefix, name, *own.values()))}:{count!r}|c"


def dogstatsd_lines(record: Record) -> Iterator[str]:
    """The lines of one record, for a Datadog agent of version 7.25 or later."""
    shared = {"provider": record.provider, "model": record.model, "arm": record.arm or ""}
    for name, values in times(record):
        yield from _packed(f"latency_lens.{name}", values, f"|d{_tags(shared)}")
    for name, own, count in counts(record):
        yield f"latency_lens.{name}:{count!r}|c{_tags({**shared, **own})}"


def times(record: Record) -> Iterator[tuple[str, list[float]]]:
    """Milliseconds by name, of a measured request that succeeded at its first attempt."""
    if record.warmup or record.attempt or record.status is not Status.OK:
        return
    read: dict[str, Iterable[float | None]] = {
        "ttft": (record.ttft_ns,),
        "itl": record.events.gaps_ns(),
        "tpot": (record.tpot_ns,),
        "e2e": (record.e2e_ns,),
        "ttfb": (record.ttfb_ns,),
        "connect": (record.connection_ns,),
    }
    for name, values in read.items():
        if known := [value / 1e6 for value in values if value is not None]:
            yield name, known


def counts(record: Record) -> Iterator[tuple[str, dict[str, str], int | float]]:
    """(name, labels, count) of one record."""
    if record.cost_usd is not None:
        yield "cost_usd", {}, float(record.cost_usd)
    if record.warmup:
        yield "warmup_requests", {}, 1
        return
    if record.attempt:
        yield "retries", {"status": record.status.value}, 1
        return
    yield "requests", {"status": record.status.value}, 1
    if record.status is Status.FAILED and record.error:
        error = record.error
        yield "errors", {"kind": error.kind.value, "stage": error.stage.value}, 1
    if record.status is Status.OK:
        usage = record.usage
        for kind in ("input", "output", "reasoning", "cached_input"):
            if (tokens := getattr(usage, kind)) is not None:
                yield "tokens", {"type": kind}, tokens
        if stalls := len(stalls_of(record.events.gaps_ns())):
            yield "stalls", {}, stalls


def _tags(tags: dict[str, str]) -> str:
    known = ",".join(f"{name}:{_TAG.sub('_', value)}" for name, value in tags.items() if value)
    return f"|#{known}" if known else ""


def _packed(name: str, values: list[float], ending: str) -> Iterator[str]:
    held = name
    for value in values:
        text = f":{value!r}"
        if held != name and len((held + text + ending).encode()) > DATAGRAM:
            yield held + ending
            held = name
        held += text
    yield held + ending


def datagrams(lines: Iterable[str], size: int = DATAGRAM) -> Iterator[bytes]:
    """Lines joined so that each datagram has at most `size` bytes, and none is cut."""
    held = b""
    for text in lines:
        line = text.encode("utf-8", "replace")
        if held and len(held) + 1 + len(line) > size:
            yield held
            held = b""
        held = held + b"\n" + line if held else line
    if held:
        yield held


def write(exported: Exported, file: BinaryIO) -> None:
    """Plain lines, one metric each."""
    for record in exported.read():
        for text in statsd_lines(record):
            file.write(text.encode("utf-8", "replace") + b"\n")
