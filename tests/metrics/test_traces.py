from metrics_records import MS, answer, clean, context, failed, summed

from llm_latency_lens.metrics.columns import UNKNOWN
from llm_latency_lens.metrics.portraits import Portraits
from llm_latency_lens.metrics.traces import REQUEST, SAMPLE, Traces
from llm_latency_lens.record import Record, Status
from llm_latency_lens.timeline import ErrorKind


def traced(*records: Record) -> Traces:
    traces = Traces()
    for record in records:
        traces.add(record)
    return traces


def test_a_request_is_a_row_and_its_gaps_lie_side_by_side():
    traces = traced(
        answer(7, start_ms=5, ttft_ms=200, gaps_ms=(20, 30), tokens=4),
        failed(8, ErrorKind.TIMEOUT, start_ms=9),
        failed(9, status=Status.CANCELLED, start_ms=None),
        answer(10, warmup=True),
        answer(11, attempt=1),
    )
    width = len(REQUEST)
    rows = [list(traces.requests[i : i + width]) for i in range(0, len(traces.requests), width)]
    assert rows == [
        [7, 5 * MS, 200 * MS, 250 * MS + MS // 10, 3, 4, 0],
        [8, 9 * MS, UNKNOWN, 1000 * MS, 0, UNKNOWN, 1],
        [9, UNKNOWN, UNKNOWN, UNKNOWN, 0, UNKNOWN, 2],
    ]
    assert traces.causes == ["ok", "timeout", "cancelled"]
    assert list(traces.gaps_ns) == [20 * MS, 30 * MS]


def test_the_slowest_and_a_typical_request_are_kept():
    records = clean(101)
    records[40] = answer(40, ttft_ms=9000)
    traces = traced(*records)
    assert traces.slowest is records[40]
    typical = traces.typical()
    assert typical is not None
    for value in ("ttft_ns", "e2e_ns"):
        ordered = sorted(getattr(record, value) for record in records)
        assert 25 < ordered.index(getattr(typical, value)) < 75


def test_the_sample_stays_small_and_even():
    traces = traced(*(answer(i) for i in range(4 * SAMPLE)))
    places = [record.index for record in traces.sample]
    assert len(places) <= SAMPLE
    assert places == list(range(0, 4 * SAMPLE, traces.every))


def test_without_streams_the_typical_request_is_any_and_without_answers_there_is_none():
    whole = [answer(i, gaps_ms=(), end_ns=None) for i in range(3)]
    assert traced(*whole).typical() is whole[1]
    assert traced(failed()).typical() is None
    assert traced(failed()).slowest is None


def test_arms_have_portraits_of_their_own():
    arms = {"b": {"model": "one"}, "a": {"model": "two"}}
    records = [
        answer(i, ttft_ms=100 + i, arm=arm)
        for i, arm in enumerate(("a", "prime", "b", "a", "b", "other"))
    ]
    portraits = Portraits()
    for record in records:
        portraits.add(record)
    given = context(config={"arms": arms, "model": "none", "provider": "p"})
    found = list(portraits.of(summed(records, given), given))
    assert [one.name for one in found] == ["b", "a", "other"]
    assert [one.result.requests.ok for one in found] == [2, 2, 1]
    assert [one.result.config["model"] for one in found] == ["one", "two", "none"]


def test_arms_of_a_cold_start_are_in_an_order_that_a_reader_expects():
    portraits = Portraits()
    for arm in ("unique", "idle 300s", "repeated", "idle 0.5s", "cold", "resumed", "warm", "x y"):
        portraits.add(answer(arm=arm))
    given = context(config={})
    found = [one.name for one in portraits.of(summed([], given), given)]
    assert found == [
        *("warm", "cold", "resumed", "idle 0.5s", "idle 300s", "unique", "repeated", "x y"),
    ]


def test_a_plain_run_has_one_portrait_and_the_name_that_it_was_given():
    for given, name in (
        (context(), "a run"),
        (context(name="", config={"provider": "p", "model": "m"}), "p/m"),
        (context(name=""), "run-1"),
    ):
        portraits = Portraits()
        portraits.add(answer())
        result = summed([answer()], given)
        (found,) = portraits.of(result, given)
        assert found.name == name
        assert found.result is result
