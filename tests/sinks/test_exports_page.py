"""The documentation's page of names has all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sunk_records import answer, failed

from llm_latency_lens.sinks import FORMATS, hlog, parquet
from llm_latency_lens.sinks.address import WAYS
from llm_latency_lens.sinks.flat import names
from llm_latency_lens.sinks.influx import fields_of, tags_of
from llm_latency_lens.sinks.metric_set import COUNTS, TIMES
from llm_latency_lens.sinks.otlp import METRICS
from llm_latency_lens.sinks.push_otlp import HEADERS
from llm_latency_lens.sinks.statsd import DATAGRAM, counts, times

PAGE = (Path(__file__).parents[2] / "docs/reference/exports.md").read_text()
CODE = set(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.S)))

RECORDS = (answer(0), failed(1), answer(2, warmup=True), answer(3, attempt=1))


@pytest.mark.parametrize(
    "wanted",
    [
        {f"latency_lens_{times.name}_seconds" for times in TIMES},
        {f"latency_lens_{name}_total" for name in COUNTS},
        set(METRICS),
        {name for record in RECORDS for name in (*fields_of(record), *tags_of(record, "r"))},
        {name for record in RECORDS for name, _ in times(record)},
        {name for record in RECORDS for name, _, _ in counts(record)},
        set(FORMATS),
        set(names(keep_text=True)),
        {*parquet._TOKENS, "latency_lens.run", "latency_lens.result"},
        {*hlog._TAGS, "itl"},
        {way.variable for way in WAYS.values() if way.variable} | {HEADERS},
    ],
    ids=[
        "times",
        "counts",
        "otlp",
        "influx",
        "statsd-times",
        "statsd-counts",
        "formats",
        "csv",
        "parquet",
        "hlog",
        "variables",
    ],
)
def test_it_names(wanted: set[str]):
    told = {re.sub(r"\{.*\}", "", code) for code in CODE}
    assert sorted(wanted - told) == []


def test_it_has_every_url():
    assert [
        way for way, found in WAYS.items() if found.http and f"`{way}+http://" not in PAGE
    ] == []
    assert all(f"`{way}:" in PAGE for way, found in WAYS.items() if not found.http)
    assert f"{DATAGRAM:,} bytes" in PAGE
