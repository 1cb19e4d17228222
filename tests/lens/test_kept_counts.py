"""Tokens that this program counts are the same whenever the run is looked at again."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_latency_lens import Lens, UsageError, load
from llm_latency_lens.store.runs import Raw
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("raw", ["full", "off"])
def test_counts_are_kept_with_the_run(raw: Raw, tmp_path: Path) -> None:
    config = SimConfig.from_options(ttft="1ms", gap="1ms", tokens="5")
    with start_simulator(config) as simulator:
        lens = Lens(
            model="sim",
            base_url=simulator.base_url,
            api_key="none",
            proxy=None,
            run_dir=tmp_path / "run",
            raw=raw,
            tokenizer=words,
            extra_body={"stream_options": None},
        )
        found = lens.benchmark("hi", requests=2)
    assert found.result.tokens.source == "tokenizer"
    assert found.result.tokens.output == 10
    assert load(tmp_path / "run").result == found.result


def test_blanked_text_cannot_be_counted() -> None:
    with pytest.raises(UsageError, match="blanked text cannot be counted"):
        Lens(model="sim", api_key="none", raw="redacted", tokenizer=words)
