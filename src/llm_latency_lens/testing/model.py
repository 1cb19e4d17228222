"""The simulated provider without network or clock: finished records of it, at once.

`draw` simulates the same plans that the server sends, and the queue before them event by event.
Its records are what a flawless instrument would have seen at zero distance: ground for tests of
statistics.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from ..clock import SECOND_NS
from ..errors import UsageError
from ..record import EventKind, Events, Record, RequestError, Status, Usage
from ..timeline import Connection, ErrorKind, Stage
from .config import SimConfig
from .faults import FaultKind
from .plan import Plan, plan, words

__all__ = ["Plan", "SimConfig", "draw", "plan", "words"]

_EPOCH_NS = 1_700_000_000 * SECOND_NS


def draw(
    config: SimConfig,
    n: int,
    *,
    rate: float | None = None,
    concurrency: int | None = None,
    arrival: str = "poisson",
    prompt_tokens: int = 0,
    max_tokens: int | None = None,
    timeout_ns: int = 60 * SECOND_NS,
    seed: int | None = None,
) -> Iterator[Record]:
    """`n` finished records in order of arrival, at once.

    Give `rate` (arrivals per second, `arrival` poisson or constant; the records are planned) or
    `concurrency` (so many users, each asking again when answered). `timeout_ns` ends requests that
    the simulated provider never ends. `seed` replaces the configuration's.
    """
    if (rate is None) == (concurrency is None):
        raise UsageError("draw takes either a rate or a concurrency")
    if arrival not in ("poisson", "constant"):
        raise UsageError(f"arrival is poisson or constant, not '{arrival}'")
    if not (rate or concurrency or 0) > 0:
        raise UsageError("the rate and the concurrency are more than 0")
    if seed is not None:
        config = replace(config, seed=seed)
    queue = _Queue(config)
    users = [0] * concurrency if concurrency else []
    arrivals = _arrivals(rate, arrival, config.seed) if rate else None
    for index in range(n):
        at_ns = next(arrivals) if arrivals else users[0]
        answer = plan(config, index, prompt_tokens=prompt_tokens, max_tokens=max_tokens)
        record = _record(config, queue, answer, at_ns, timeout_ns)
        if arrivals:
            record.planned_ns = at_ns
        else:
            assert record.end_ns is not None
            heapq.heapreplace(users, record.end_ns)
        yield record


def _arrivals(rate: float, arrival: str, seed: int) -> Iterator[int]:
    rng = Random(f"{seed}/arrivals")
    at = 0.0
    while True:
        yield round(at * SECOND_NS)
        at += rng.expovariate(rate) if arrival == "poisson" else 1 / rate


class _Queue:
    """The provider's slots, first come first served; `ends` are the answers under way."""

    def __init__(self, config: SimConfig) -> None:
        self._slots = config.slots
        self._slowdown = config.slowdown
        self._ends: list[int] = []

    def admit(self, at_ns: int) -> tuple[int, float]:
        """When a request that arrives is served, and by how much its gaps grow."""
        ends = self._ends
        while ends and ends[0] <= at_ns:
            heapq.heappop(ends)
        if self._slots and len(ends) >= self._slots:
            at_ns = heapq.heappop(ends)
            while ends and ends[0] <= at_ns:
                heapq.heappop(ends)
        return at_ns, 1 + self._slowdown * len(ends)

    def occupy(self, until_ns: int) -> None:
        heapq.heappush(self._ends, until_ns)


_STATUS_KINDS = {
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    408: ErrorKind.TIMEOUT,
    429: ErrorKind.RATE_LIMIT,
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}

_FAILURES = {
    FaultKind.RESET: (ErrorKind.NETWORK, Stage.STREAM, "connection reset"),
    FaultKind.CUT: (ErrorKind.NETWORK, Stage.STREAM, "the stream ended early"),
    FaultKind.MALFORMED: (ErrorKind.PROTOCOL, Stage.DECODE, "an event is not JSON"),
    FaultKind.ERROR_EVENT: (ErrorKind.SERVER, Stage.STREAM, "the provider reported an error"),
    FaultKind.HTML: (ErrorKind.PROTOCOL, Stage.DECODE, "a page instead of a stream"),
    FaultKind.SILENCE: (ErrorKind.TIMEOUT, Stage.WAIT, "no answer"),
    FaultKind.ENDLESS: (ErrorKind.TIMEOUT, Stage.STREAM, "the answer does not end"),
}


