"""Records, taken apart into columns of plain numbers while they come in.

Nothing is computed here and no record is kept: 100,000 answers of 64 events are 70 MB of arrays
instead of some gigabytes of objects. The numbers are those of the record's own properties, so that
each term is defined in one place.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..record import Events, Record, RequestError, Status
from ..request import Operation
from .cost import CostSum
from .rate_limits import LimitSum
from .whereabouts import whereabouts

UNKNOWN = -(1 << 63)
"""Stands for None in columns of integers."""
NAN = float("nan")

ROW = ("planned_ns", "start_ns", "first_token_ns", "end_ns", "setup_ns", "ok")
ANSWER = ("start_ns", "index", "ttft_ns", "events", "merged", "tokens", "chars", "streamed")


def _ms(duration_ns: float | None) -> float:
    return NAN if duration_ns is None else duration_ns / 1e6


def _read_lag_us(record: Record) -> float:
    return record.read_lag_ns_max / 1e3 if record.clock_source == "kernel" else NAN


def _rtt_ms(record: Record) -> float:
    rtt_us = record.connection.rtt_us
    return NAN if rtt_us is None else rtt_us / 1e3


def _server_ms(record: Record) -> float:
    found = whereabouts(record)
    return NAN if found is None else found.server_ms


def _network_ms(record: Record) -> float:
    found = whereabouts(record)
    return NAN if found is None or found.network_ms is None else found.network_ms


def _tokens_per_second(record: Record) -> float:
    tpot_ns = record.tpot_ns
    return 1e9 / tpot_ns if tpot_ns else NAN


def _characters_per_second(record: Record) -> float:
    """Of the events behind the first, which came in the time between the first and the last."""
    first, last = record.first_token_ns, record.last_token_ns
    if first is None or last is None or last <= first:
        return NAN
    # An event carries at least one character: their number is unknown where it is 0.
    return sum(record.events.chars[1:]) * 1e9 / (last - first) or NAN


def _tokens_per_event(record: Record) -> float:
    ratio = record.tokens_per_event
    return NAN if ratio is None else ratio


FIGURES: dict[str, Callable[[Record], float]] = {
    "ttft_ms": lambda record: _ms(record.ttft_ns),
    "tpot_ms": lambda record: _ms(record.tpot_ns),
    "e2e_ms": lambda record: _ms(record.e2e_ns),
    "ttfb_ms": lambda record: _ms(record.ttfb_ns),
    "answer_ms": lambda record: _ms(record.answer_ns),
    "dns_ms": lambda record: _ms(record.connection.dns_ns),
    "connect_ms": lambda record: _ms(record.connection.connect_ns),
    "tls_ms": lambda record: _ms(record.connection.tls_ns),
    "rtt_ms": _rtt_ms,
    "server_ms": _server_ms,
    "network_ms": _network_ms,
    "cold_ttft_ms": lambda record: _ms(record.cold_ttft_ns),
    "send_lag_ms": lambda record: _ms(record.send_lag_ns),
    "corrected_ttft_ms": lambda record: _ms(record.corrected_ttft_ns),
    "corrected_e2e_ms": lambda record: _ms(record.corrected_e2e_ns),
    "read_lag_us": _read_lag_us,
    "output_tokens_per_second": _tokens_per_second,
    "characters_per_second": _characters_per_second,
    "tokens_per_event": _tokens_per_event,
}
"""One value a request, NaN where the request has none."""
OF_OPEN_LOOP = frozenset({"send_lag_ms", "corrected_ttft_ms", "corrected_e2e_ms"})

_READ_FIGURES = tuple(FIGURES.values())


@dataclass(slots=True)
class TokenSum:
    """One kind of token over all answers; `total` is None as long as nobody has said any."""

    total: int | None = None
    unknown: int = 0

    def add(self, count: int | None) -> None:
        if count is None:
            self.unknown += 1
        else:
            self.total = count + (self.total or 0)


@dataclass(slots=True)
class Lengths:
    """How long the answers were beside what was asked for."""

    asked: int = 0
    """Answers to requests that named a limit and whose length is known."""
    shorter: int = 0
    """Of these, answers that ended before the limit."""
    longer: int = 0
    """Of these, answers that went past it by more than one token."""
    empty: int = 0
    """Answers without any content event."""

    def add(self, record: Record, limit: int | None) -> None:
        self.empty += not len(record.events)
        output = record.usage.output
        if limit is None or output is None:
            return
        self.asked += 1
        self.shorter += output < limit and record.finish_reason != "length"
        self.longer += output > limit + 1


@dataclass(slots=True)
class Columns:
    """Everything that a result needs of its records, grown by `add`."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    """One `ROW` for each first attempt of a measured request."""
    answers: array[int] = field(default_factory=lambda: array("q"))
    """One `ANSWER` for each of them that succeeded."""
    figures: array[float] = field(default_factory=lambda: array("d"))
    """`FIGURES` of each answer."""
    gaps_ns: array[int] = field(default_factory=lambda: array("q"))
    """Gaps of all answers, one answer after the other."""
    statuses: Counter[Status] = field(default_factory=Counter)
    retries: Counter[Status] = field(default_factory=Counter)
    recovered: set[int] = field(default_factory=set)
    """Indices of requests of which a later attempt succeeded."""
    errors: Counter[RequestError] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    """Clock source of each request that was answered at all."""
    stale_connections: int = 0
    token_sources: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, TokenSum] = field(
        default_factory=lambda: {
            name: TokenSum() for name in ("input", "output", "reasoning", "cached_input")
        }
    )
    lengths: Lengths = field(default_factory=Lengths)
    cost: CostSum = field(default_factory=CostSum)
    rate_limits: LimitSum = field(default_factory=LimitSum)
    accounts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By which hints, and up to which mark, servers accounted for their time."""
    warmup: int = 0
    all_events: int = 0
    """Content events of all records, the warm-up's and the retries' too."""
    late_events: int = 0
    coalesced_events: int = 0
    clock_step_ns: int = 0
    """The largest step under a measured request, with its sign."""

    def add(self, record: Record) -> None:
        self.all_events += _whole(record.events)
        self.cost.add(record)
        self.rate_limits.add(record)
        if record.warmup:
            self.warmup += 1
        elif record.attempt:
            self.retries[record.status] += 1
            if record.status is Status.OK:
                self.recovered.add(record.index)
        else:
            self._add_measured(record)

    def _add_measured(self, record: Record) -> None:
        ok = record.status is Status.OK
        self.statuses[record.status] += 1
        self.stale_connections += record.connection.resent
        for mark_ns in (
            record.planned_ns,
            record.start_ns,
            record.first_token_ns,
            record.end_ns,
            record.connection_ns,
        ):
            self.rows.append(UNKNOWN if mark_ns is None else mark_ns)
        self.rows.append(ok)
        if record.first_byte_ns is not None:
            self.sources[record.clock_source] += 1
        if abs(record.clock_step_ns) > abs(self.clock_step_ns):
            self.clock_step_ns = record.clock_step_ns
        if ok:
            self._add_answer(record)
        elif record.error is not None and record.status is Status.FAILED:
            self.errors[_cause(record.error)] += 1

    def _add_answer(self, record: Record) -> None:
        events, tokens, usage = record.events, record.streamed_tokens, record.usage
        ttft_ns = record.ttft_ns
        self.answers.extend(
            (
                UNKNOWN if record.start_ns is None else record.start_ns,
                record.index,
                UNKNOWN if ttft_ns is None else ttft_ns,
                _whole(events),
                record.merged_events,
                UNKNOWN if tokens is None else tokens,
                sum(events.chars) if tokens is None else 0,
                record.stream and not events.partial,
            )
        )
        self.figures.extend(read(record) for read in _READ_FIGURES)
        self.gaps_ns.extend(events.gaps_ns())
        self.late_events += record.late_events
        self.coalesced_events += record.coalesced_events
        self.token_sources[record.tokens_source] += 1
        self.tokens["input"].add(usage.input)
        self.tokens["cached_input"].add(usage.cached_input)
        if record.operation is Operation.CHAT:  # all else writes nothing that could be counted
            self.tokens["output"].add(usage.output)
            self.tokens["reasoning"].add(usage.reasoning)
            self.lengths.add(record, record.max_tokens)
        if found := whereabouts(record):
            self.accounts[found.server_source, found.until] += 1


def _whole(events: Events) -> int:
    """How many events there are; 0 where only the first and the last are known."""
    return 0 if events.partial else len(events)


def _cause(error: RequestError) -> RequestError:
    """The error as a cause to be counted: on one line, short, and without a quotation."""
    error = error.unquoted()
    message = " ".join(error.message.split())[:300]
    return RequestError(error.kind, error.stage, message, error.http_status, error.provider_code)
