"""StatsD: names, types and datagrams."""

from __future__ import annotations

import io
import re
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from sunk_records import answer, context, failed

from llm_latency_lens.record import Status
from llm_latency_lens.sinks import Exported, export_of
from llm_latency_lens.sinks.statsd import DATAGRAM, datagrams, dogstatsd_lines, statsd_lines
from llm_latency_lens.timeline import Connection


def test_plain_lines():
    record = answer(0, model="org/model 1.5", gaps_ms=(20.0, 900.0, 20.0), cost_usd=Decimal("0.25"))
    record.connection = Connection(dns_ns=500_000, connect_ns=1_000_000)
    file = io.BytesIO()
    export_of("statsd")(Exported(context(), lambda: [record, failed(1)]), file)
    prefix = "latency_lens.openai.org_model_1_5"
    assert file.getvalue().decode().splitlines() == [
        f"{prefix}.ttft:200.0|ms",
        f"{prefix}.itl:20.0|ms",
        f"{prefix}.itl:900.0|ms",
        f"{prefix}.itl:20.0|ms",
        f"{prefix}.tpot:{940 / 3}|ms",
        f"{prefix}.e2e:1141.0|ms",
        f"{prefix}.ttfb:199.0|ms",
        f"{prefix}.connect:1.5|ms",
        f"{prefix}.cost_usd:0.25|c",
        f"{prefix}.requests.ok:1|c",
        f"{prefix}.tokens.input:10|c",
        f"{prefix}.tokens.output:4|c",
        f"{prefix}.stalls:1|c",
        "latency_lens.openai.m.requests.failed:1|c",
        "latency_lens.openai.m.errors.rate_limit.wait:1|c",
    ]


def test_tagged_lines():
    assert list(dogstatsd_lines(answer(0, model="a,b|c", arm="new"))) == [
        f"latency_lens.{text}provider:openai,model:a_b_c,arm:new{own}"
        for text, own in (
            ("ttft:200.0|d|#", ""),
            ("itl:20.0:30.0:20.0|d|#", ""),
            ("tpot:23.333333333333332|d|#", ""),
            ("e2e:271.0|d|#", ""),
            ("ttfb:199.0|d|#", ""),
            ("requests:1|c|#", ",status:ok"),
            ("tokens:10|c|#", ",type:input"),
            ("tokens:4|c|#", ",type:output"),
        )
    ]
    error = list(dogstatsd_lines(failed(0)))[-1]
    assert error == "latency_lens.errors:1|c|#provider:openai,model:m,kind:rate_limit,stage:wait"


def test_what_is_not_measured_is_counted_as_what_it_is():
    assert [text.partition(":")[0] for text in statsd_lines(answer(0, warmup=True))] == [
        "latency_lens.openai.m.warmup_requests"
    ]
    (retry,) = statsd_lines(answer(0, attempt=1, arm="a"))
    assert retry == "latency_lens.a.openai.m.retries.ok:1|c"
    (cancelled,) = dogstatsd_lines(failed(0, status=Status.CANCELLED, provider="", model=""))
    assert cancelled == "latency_lens.requests:1|c|#status:cancelled"


@given(st.lists(st.floats(0.001, 99999), max_size=400))
@settings(max_examples=30)
def test_no_line_is_longer_than_a_datagram_and_no_gap_is_lost(gaps_ms: list[float]):
    record = answer(0, gaps_ms=gaps_ms)
    found: list[float] = []
    for text in dogstatsd_lines(record):
        assert len(text.encode()) <= DATAGRAM
        if text.startswith("latency_lens.itl:"):
            values = re.fullmatch(r"latency_lens\.itl:([\d.:]+)\|d\|#.*", text)
            assert values
            found += map(float, values[1].split(":"))
    assert found == [gap_ns / 1e6 for gap_ns in record.events.gaps_ns()]


@given(st.lists(st.text("ab", min_size=1, max_size=12), max_size=20), st.integers(12, 40))
@settings(max_examples=50)
def test_datagrams_hold_whole_lines_in_order(lines: list[str], size: int):
    sent = list(datagrams(lines, size))
    assert all(0 < len(data) <= size for data in sent)
    assert [text for data in sent for text in data.decode().split("\n")] == lines
