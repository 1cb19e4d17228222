"""The JSON of a result agrees with its published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import jsonschema
import msgspec
import pytest
from metrics_records import answer, clean, context, failed, open_loop, summed

from llm_latency_lens.metrics import lines, result
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.record import Record

DOCS = Path(__file__).parents[2] / "docs/reference"

RUNS: list[tuple[list[Record], Context]] = [
    ([], context()),
    ([answer()], context(health=None)),
    ([failed()], context()),
    (clean(8), context(stopped_early="the disk is full", interrupted=True)),
    (clean(120, open_loop=True), open_loop(config={"provider": "openai", "n": [1, None]})),
    ([answer(0, tokens=1), answer(1, clock_source="user")], context(certificate={"a": 1})),
]


def test_the_schema_in_the_documentation_is_the_one_of_the_code() -> None:
    assert json.loads((DOCS / "result.schema.json").read_text()) == result.json_schema()


@pytest.mark.parametrize(("records", "given"), RUNS)
def test_every_result_agrees_with_the_schema(records: list[Record], given: Context) -> None:
    written = json.loads(result.encode(summed(records, given)))
    jsonschema.Draft202012Validator(result.json_schema()).validate(written)


@pytest.mark.parametrize(("records", "given"), RUNS)
def test_a_result_reads_back_to_itself(records: list[Record], given: Context) -> None:
    made = summed(records, given)
    assert result.decode(result.encode(made)) == made


def test_something_else_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        result.decode('{"schema": "another/1"}')


def test_the_names_that_other_programs_read() -> None:
    written = json.loads(result.encode(summed(clean(120, open_loop=True), open_loop())))
    assert {"schema", "run", "config", "requests", "metrics", "error_rate"} <= set(written)
    assert {"throughput", "tokens", "stalls", "instrument", "validity"} <= set(written)
    summary = {"count", "mean", "stddev", "min", "p50", "p90", "p95", "p99", "p999", "max", "ci95"}
    assert set(written["metrics"]["ttft_ms"]) == summary | {"requests", "ci_method"}
    assert len(written["metrics"]["ttft_ms"]["ci95"]["mean"]) == 2
    assert written["run"]["clock"]["source"] == "kernel"
    assert {"planned", "sent", "ok", "failed", "cancelled", "errors"} <= set(written["requests"])
    assert {
        "requests_per_second",
        "output_tokens_per_second",
        "total_tokens_per_second",
        "offered_rate",
        "achieved_rate",
    } == set(written["throughput"])


def test_every_field_and_every_code_is_explained() -> None:
    page = (DOCS / "result-json.md").read_text()
    fields = {
        field
        for definition in result.json_schema()["$defs"].values()
        for field in definition.get("properties", {})
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []
    assert [code for code in get_args(result.Code) if f"| `{code}` |" not in page] == []


def test_every_field_of_a_line_is_explained() -> None:
    page = (DOCS / "result-json.md").read_text()
    fields = {
        field
        for definition in lines.json_schema()["$defs"].values()
        for field in definition.get("properties", {})
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []
