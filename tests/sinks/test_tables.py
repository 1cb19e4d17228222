"""CSV, Parquet and MessagePack, read back by DuckDB, pandas and msgspec: the JSON's own values."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from sink_runs import STARTED, answered, context, mixed, refused, run_of, saved, written

from llm_latency_lens.metrics import lines, result
from llm_latency_lens.record import EventKind
from llm_latency_lens.sinks.flat import TEXTS, names

LEVELS = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def rows(exported: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written("csv", exported).decode(), newline="")))


def as_lines(exported: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written("jsonl", exported).splitlines()]


# -- CSV -------------------------------------------------------------------------------------


def test_csv_has_the_numbers_of_the_json_lines():
    for row, line in zip(rows(run_of()), as_lines(run_of()), strict=True):
        assert (row["id"], int(row["index"]), row["status"]) == (
            (line["id"], line["index"], line["status"])
        )
        assert row["warmup"] == str(line["warmup"]).lower()
        for name in ("ttft_ms", "answer_ms", "e2e_ms", "tpot_ms"):
            expected = line[name]
            assert (row[name] == "") == (expected is None)
            if expected is not None:
                assert float(row[name]) == expected
        assert row["output_tokens"] == str(line["usage"]["output"] or "")
        assert row["cost_usd"] == ("" if line["cost_usd"] is None else row["cost_usd"])
    assert rows(run_of())[1]["cost_usd"] == "0.00002550"
    assert rows(run_of())[1]["started_at"] == "2023-11-14T22:13:25.173456796Z"


def test_csv_is_rfc_4180():
    text = written("csv", run_of())
    assert text.count(b"\r\n") == 1 + len(mixed())
    assert b'"say ""please"", not\nnow | <later> \x1b[0m & 100 %"' in text
    row = rows(run_of())[2]
    assert row["error_message"] == 'say "please", not\nnow | <later> \x1b[0m & 100 %'
    assert (row["error_kind"], row["error_stage"], row["http_status"]) == (
        ("rate_limit", "wait", "429")
    )


def test_csv_gives_pandas_and_duckdb_the_figures_of_the_result(tmp_path: Path):
    path = saved("csv", run_of(), tmp_path / "run.csv")
    frame = pd.read_csv(path)
    chosen = frame[frame.counted]
    assert list(frame.id[~frame.counted]) == ["r0", "r3", "r3", "r5", "r6"]
    found = run_of().result.metrics
    for name in ("ttft_ms", "tpot_ms", "e2e_ms", "send_lag_ms", "output_tokens_per_second"):
        summary = getattr(found, name)
        for level, share in LEVELS.items():
            assert getattr(summary, level) == pytest.approx(chosen[name].quantile(share), abs=1e-9)
    ((longest, stalls),) = duckdb.sql(
        f"select max(longest_gap_ms), sum(stalls) from read_csv('{path}') where counted"
    ).fetchall()
    assert (longest, stalls) == (run_of().result.stalls.longest_ms, run_of().result.stalls.count)
    assert pd.to_datetime(chosen.started_at).iloc[0].value == STARTED + 5_050_000_007


def test_csv_holds_texts_only_when_they_are_kept():
    assert b"word 3" not in written("csv", run_of())
    row = rows(run_of(keep_text=True))[1]
    assert row["reasoning_text"] == "word 0word 1"
    assert row["text"] == "".join(f"word {number}" for number in range(2, 8))
    assert set(TEXTS) <= set(row)


def test_a_closed_loop_has_no_plan():
    records = [answered(1, planned_ns=None)]
    (row,) = rows(run_of(records, mode="closed", concurrency=1))
    assert (row["send_lag_ms"], row["corrected_ttft_ms"]) == ("", "")


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path):
    half = [refused(1, "half \ud83d"), answered(2, response_id="\ud83d")]
    half[1].events.text[3] = "\udc00"
    exported = run_of(half, keep_text=True)
    assert rows(exported)[0]["error_message"] == "half ?"
    path = saved("parquet", exported, tmp_path / "a.parquet")
    assert parquet.read_table(path)["error_message"][0].as_py() == "half ?"
    packed = msgspec.msgpack.decode(written("msgpack", exported))
    assert packed["requests"][0]["error"]["message"] == "half ?"


# -- Parquet ---------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path: Path) -> tuple[str, str]:
    path = saved("parquet", run_of(), tmp_path / "run.parquet")
    return str(path), str(tmp_path / "run.tokens.parquet")


def test_parquet_gives_duckdb_the_figures_of_the_result(tables: tuple[str, str]):
    requests, tokens = tables
    metrics = run_of().result.metrics
    for name in ("ttft_ms", "tpot_ms", "e2e_ms", "corrected_ttft_ms", "tokens_per_event"):
        summary = getattr(metrics, name)
        levels = ", ".join(f"quantile_cont({name}, {share})" for share in LEVELS.values())
        (found,) = duckdb.sql(
            f"select count({name}), {levels} from '{requests}' where counted"
        ).fetchall()
        assert found[0] == summary.count
        assert list(found[1:]) == pytest.approx([getattr(summary, level) for level in LEVELS])
    (gaps,) = duckdb.sql(
        f"select count(gap_ms), avg(gap_ms), max(gap_ms), quantile_cont(gap_ms, 0.5)"
        f" from '{tokens}' t join '{requests}' r using (id, attempt) where counted"
    ).fetchall()
    itl = metrics.itl_ms
    assert gaps == pytest.approx((itl.count, itl.mean, itl.max, itl.p50))


def test_parquet_has_types_and_all_that_the_lines_have(tables: tuple[str, str]):
    requests, tokens = (parquet.read_table(path) for path in tables)
    assert requests.column_names == list(names(keep_text=False))
    kinds = {name: str(requests.schema.field(name).type) for name in requests.column_names}
    assert kinds["started_at"] == "timestamp[ns, tz=UTC]"
    assert kinds["cost_usd"] == "decimal128(38, 18)"
    assert (kinds["index"], kinds["warmup"], kinds["ttft_ms"]) == ("int64", "bool", "double")
    assert requests["cost_usd"][1].as_py() == Decimal("0.0000255")
    assert requests["started_at"][1].value == STARTED + 5_050_000_007
    told = tokens.to_pylist()
    expected = [
        (line["id"], line["attempt"], number, *event)
        for line in as_lines(run_of())
        for number, event in enumerate(line["events"])
    ]
    assert [
        (row["id"], row["attempt"], row["event"], row["at_ms"], row["kind"], row["characters"])
        for row in told
    ] == expected
    assert told[0]["gap_ms"] is None
    assert tokens["at"][8].value == STARTED + 5_050_000_007 + 201_000_123
    assert "text" not in tokens.column_names


def test_parquet_metadata_tell_of_the_run(tables: tuple[str, str]):
    for path in tables:
        told = parquet.read_metadata(path).metadata
        assert json.loads(told[b"latency_lens.run"])["id"] == context().id
        assert result.decode(told[b"latency_lens.result"]) == run_of().result


def test_parquet_of_an_experiment_has_no_result(tmp_path: Path):
    path = saved("parquet", run_of(config={"experiment": "compare"}), tmp_path / "a.parquet")
    assert b"latency_lens.result" not in parquet.read_metadata(path).metadata


def test_parquet_is_written_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("llm_latency_lens.sinks.parquet._ROWS", 2)
    monkeypatch.setattr("llm_latency_lens.sinks.parquet._EVENTS", 10)
    path = saved("parquet", run_of(keep_text=True), tmp_path / "run.parquet")
    assert parquet.read_metadata(path).num_rows == len(mixed())
    tokens = parquet.read_table(tmp_path / "run.tokens.parquet")
    lines_of = as_lines(run_of())
    assert tokens["at_ms"].to_pylist() == [
        event[0] for line in lines_of for event in line["events"]
    ]
    assert tokens["event"].to_pylist()[:10] == [*range(8), 0, 1]
    assert tokens["text"][9].as_py() == "word 1"


def test_parquet_of_a_run_without_requests(tmp_path: Path):
    path = saved("parquet", run_of([]), tmp_path / "run.parquet")
    assert parquet.read_table(path).num_rows == 0
    assert parquet.read_table(tmp_path / "run.tokens.parquet").num_rows == 0


def test_a_cost_of_more_places_than_a_column_has_is_rounded(tmp_path: Path):
    records = [answered(1, cost_usd=Decimal("1") / 3)]
    path = saved("parquet", run_of(records), tmp_path / "run.parquet")
    assert parquet.read_table(path)["cost_usd"][0].as_py() == Decimal("0." + "3" * 18)


# -- MessagePack -----------------------------------------------------------------------------


def test_msgpack_holds_the_result_and_the_lines():
    packed = written("msgpack", run_of())

    class Packed(msgspec.Struct):
        result: result.Result
        requests: list[lines.Line]

    found = msgspec.msgpack.decode(packed, type=Packed)
    assert found.result == run_of().result
    assert found.requests == [lines.to_line(record) for record in mixed()]
    assert b"word 3" not in packed
    assert b"word 3" in written("msgpack", run_of(keep_text=True))


def test_msgpack_of_an_experiment_has_requests_alone():
    found = msgspec.msgpack.decode(written("msgpack", run_of(config={"experiment": "compare"})))
    assert list(found) == ["requests"]
    assert len(found["requests"]) == len(mixed())


def test_what_there_is_not_is_not_made_up():
    row = rows(run_of())[6]
    assert row["error_stage"] == "connect"
    empty = ("started_at", "ttft_ms", "send_ms", "longest_gap_ms", "output_tokens", "cost_usd")
    assert [row[name] for name in empty] == [""] * len(empty)
    assert (row["events"], row["stalls"]) == ("0", "0")
    assert EventKind.TEXT not in row.values()
    assert np.isfinite(float(rows(run_of())[5]["longest_gap_ms"]))
