"""Results as tables of PyArrow, pandas and Polars."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

sys.path.append(str(Path(__file__).parents[1]))
from drawn_samples import kept, records
from llm_latency_lens import Benchmark, Profile, UsageError, load
from llm_latency_lens.sinks import parquet as sinks_parquet
from llm_latency_lens.sinks.parquet import table_of

COUNT = 12
EVENTS = 16


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return load(kept(tmp_path_factory.mktemp("kept") / "run", records(COUNT)))


def test_the_tables_are_those_of_the_parquet_export(found: Benchmark, tmp_path: Path) -> None:
    found.export("parquet", tmp_path / "run.parquet")
    for table, file in (("requests", "run.parquet"), ("tokens", "run.tokens.parquet")):
        written = parquet.read_table(tmp_path / file).replace_schema_metadata(None)
        assert written.to_pylist() == found.to_arrow(table).to_pylist()  # type: ignore[arg-type]
        assert written.schema.names == found.to_arrow(table).schema.names  # type: ignore[arg-type]


def test_every_library_has_the_same_values(found: Benchmark) -> None:
    ttft = [record.ttft_ns / 1e6 for record in found.records() if record.ttft_ns is not None]
    assert found.to_arrow()["ttft_ms"].to_pylist() == ttft
    assert found.to_pandas()["ttft_ms"].tolist() == ttft
    assert found.to_polars()["ttft_ms"].to_list() == ttft
    tokens = found.to_polars("tokens")
    assert tokens.shape[0] == COUNT * EVENTS
    assert tokens["gap_ms"].null_count() == COUNT
    assert found.to_pandas("tokens").groupby("id", observed=True).size().tolist() == [16] * COUNT


def test_money_and_moments_keep_what_they_are(found: Benchmark) -> None:
    cost = Decimal("0.000123")
    one = Profile(replace(records(1)[0], cost_usd=cost), found.run)
    assert one.to_arrow().schema.field("started_at").type == pa.timestamp("ns", "UTC")
    assert one.to_polars()["cost_usd"].to_list() == [cost]
    assert one.to_pandas()["cost_usd"][0] == cost


def test_texts_are_there_only_where_they_are_asked_for(found: Benchmark) -> None:
    assert "text" not in found.to_arrow().schema.names
    assert "text" not in found.to_arrow("tokens").schema.names
    record = records(1)[0]
    one = Profile(record, found.run)
    assert one.to_arrow(keep_text=True)["text"].to_pylist() == [one.text]
    assert one.to_pandas("tokens", keep_text=True)["text"].tolist() == record.events.text
    assert one.to_polars()["index"].to_list() == [record.index]


def test_parts_of_a_long_run_share_their_dictionaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks_parquet, "_EVENTS", 2 * EVENTS)
    monkeypatch.setattr(sinks_parquet, "_ROWS", 2)
    drawn = records(5)
    assert table_of(drawn, "requests")["id"].to_pylist() == [record.id for record in drawn]
    table = table_of(drawn, "tokens")
    assert table.num_rows == 5 * EVENTS
    assert table["id"].num_chunks == 1
    assert table["id"].unique().to_pylist() == [record.id for record in drawn]


def test_another_table_is_none(found: Benchmark) -> None:
    with pytest.raises(UsageError, match="no table 'gaps': there are requests and tokens"):
        found.to_arrow("gaps")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "missing", "extra"),
    [
        ("to_arrow", "pyarrow", "store"),
        ("to_pandas", "pandas", "pandas"),
        ("to_polars", "polars", "polars"),
    ],
)
def test_what_is_missing_is_named(
    found: Benchmark, monkeypatch: pytest.MonkeyPatch, method: str, missing: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "llm_latency_lens.sinks.parquet", raising=False)
    with pytest.raises(UsageError) as told:
        getattr(found, method)()
    assert str(told.value) == (
        f"{method}() needs {missing}: pip install 'llm-latency-lens[{extra}]'"
    )
