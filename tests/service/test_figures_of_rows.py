"""An objective counts a row as it would count the record that the row was made of."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm_latency_lens.decide.counted import count, counted
from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.service.alerts.figures_of_rows import figure_of, tells
from llm_latency_lens.service.probe import row_of
from llm_latency_lens.timeline import ErrorKind, Stage

MS = 1_000_000
LIMITS = [
    "{limit: 'ttft_ms<%s', target: 99%%}",
    "{limit: 'e2e_ms<%s', target: 99%%}",
    "{limit: 'cold_ttft_ms<%s', target: 99%%}",
    "{limit: 'corrected_ttft_ms<%s', target: 99%%}",
    "{limit: 'corrected_e2e_ms<%s', target: 99%%}",
    "{limit: 'output_tokens_per_second>%s', target: 99%%}",
    "{limit: 'cost.per_request<%s', target: 99%%}",
    "{limit: ttft_ms.p95<%s}",
    "{limit: tpot_ms.p99<%s}",
    "{limit: error_rate<1%%}",
]


def _record(kind: str) -> Record:
    record = Record("r", 0, Status.OK, planned_ns=5 * MS, start_ns=10 * MS, usage=Usage(output=3))
    if kind == "failed":
        record.status = Status.FAILED
        record.error = RequestError(ErrorKind.TIMEOUT, Stage.WAIT, "")
        return record
    record.connection.dns_ns, record.connection.connect_ns = 2 * MS, 8 * MS
    record.connection.tls_ns = 12 * MS
    for at_ms in (110, 130, 160) if kind == "whole" else (110,):
        record.events.add(at_ms * MS, 0, EventKind.TEXT, "x")
    record.end_ns = 161 * MS
    if kind == "whole":
        record.cost_usd = Decimal("0.5")
    return record


@pytest.mark.parametrize("kind", ["whole", "short", "failed"])
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("bound", ["0.4", "45", "110", "140", "500"])
def test_a_row_counts_as_its_record(kind: str, limit: str, bound: str) -> None:
    text = f"objectives: [{limit % bound if '%s' in limit else limit % ()}]"
    (promise,) = parse_sla(text, "sla.yaml").promises
    record = _record(kind)
    row = row_of(record, 0)
    found = count(promise, ok=row.ok, value=figure_of(promise.figure, row), gaps=row.gaps_ms)
    assert found == counted(promise, record)


def test_what_a_row_does_not_hold_it_does_not_tell() -> None:
    assert tells("ttft_ms")
    assert tells("error_rate")
    assert tells("output_tokens_per_second")
    assert not tells("answer_ms")


def test_gaps_count_each() -> None:
    (promise,) = parse_sla("objectives: [{limit: itl_ms.p99<25}]", "sla.yaml").promises
    record = _record("whole")
    row = row_of(record, 0)
    assert counted(promise, record) == (2, 1)
    assert count(promise, ok=True, value=figure_of("itl_ms", row), gaps=row.gaps_ms) == (2, 1)
