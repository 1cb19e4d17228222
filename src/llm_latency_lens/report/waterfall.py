"""One request drawn: where its time went, and the rhythm of its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TextIO

from msgspec import UNSET

from ..metrics.result import Result, Stalls
from ..metrics.whereabouts import Whereabouts, whereabouts
from ..pricing import dollars
from ..record import Record, RequestError, Status
from .figures import count, milliseconds, places, short
from .page import Page
from .strip import bar, strip

_LABEL = 14
_TIME = 12
_MS = 1e6
_COLORS = {
    "dns": "blue",
    "connect": "blue",
    "tls": "blue",
    "wait": "yellow",
    "answer": "green",
    "= server": "dim",
    "+ network": "dim",
}
_STATUS_STYLES = {Status.OK: "green", Status.FAILED: "bold red", Status.CANCELLED: "yellow"}
_MAY_TAKE_NO_TIME = ("first token", "reasoning", "end")

Phase = tuple[str, int, int]
"""A name, and when it began and ended, in nanoseconds after the start."""


def waterfall(record: Record, result: Result, out: TextIO, *, color: bool = True) -> None:
    """Print one request for a person; `result` is what its run came to."""
    page = Page(out, color=color)
    page.line(
        (f"{record.provider}/{record.model}", "bold"),
        "  ",
        (record.status.value, _STATUS_STYLES[record.status]),
        f" · {told}" if (told := heading(record)) else "",
    )
    page.line()
    if bars := list(phases(record)):
        _bars(page, bars, list(shares(record)))
        _gaps(page, record)
        page.line()
    for label, words in request_facts(record, result):
        page.paragraph((label, "cyan"), words, indent=_LABEL)
    if record.error is not None:
        page.paragraph(("error", "bold red"), failure(record.error), indent=_LABEL)


def failure(error: RequestError) -> str:
    """Why a request failed, in one line."""
    status = "" if error.http_status is None else str(error.http_status)
    told = (error.kind, status, error.provider_code or "", f"({error.stage})")
    return f"{' '.join(filter(None, told))}: {error.message}"


def phases(record: Record) -> Iterator[Phase]:
    """What happened one after the other. The connection's set-up lies before the start, at 0."""
    connection = record.connection
    if not connection.reused:
        setup = (
            ("dns", connection.dns_ns),
            ("connect", connection.connect_ns),
            ("tls", connection.tls_ns),
        )
        begin = -sum(length or 0 for _, length in setup)
        for name, length in setup:
            if length is not None:
                yield name, begin, begin + length
                begin += length
    start = record.start_ns
    if start is None:
        return
    marks = [
        ("send", record.sent_ns),
        ("wait", record.first_byte_ns),
        ("first token", record.first_token_ns),
        ("reasoning", record.first_answer_ns),
        ("answer", record.last_token_ns),
        ("end", record.end_ns),
    ]
    before = start
    for name, mark in marks:
        if mark is None or (mark <= before and name in _MAY_TAKE_NO_TIME):
            continue
        # An early answer can come before the last byte was sent.
        yield name, before - start, max(mark, before) - start
        before = max(mark, before)


def shares(record: Record) -> Iterator[Phase]:
    """The server's part and the rest of the time that it accounts for, one behind the other: how
    long they are is known, how they lie within that time is not."""
    found = whereabouts(record)
    if found is None or found.network_ms is None:
        return
    server, network = round(found.server_ms * _MS), round(found.network_ms * _MS)
    yield "= server", 0, server
    yield "+ network", server, server + network


def heading(record: Record) -> str:
    """How it ended and how long it took."""
    parts = [f"finished by {record.finish_reason}"] if record.finish_reason else []
    for name, value in (("TTFT", record.ttft_ns), ("E2E", record.e2e_ns)):
        if value is not None:
            parts.append(f"{name} {milliseconds(value / _MS)}")
    return " · ".join(parts)


def _bars(page: Page, drawn: list[Phase], shared: list[Phase]) -> None:
    if not drawn:
        return
    begin, end = drawn[0][1], drawn[-1][2]
    width = page.width - _LABEL - _TIME - 2
    for name, first, last in drawn + shared:
        time_ms = (last - first) / _MS
        page.line(
            (name.ljust(_LABEL), "cyan"),
            (f"{time_ms:,.{places(time_ms)}f} ms".rjust(_TIME), "bold"),
            "  ",
            (bar(first - begin, last - first, end - begin, width), _COLORS.get(name, "magenta")),
        )


