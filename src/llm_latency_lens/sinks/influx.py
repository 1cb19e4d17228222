"""InfluxDB line protocol: one point for each attempt at a request, stamped with its start.

    latency_lens_request,model=m,provider=openai,status=ok,... ttft_ms=201.4,... 1700000000000000000

Names and units are those of the JSON lines. Whole numbers are integers (`1i`), all else floats,
written so that they read back as the same double.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import BinaryIO

from ..metrics.stalls import stalls_of
from ..record import Record
from .exported import Exported
from .moments import Moments

MEASUREMENT = "latency_lens_request"

Value = str | int | float | bool
_KEPT = 100_000

_NAME = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT = str.maketrans({"\\": "\\\\", '"': '\\"'})
_BREAKS = str.maketrans(dict.fromkeys("\n\r\t\0", " "))


def line(measurement: str, tags: dict[str, str], fields: dict[str, Value], unix_ns: int) -> str:
    """One point. Tags without a value are left out, and so is what no line can hold: line breaks
    become blanks, and a tag's trailing backslash, which would escape what follows, goes."""
    words = [_plain(measurement).replace(",", "\\,").replace(" ", "\\ ")]
    kept = ((_tag(name), _tag(tags[name])) for name in sorted(tags))
    words += [f"{name}={value}" for name, value in kept if value]
    values = ",".join(f"{_tag(name)}={_value(value)}" for name, value in fields.items())
    return f"{','.join(words)} {values} {unix_ns}"


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode().translate(_BREAKS)


@lru_cache(4096)
def _tag(text: str) -> str:
    return _plain(text).rstrip("\\").translate(_NAME)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return f'"{_plain(value).translate(_TEXT)}"'


class Points:
    """Turns the records of one run into lines. Points of one series never share a stamp, which
    would make them one: the later is moved on by a nanosecond."""

    def __init__(self, run_id: str, began_unix_ns: int) -> None:
        self._run_id = run_id
        self._moments = Moments(began_unix_ns)
        self._taken: set[tuple[tuple[str, ...], int]] = set()
        self._order: deque[tuple[tuple[str, ...], int]] = deque()

    def line(self, record: Record) -> str:
        tags = tags_of(record, self._run_id)
        moment = self._free(tuple(tags.values()), self._moments.start(record))
        return line(MEASUREMENT, tags, fields_of(record), moment)

    def _free(self, series: tuple[str, ...], unix_ns: int) -> int:
        while (series, unix_ns) in self._taken:
            unix_ns += 1
        self._taken.add((series, unix_ns))
        self._order.append((series, unix_ns))
        if len(self._order) > _KEPT:
            self._taken.discard(self._order.popleft())
        return unix_ns


def tags_of(record: Record, run_id: str) -> dict[str, str]:
    """What points are grouped by; an empty one is left out of the line."""
    error = record.error
    return {
        "run": run_id,
        "provider": record.provider,
        "model": record.model,
        "operation": record.operation.value,
        "arm": record.arm or "",
        "tag": record.tag or "",
        "status": record.status.value,
        "error_kind": error.kind.value if error else "",
        "error_stage": error.stage.value if error else "",
        "attempt": str(record.attempt),
        "warmup": "true" if record.warmup else "false",
        "clock_source": record.clock_source,
    }


def fields_of(record: Record) -> dict[str, Value]:
    """What was measured; what is unknown is left out."""
    gaps_ns = record.events.gaps_ns()
    connection, usage = record.connection, record.usage
    times_ns: dict[str, float | None] = {
        "ttft": record.ttft_ns,
        "answer": record.answer_ns,
        "tpot": record.tpot_ns,
        "e2e": record.e2e_ns,
        "ttfb": record.ttfb_ns,
        "cold_ttft": record.cold_ttft_ns,
        "send_lag": record.send_lag_ns,
        "corrected_ttft": record.corrected_ttft_ns,
        "corrected_e2e": record.corrected_e2e_ns,
        "itl_max": max(gaps_ns, default=None),
        "dns": connection.dns_ns,
        "connect": connection.connect_ns,
        "tls": connection.tls_ns,
    }
    found: dict[str, Value | None] = {
        "index": record.index,
        "id": record.id,
        **{f"{name}_ms": None if ns is None else ns / 1e6 for name, ns in times_ns.items()},
        "events": record.events.count,
        "stalls": len(stalls_of(gaps_ns)),
        "merged_events": record.merged_events,
        "read_lag_us_max": record.read_lag_ns_max / 1e3,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "cached_input_tokens": usage.cached_input,
        "cost_usd": None if record.cost_usd is None else float(record.cost_usd),
        "finish_reason": record.finish_reason,
        "http_status": record.error.http_status if record.error else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def write(exported: Exported, file: BinaryIO) -> None:
    """A line for each attempt."""
    context = exported.context
    points = Points(context.id, context.started_at_unix_ns)
    for record in exported.read():
        file.write(points.line(record).encode() + b"\n")
