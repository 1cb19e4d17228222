"""What a run of another tool comes to, in the words of this program."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..record import EventKind, Record, RequestError, Status, Usage
from ..timeline import ErrorKind, Stage

Beside = Callable[[str], bytes | None]
"""The bytes of a file in the same folder; None where there is none of that name."""

SECOND_NS = 1_000_000_000
_STATUS = re.compile(
    r"\b(?:status(?:_code)?|code|error|HTTP(?:/\d(?:\.\d)?)?)\W{0,3}([45]\d\d)\b", re.IGNORECASE
)
_BY_STATUS = {
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    408: ErrorKind.TIMEOUT,
    429: ErrorKind.RATE_LIMIT,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    529: ErrorKind.OVERLOADED,
}


@dataclass(slots=True, kw_only=True)
class Foreign:
    """One run of another tool.

    `started_at_unix_ns` is None where no file says when it was; `window_s` is the measured time as
    the tool states it, where the starts of its requests are not known. `told` is the tool's own
    summary, by metric and figure, for results that hold no requests.
    """

    tool: str
    version: str | None = None
    name: str = ""
    started_at_unix_ns: int | None = None
    window_s: float | None = None
    provider: str | None = None
    model: str | None = None
    base_url: str | None = None
    stream: bool | None = None
    concurrency: int | None = None
    rate: float | None = None
    records: list[Record] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Times:
    """When things happened in one request, in nanoseconds; `start_ns` on any clock, the others
    after it. `gaps_ns` are all gaps between events, None where the tool kept none."""

    start_ns: int
    first_ns: int | None = None
    last_ns: int | None = None
    end_ns: int | None = None
    gaps_ns: Sequence[int] | None = None


def answer(index: int, times: Times, usage: Usage, **fields: Any) -> Record:
    """A request that succeeded."""
    record = Record(
        f"{index}",
        index,
        Status.OK,
        start_ns=times.start_ns,
        end_ns=_after(times.start_ns, times.end_ns),
        usage=usage,
        tokens_source="usage" if usage.output is not None else "events",
        **fields,
    )
    if times.first_ns is None:
        return record
    at_ns = [times.start_ns + times.first_ns]
    if times.gaps_ns is not None:
        for gap_ns in times.gaps_ns:
            at_ns.append(at_ns[-1] + gap_ns)
    else:
        record.events.partial = True
        if times.last_ns is not None and times.last_ns > times.first_ns:
            at_ns.append(times.start_ns + times.last_ns)
    for read, at in enumerate(at_ns):
        record.events.add(at, read, EventKind.TEXT, "")
    return record


def failure(index: int, start_ns: int, end_ns: int | None, told: object, **fields: Any) -> Record:
    """A request that failed. What was told may quote anything: only the kind of failure is kept,
    as far as it can be seen."""
    record = Record(f"{index}", index, Status.FAILED, start_ns=start_ns, end_ns=end_ns, **fields)
    record.error = _error(told)
    return record


def nanoseconds(seconds: object) -> int | None:
    """A length or a moment in seconds; None for None and for what is no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return round(seconds * SECOND_NS) if math.isfinite(seconds) else None


def count(value: object) -> int | None:
    """A number of tokens; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(value)


def number(value: object) -> float | None:
    """A finite number; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def name(value: object) -> str | None:
    """A text that is not empty; None for what is none."""
    return value if isinstance(value, str) and value else None


def _after(start_ns: int, length_ns: int | None) -> int | None:
    return None if length_ns is None else start_ns + length_ns


def _error(told: object) -> RequestError | None:
    text = str(told)
    status = told if isinstance(told, int) else None
    if status is None and (found := _STATUS.search(text)):
        status = int(found[1])
    if status is not None and 400 <= status < 600:
        kind = _BY_STATUS.get(status, ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST)
        return RequestError(kind, Stage.WAIT, f"HTTP {status}", http_status=status)
    lowered = text.lower()
    if "timeout" in lowered or "timed out" in lowered:
        return RequestError(ErrorKind.TIMEOUT, Stage.WAIT, "it timed out")
    if "connect" in lowered or "disconnected" in lowered or "refused" in lowered:
        return RequestError(ErrorKind.NETWORK, Stage.WAIT, "the connection failed")
    return None