def _gaps(page: Page, record: Record) -> None:
    gaps = [gap / _MS for gap in record.events.gaps_ns()]
    if not any(gaps):
        return
    drawn = strip(gaps, page.width - _LABEL)
    columns = (
        (char, "red" if i in drawn.over else "green") for i, char in enumerate(drawn.columns)
    )
    page.line()
    page.line(("gaps".ljust(_LABEL), "cyan"), *columns)
    ordered = sorted(gaps)
    p99 = ordered[round(0.99 * (len(ordered) - 1))]
    told = [
        count(len(gaps), "gap")
        + (f", {drawn.per_column} a column" if drawn.per_column > 1 else ""),
        f"p50 {milliseconds(median(gaps))}",
        f"p99 {milliseconds(p99)}",
        f"max {milliseconds(ordered[-1])}",
        f"█ is {milliseconds(drawn.top)}{' or more' if drawn.over else ''}",
    ]
    page.paragraph("", ", ".join(told), indent=_LABEL, style="dim")


def request_facts(record: Record, result: Result) -> Iterator[tuple[str, str]]:
    """What is known of a request besides its phases, as labels and words."""
    if record.events.gaps_ns():
        yield "stalls", _stalls(record, result.stalls)
    if result.pseudo_streaming.requests:
        yield "streaming", "in name only: the answer was held back and came in bursts"
    if len(record.events) or record.usage.output is not None:
        yield "tokens", _tokens(record)
    if record.cost_usd is not None:
        yield "cost", f"{dollars(record.cost_usd)} by {record.cost_source}"
    elif result.cost.note:
        yield "cost", result.cost.note
    if record.tpot_ns:
        speed = short(1e9 / record.tpot_ns)
        yield "speed", f"{speed} tokens a second (TPOT {milliseconds(record.tpot_ns / _MS)})"
    if result.run.measured_by is UNSET:  # other programs do not say
        yield "connection", _connection(record)
    if record.hints_ms:
        hints = (f"{name} {milliseconds(value)}" for name, value in record.hints_ms.items())
        yield "server says", ", ".join(hints)
    if found := whereabouts(record):
        yield "where", _where(found)
    if record.first_byte_ns is not None:  # of other programs neither
        yield "stamps", _stamps(record)


def _where(found: Whereabouts) -> str:
    mark = found.until.replace("_", " ")
    told = f"the server counts {milliseconds(found.server_ms)} up to the {mark}"
    if found.network_ms is None:
        return f"{told} ({found.server_source}), which is longer than it took: no network time"
    rest = f"network, and what the server leaves out, {milliseconds(found.network_ms)}"
    return f"{told} ({found.server_source}); {rest}"


def _stalls(record: Record, limits: Stalls) -> str:
    gaps = record.events.gaps_ns()
    limit = max(limits.threshold_ms * _MS, limits.threshold_factor * median(gaps))
    long = [(gap, n) for n, gap in enumerate(gaps, 1) if gap > limit]
    if not long:
        return f"none above {milliseconds(limit / _MS)}"
    told = [f"{milliseconds(gap / _MS)} after event {n}" for gap, n in sorted(long)[:-6:-1]]
    more = f" and {len(long) - 5} more" if len(long) > 5 else ""
    return f"{len(long)}: {', '.join(told)}{more}"


def _tokens(record: Record) -> str:
    usage, events = record.usage, record.events.count
    with_content = [] if events is None else [f"{count(events, 'event')} with content"]
    if usage.output is None:
        return "; ".join(["unknown: no usage was reported", *with_content])
    told = [f"{usage.output:,} out"]
    if usage.reasoning:
        told[0] += f" ({usage.reasoning:,} of them reasoning)"
    if usage.input is not None:
        cached = f" ({usage.cached_input:,} from a cache)" if usage.cached_input else ""
        told.append(f"{usage.input:,} in{cached}")
    told += with_content
    by = "the tokenizer" if record.tokens_source == "tokenizer" else "the server"
    return f"{', '.join(told)}; counted by {by}"


def _connection(record: Record) -> str:
    connection = record.connection
    told = ["reused" if connection.reused else "new"]
    resumed = " (session resumed)" if connection.tls_resumed else ""
    tls = connection.tls_version and connection.tls_version + resumed
    told += filter(None, (connection.address, tls))
    if connection.http_version:
        told.append(f"HTTP/{connection.http_version.removeprefix('HTTP/')}")
    if connection.rtt_us:
        told.append(f"round trip {milliseconds(connection.rtt_us / 1000)}")
    return ", ".join(told)


def _stamps(record: Record) -> str:
    by = "by the kernel" if record.clock_source == "kernel" else "by this program, not the kernel"
    told = [by, f"read at most {milliseconds(record.read_lag_ns_max / _MS)} later"]
    if record.merged_events:
        told.append(f"{count(record.merged_events, 'event')} merged")
    return ", ".join(told)
