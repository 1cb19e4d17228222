"""Network against server time: the server's account, and what it leaves over."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_records import MS, answer, failed, summed

from llm_latency_lens.metrics import lines, result
from llm_latency_lens.metrics.whereabouts import Whereabouts, whereabouts
from llm_latency_lens.record import Record
from llm_latency_lens.timeline import Connection


def told(**hints_ms: float) -> Record:
    """First byte after 199.9 ms, first token after 200, end after 260.1."""
    return answer(hints_ms={name.replace("__", "-"): ms for name, ms in hints_ms.items()})


ACCOUNTS = [
    ({"load_ms": 50.0, "prompt_eval_ms": 100.5, "eval_ms": 60.0, "total_ms": 211.0}, 150.5, 49.5),
    ({"prompt_eval_ms": 100.5}, 100.5, 99.5),
    ({"prompt_ms": 180.0, "predicted_ms": 60.0}, 180.0, 20.0),
    ({"queue_time": 20.0, "prompt_time": 30.0, "total_time": 90.0}, 50.0, 150.0),
    ({"openai-processing-ms": 150.0}, 150.0, 49.9),
    ({"x-envoy-upstream-service-time": 190.0}, 190.0, 9.9),
    ({"x-total-time": 120.0, "x-inference-time": 110.0}, 120.0, 79.9),
    ({"latency_ms": 250.0}, 250.0, 10.1),
    ({"first_byte_latency_ms": 150.0, "invocation_latency_ms": 250.0}, 150.0, 50.0),
    ({"x-kong-upstream-latency": 150.0, "x-kong-proxy-latency": 4.0}, 154.0, 45.9),
    ({"server-timing.db": 53.0, "server-timing.app": 147.2}, 147.2, 52.7),
    ({"server-timing.app": 1.0, "x-envoy-upstream-service-time": 190.0}, 190.0, 9.9),
    ({"prompt_ms": 100.0, "x-envoy-upstream-service-time": 190.0}, 100.0, 100.0),
]


@pytest.mark.parametrize(("hints", "server_ms", "network_ms"), ACCOUNTS)
def test_what_a_server_leaves_over(
    hints: dict[str, float], server_ms: float, network_ms: float
) -> None:
    found = whereabouts(answer(hints_ms=hints))
    assert found is not None
    assert found.server_ms == pytest.approx(server_ms)
    assert found.network_ms == pytest.approx(network_ms)
    assert set(found.server_source.split(" + ")) <= set(hints)


@pytest.mark.parametrize(
    ("hints", "server_ms", "source"),
    [
        ({"prompt_ms": 100.0, "predicted_ms": 90.0}, 190.0, "prompt_ms + predicted_ms"),
        ({"total_ms": 190.0, "load_ms": 1.0, "prompt_eval_ms": 9.0}, 190.0, "total_ms"),
        (
            {"queue_time": 1.0, "prompt_time": 2.0, "completion_time": 3.0, "total_time": 5.0},
            6.0,
            "queue_time + prompt_time + completion_time",
        ),
        ({"x-total-time": 120.0}, 120.0, "x-total-time"),
    ],
)
def test_an_answer_in_one_piece_is_accounted_for_to_its_end(
    hints: dict[str, float], server_ms: float, source: str
) -> None:
    record = answer(hints_ms=hints, gaps_ms=[], stream=False)
    found = whereabouts(record)
    assert found is not None
    assert (found.server_ms, found.server_source) == (server_ms, source)
    assert record.e2e_ns is not None
    if found.until == "end":
        assert found.network_ms == pytest.approx(record.e2e_ns / 1e6 - server_ms)


@pytest.mark.parametrize(
    ("hints", "source", "until"),
    [
        ({"load_ms": 1.0, "prompt_eval_ms": 2.0}, "load_ms + prompt_eval_ms", "first_token"),
        ({"server-timing.a": 1.0, "server-timing.b": 2.0}, "server-timing.b", "first_byte"),
        ({"latency_ms": 1.0}, "latency_ms", "end"),
    ],
)
def test_where_an_account_comes_from_and_how_far_it_goes(
    hints: dict[str, float], source: str, until: str
) -> None:
    found = whereabouts(answer(hints_ms=hints))
    assert found is not None
    assert (found.server_source, found.until) == (source, until)


@pytest.mark.parametrize("hints", [{}, {"predicted_ms": 5.0, "eval_ms": 5.0, "load_ms": 1.0}])
def test_without_an_account_nothing_is_said(hints: dict[str, float]) -> None:
    assert whereabouts(answer(hints_ms=hints)) is None


def test_a_request_that_did_not_get_that_far_has_none() -> None:
    assert whereabouts(failed(hints_ms={"openai-processing-ms": 5.0})) is None
    never_started = failed(start_ms=None, hints_ms={"latency_ms": 5.0})
    assert whereabouts(never_started) is None


@pytest.mark.parametrize(
    ("server_ms", "network_ms"), [(200.5, 0.0), (200.8999, 0.0), (201.0, None)]
)
def test_rounding_is_forgiven_and_a_contradiction_is_not_explained_away(
    server_ms: float, network_ms: float | None
) -> None:
    found = whereabouts(told(openai__processing__ms=server_ms))
    assert found == Whereabouts(server_ms, "openai-processing-ms", "first_byte", network_ms)


@given(
    st.dictionaries(
        st.sampled_from([*ACCOUNTS[0][0], "prompt_ms", "latency_ms"]), st.floats(0, 1e6)
    )
)
def test_the_parts_add_up_to_what_was_measured(hints: dict[str, float]) -> None:
    record = answer(hints_ms=hints)
    found = whereabouts(record)
    if found is None or found.network_ms is None:
        return
    whole = {"first_token": 200.0, "end": 260.1}[found.until]
    assert found.network_ms >= 0
    assert found.server_ms + found.network_ms == pytest.approx(whole, abs=1.0)


def test_the_line_of_a_request() -> None:
    line = json.loads(lines.encode(lines.to_line(told(prompt_ms=180.0))))
    assert line["where"] == {
        "server_ms": 180.0,
        "server_source": "prompt_ms",
        "server_until": "first_token",
        "network_ms": pytest.approx(20.0),
    }
    assert json.loads(lines.encode(lines.to_line(told())))["where"] is None


def test_a_result_sums_up_what_servers_say() -> None:
    connection = Connection(reused=True, rtt_us=1500)
    records = [
        answer(i, start_ms=i, hints_ms={"prompt_ms": 100.0 + i}, connection=connection)
        for i in range(8)
    ]
    made = summed([*records, answer(9, start_ms=9)])
    written = json.loads(result.encode(made))
    where = written["where"]
    assert (where["requests"], where["server_source"]) == (8, "prompt_ms")
    assert where["server_until"] == "first_token"
    assert where["server_ms"]["p50"] == 103.5
    assert where["network_ms"]["p50"] == pytest.approx(96.5)
    assert written["metrics"]["rtt_ms"]["max"] == 1.5
    assert "server_ms" not in written["metrics"]
    assert result.decode(result.encode(made)) == made


def test_accounts_of_several_kinds_are_called_mixed() -> None:
    other = {"openai-processing-ms": 999.0}
    written = json.loads(result.encode(summed([told(prompt_ms=1.0), answer(1, hints_ms=other)])))
    assert written["where"]["server_source"] == written["where"]["server_until"] == "mixed"
    assert written["where"]["network_ms"]["count"] == 1


def test_where_nobody_tells_there_is_no_block() -> None:
    assert "where" not in json.loads(result.encode(summed([answer()])))
    odd = told(openai__processing__ms=300.0)
    assert "network_ms" not in json.loads(result.encode(summed([odd])))["where"]
    assert odd.ttfb_ns == 199.9 * MS
