"""What each line of a program waits for, from its records."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.metrics.program import Spread, encode, json_schema
from llm_latency_lens.metrics.sites import covered_s, program_of
from llm_latency_lens.record import EventKind, Record, RequestError, Status
from llm_latency_lens.timeline import ErrorKind, Stage

S = 1_000_000_000
DOCS = Path(__file__).parents[2] / "docs" / "reference"


def record(tag: str, begin_s: float, end_s: float, first_s: float | None = None) -> Record:
    made = Record("x", 0, Status.OK, provider="openai", model="m", tag=tag)
    made.start_ns, made.end_ns = int(begin_s * S), int(end_s * S)
    if first_s is not None:
        made.events.add(int(first_s * S), 0, EventKind.TEXT, "a")
    return made


def failed(tag: str, begin_s: float, end_s: float) -> Record:
    made = record(tag, begin_s, end_s)
    made.status = Status.FAILED
    made.error = RequestError(ErrorKind.SERVER, Stage.WAIT, "no")
    return made


def context(wall_s: float = 10, name: str = "") -> Context:
    return Context(
        id="x",
        name=name,
        config={"command": "python"},
        health=Health(capture_s=wall_s, clock_source="kernel"),
    )


def test_calls_are_summed_up_by_their_line() -> None:
    a = [record("a.py:1", 0, 2, 0.5), record("a.py:1", 1, 3, 1.25)]
    a[0].cost_usd = Decimal("0.01")
    again = record("b.py:2", 5.5, 6, 5.75)
    again.attempt = 1
    found = program_of([failed("b.py:2", 5, 5.5), again, *a], context())
    assert (found.name, found.wall_s, found.calls, found.clock_source) == (
        "python",
        10,
        3,
        "kernel",
    )
    assert (found.waited_s, found.share, found.cost, found.unpriced) == (
        4,
        0.4,
        Decimal("0.01"),
        3,
    )
    first, second = found.sites
    assert (first.site, first.calls, first.attempts, first.ok) == ("a.py:1", 2, 2, 2)
    assert (first.waited_s, first.share) == (3, pytest.approx(0.3))
    assert first.ttft_ms == Spread(count=2, p50=375, p95=487.5, max=500)
    assert first.e2e_ms == Spread(count=2, p50=2000, p95=2000, max=2000)
    assert (second.calls, second.attempts, second.ok, second.failed) == (1, 2, 1, 1)
    assert second.errors == {"server": 1}
    assert (second.cost, second.unpriced) == (None, 2)


def test_the_schema_is_the_published_one() -> None:
    written = json.loads((DOCS / "program.schema.json").read_text())
    assert written == json_schema(), "run python tests/metrics/write_schemas.py"
    found = program_of([record("a.py:1", 0, 2, 0.5), failed("b.py:2", 1, 2)], context())
    jsonschema.validate(json.loads(encode(found)), written)


def test_each_field_is_explained() -> None:
    page = (DOCS / "program-json.md").read_text()
    for kind in json_schema()["$defs"].values():
        for name in kind["properties"]:
            assert f"`{name}`" in page


def test_a_program_without_calls() -> None:
    found = program_of([], context(0, "nightly"))
    assert (found.name, found.calls, found.share, found.cost, found.sites) == (
        "nightly",
        0,
        0,
        None,
        [],
    )
    nameless = program_of([], Context(id="x"))
    assert (nameless.name, nameless.wall_s) == ("", 0)


def test_a_failure_has_no_latency() -> None:
    lost = failed("a.py:1", 0, 1)
    lost.start_ns = None
    (site,) = program_of([lost], context()).sites
    assert (site.ttft_ms, site.e2e_ms, site.waited_s) == (UNSET, UNSET, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=12))
@settings(max_examples=40)
def test_covered_time_is_that_of_each_second(spans: list[tuple[int, int]]) -> None:
    each = {second for begin, size in spans for second in range(begin, begin + size)}
    assert covered_s((begin * S, (begin + size) * S) for begin, size in spans) == len(each)