def _record(config: SimConfig, queue: _Queue, answer: Plan, at_ns: int, timeout_ns: int) -> Record:
    record = Record(
        id=f"sim-{answer.index}",
        index=answer.index,
        status=Status.OK,
        provider="openai",
        model=config.model,
        start_ns=at_ns,
        sent_ns=at_ns,
        start_unix_ns=_EPOCH_NS + at_ns,
        connection=Connection(reused=True, http_version="1.1"),
    )
    if answer.fault is not None and answer.fault.kind is FaultKind.STATUS:
        record.first_byte_ns = record.end_ns = at_ns
        return _refused(record, answer.fault.status)
    begin_ns, factor = queue.admit(at_ns)
    if factor != 1:
        answer = answer.slowed(factor)
    _answer(record, config, answer, begin_ns, timeout_ns)
    assert record.end_ns is not None
    queue.occupy(record.end_ns)
    return record


def _refused(record: Record, status: int) -> Record:
    other = ErrorKind.BAD_REQUEST if status < 500 else ErrorKind.SERVER
    kind = _STATUS_KINDS.get(status, other)
    record.status = Status.FAILED
    record.error = RequestError(kind, Stage.WAIT, f"HTTP {status}", http_status=status)
    return record


def _answer(
    record: Record, config: SimConfig, answer: Plan, begin_ns: int, timeout_ns: int
) -> None:
    """Fill in what comes back to a request that is served from `begin_ns` on."""
    fault = answer.fault
    kept, end_ns = _extent(answer, timeout_ns)
    late_ns = fault.header_ns if fault and fault.kind is FaultKind.SLOW_HEADERS else 0
    at_ns = array("q", [begin_ns + max(late_ns, at) for at in answer.offsets_ns[:kept]])
    texts = words(answer)[:kept]
    record.events = Events(
        at_ns, array("q", range(kept)), array("q", map(len, texts)), answer.kinds[:kept], texts
    )
    record.coalesced_events = kept - len(set(at_ns))
    record.end_ns = begin_ns + max(late_ns, end_ns)
    if kept:
        record.first_byte_ns = begin_ns if config.role == "early" else at_ns[0]
    record.reasoning_streamed = EventKind.REASONING in record.events.kind
    if fault is not None and fault.kind in _FAILURES:
        kind, stage, message = _FAILURES[fault.kind]
        record.status = Status.FAILED
        record.error = RequestError(kind, stage if kept else Stage.WAIT, message)
        return
    wrong = fault is not None and fault.kind is FaultKind.WRONG_USAGE
    output = round(answer.output_tokens * (fault.factor if fault and wrong else 1))
    record.usage = Usage(answer.prompt_tokens, output, answer.reasoning_tokens, 0)
    record.tokens_source = "usage"
    record.finish_reason = answer.finish_reason


def _extent(answer: Plan, timeout_ns: int) -> tuple[int, int]:
    """How many events arrive, and when the request is over."""
    events = len(answer)
    match answer.fault.kind if answer.fault else None:
        case FaultKind.SILENCE:
            return 0, timeout_ns
        case FaultKind.ENDLESS:
            return events, max(timeout_ns, answer.end_ns)
        case FaultKind.HTML:
            return 0, answer.first_ns
        case FaultKind.MALFORMED:
            assert answer.fault
            return answer.fault.at_event(events), answer.end_ns
        case FaultKind.RESET | FaultKind.CUT | FaultKind.ERROR_EVENT:
            assert answer.fault
            at = answer.fault.at_event(events)
            return at, (*answer.offsets_ns, answer.end_ns)[at]
    return events, answer.end_ns
