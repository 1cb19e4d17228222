"""Measuring in rounds: who is asked again, and what ends it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens import Lens, RunError, UsageError, aoptimize, optimize
from llm_latency_lens.experiments.blocks import spread_out
from llm_latency_lens.experiments.optimize import _Ledger, _within
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

PRICES: Any = [
    {"provider": "openai", "model": "cheap", "per_request": "0.001"},
    {"provider": "openai", "model": "twin", "per_request": "0.001"},
    {"provider": "openai", "model": "dear", "per_request": "0.005"},
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    options = {"ttft": "lognormal:4ms,0.3", "gap": "300us", "tokens": "3"}
    with start_simulator(SimConfig.from_options(**options)) as running:
        yield running.base_url


@pytest.fixture
def lenses(url: str, tmp_path: Path) -> dict[str, Lens]:
    return {
        model: Lens(
            model=model, base_url=url, api_key="none", proxy=None, prices=PRICES,
            run_dir=tmp_path / "runs", max_tokens=3,
        )
        for model in ("cheap", "twin", "dear")
    }  # fmt: skip


def test_only_whom_it_helps_is_asked_again(lenses: dict[str, Lens], tmp_path: Path) -> None:
    """Two twins differ in nothing but chance; the third is out after the first round."""
    found = optimize(
        lenses, ["hi", "ho"], minimise=["cost", "ttft_ms"], weights={"cost": 9},
        concurrency=8, max_requests=110, name="duel", confidence=0.9999,
    )  # fmt: skip
    assert found.spent
    assert found.spent.rounds >= 2
    assert found.spent.requests <= 110
    cheap, twin, dear = found.candidates
    assert (dear.requests, dear.rank) == (20, 3)
    assert cheap.requests + twin.requests > 40
    assert found.spent.stopped == f"{found.spent.requests:,} requests were sent (--max-requests)"
    again = optimize(
        [tmp_path / "runs"], minimise=["cost", "ttft_ms"], weights={"cost": 9}, confidence=0.9999
    )
    assert (again.runs, again.candidates) == (found.runs, found.candidates)
    later = next((tmp_path / "runs").glob("*/run.json")).parent
    assert optimize([later], minimise=["cost"]).runs == found.runs
    with pytest.raises(UsageError, match="is named twice"):
        optimize([tmp_path / "runs", later])


def test_the_cost_of_all_rounds_is_held_to_its_limit(lenses: dict[str, Lens]) -> None:
    found = optimize(lenses, "hi", minimise=["ttft_ms"], concurrency=1, max_cost="0.02")
    assert found.spent
    assert found.spent.stopped == (
        "one more request could have taken the cost past $0.02 (--max-cost)"
    )
    assert float(found.spent.cost or 0) <= 0.02


def test_inside_a_running_loop(lenses: dict[str, Lens]) -> None:
    del lenses["twin"]
    found = asyncio.run(aoptimize(lenses, "hi", minimise=["cost"], concurrency=8))
    assert (found.answer, found.recommended) == ("decided", "cheap")


def test_nobody_answers(tmp_path: Path) -> None:
    deaf = {
        name: Lens(model=name, base_url="http://127.0.0.1:9/v1", api_key="none", proxy=None,
                   run_dir=tmp_path / name)
        for name in ("a", "b")
    }  # fmt: skip
    with pytest.raises(RunError, match=r"no request succeeded of any candidate: a: .*; b: "):
        optimize(deaf, "hi", minimise=["ttft_ms"], concurrency=8)


def test_what_is_no_choice(lenses: dict[str, Lens]) -> None:
    mixed: Any = {"a": lenses["cheap"], "b": "some-run"}
    with pytest.raises(UsageError, match="either kept runs or to be measured"):
        optimize(mixed, "hi")
    with pytest.raises(UsageError, match="no prompt to send"):
        optimize(lenses, minimise=["cost"])
    with pytest.raises(UsageError, match="at least one of each"):
        optimize(lenses, "hi", max_requests=2)
    with pytest.raises(UsageError, match=r"between 0\.5 and 1"):
        optimize(lenses, "hi", confidence=0.3)
    with pytest.raises(UsageError, match="no run to choose from"):
        optimize([])
    with pytest.raises(UsageError, match="max-cost is free"):
        optimize(lenses, "hi", max_cost="free")


def test_a_round_is_cut_to_what_is_left() -> None:
    shares = {"a": 30, "b": 10}
    assert _within(shares, 100, None, _Ledger(requests=50)) == shares
    assert _within(shares, 100, None, _Ledger(requests=80)) == {"a": 15, "b": 5}
    assert _within(shares, 100, None, _Ledger(requests=97)) == {"a": 2, "b": 1}
    for ledger in (_Ledger(requests=99), _Ledger(requests=100)):
        assert _within(shares, 100, None, ledger) == {}
        assert ledger.stopped
    assert _within({}, 100, None, _Ledger(requests=100)) == {}


def test_unequal_shares_are_spread_over_the_whole() -> None:
    order = list(spread_out({"a": 30, "b": 10}, 1))
    assert (
        order == list(spread_out({"a": 30, "b": 10}, 1)) != list(spread_out({"a": 30, "b": 10}, 2))
    )
    assert [number for number, arm in order if arm == "a"] == list(range(30))
    for begin in range(0, 40, 8):
        assert 1 <= Counter(arm for _, arm in order[begin : begin + 8])["b"] <= 3
