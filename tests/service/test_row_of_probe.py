"""The row that is kept of a probe has the record's numbers, and no more."""

from decimal import Decimal

from llm_latency_lens.record import EventKind, Record, RequestError, Status
from llm_latency_lens.service.probe import row_of
from llm_latency_lens.timeline import ErrorKind, Stage

MS = 1_000_000


def _record(**told: object) -> Record:
    return Record(
        id="r-1", index=0, status=Status.OK, provider="openai", model="m", arm="chat", **told
    )


def test_a_row_has_the_figures_of_the_record() -> None:
    record = _record(start_ns=10 * MS, end_ns=95 * MS, cost_usd=Decimal("0.0001"))
    for at in (60, 70, 90):
        record.events.add(at * MS, 0, EventKind.TEXT, "secret text")
    row = row_of(record, 1_700_000_000_000_000_000, "eu", asked_for=True)
    assert (row.target, row.at_unix_ns, row.region) == ("chat", 1_700_000_000_000_000_000, "eu")
    assert (row.ttft_ms, row.e2e_ms, row.gaps_ms) == (50.0, 85.0, [10.0, 20.0])
    assert row.dns_ms is None
    assert row.cost_usd == Decimal("0.0001")
    assert row.ok
    assert row.asked_for
    assert "secret" not in repr(row)


def test_a_row_says_why_it_failed_but_quotes_no_filter() -> None:
    record = _record()
    record.status = Status.FAILED
    record.error = RequestError(ErrorKind.TIMEOUT, Stage.WAIT, "nothing came", http_status=None)
    row = row_of(record, 1)
    assert (row.status, row.error_kind, row.error_stage) == ("failed", "timeout", "wait")
    assert row.error == "nothing came"
    record.error = RequestError(ErrorKind.CONTENT_FILTER, Stage.WAIT, "you said: bomb")
    assert row_of(record, 1).error == ""
