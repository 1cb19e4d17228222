"""Comparisons, from lenses to a kept run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens import Lens, Progress, Prompt, Timeouts, UsageError, load, load_trial
from llm_latency_lens.experiments.blocks import shuffled_blocks
from llm_latency_lens.experiments.compare import _Together, acompare, compare, summed_up
from llm_latency_lens.experiments.party import Party
from llm_latency_lens.metrics.comparison import encode
from llm_latency_lens.record import Record
from llm_latency_lens.request import Request
from llm_latency_lens.targets import Aim
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

KEY = "sk-test-0123456789abcdef"
PROMPTS = [Prompt(({"role": "user", "content": text},), tag=text) for text in ("one", "two")]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Two simulators, one of them slower and with larger events."""
    quick = {"ttft": "lognormal:4ms,0.2", "gap": "500us", "tokens": "6"}
    slow = {**quick, "ttft": "lognormal:12ms,0.2", "tokens_per_event": "2", "seed": "5"}
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(start_simulator(SimConfig.from_options(**options))).base_url
            for name, options in (("quick", quick), ("slow", slow))
        }


@pytest.fixture
def lenses(servers: dict[str, str], tmp_path: Path) -> dict[str, Lens]:
    return {name: lens(url, tmp_path) for name, url in servers.items()}


def lens(url: str, tmp_path: Path, **settings: Any) -> Lens:
    known = {"model": "sim", "api_key": "none", "proxy": None, "run_dir": tmp_path / "run"}
    return Lens(base_url=url, **{**known, **settings})


def in_order(records: Iterator[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.index)


def test_candidates_take_turns_in_an_order_that_is_drawn(lenses: dict[str, Lens]) -> None:
    seen: list[Progress] = []
    found = compare(
        lenses, PROMPTS, requests=9, warmup=1, seed=3, name="duel", on_progress=seen.append
    )
    records = in_order(found.records())
    order = list(shuffled_blocks(["quick", "slow"], 10, 3))
    assert [record.arm for record in records] == [arm for _, arm in order]
    assert [record.tag for record in records] == [("one", "two")[block % 2] for block, _ in order]
    assert [record.warmup for record in records] == [True] * 2 + [False] * 18
    result = found.result
    assert result.run.name == "duel"
    assert [one.requests.ok for one in result.candidates] == [9, 9]
    assert result.pairs[0].sentence.startswith("quick answers ")
    assert result.design.prompts == 2
    assert len(result.config["arms"]["quick"]["base_url"]) > 9
    assert result.config["model"] == "sim"
    assert not [progress for progress in seen if progress.planned != 18]


def test_a_kept_run_comes_to_the_same_again(lenses: dict[str, Lens]) -> None:
    found = compare(lenses, "hi", requests=7, seed=2)
    again = load(found.run_dir)
    context = again.run.file.context
    assert context.config["experiment"] == "compare"
    trial = load_trial(found.run_dir)
    assert trial.result == found.result
    assert encode(summed_up(again.records(), context)) == encode(found.result)


def test_inside_a_running_loop(lenses: dict[str, Lens]) -> None:
    async def main() -> int:
        found = await acompare(lenses, ["hi"], requests=2, concurrency=4)
        return found.result.candidates[0].requests.ok

    assert asyncio.run(main()) == 2


def test_each_request_is_signed_by_its_own_candidate(
    lenses: dict[str, Lens], tmp_path: Path
) -> None:
    """What one cloud's token adds must not reach another's server, nor the disk."""
    signed: list[tuple[str, str]] = []

    class Signing:
        def __init__(self, name: str, lens: Lens) -> None:
            self.name, self.lens = name, lens

        def party(self) -> Party:
            party = self.lens.party()

            @contextlib.contextmanager
            def aim() -> Iterator[Aim]:
                with party.aim() as whole:
                    yield replace(whole, authorize=self.authorize, secrets=[KEY.encode()])

            return replace(party, aim=aim)

        def authorize(self, request: Request) -> Request:
            signed.append((self.name, str(request.arm)))
            return replace(request, headers=(*request.headers, ("x-note", KEY)))

    found = compare({name: Signing(name, one) for name, one in lenses.items()}, "hi", requests=3)
    assert len(signed) == 6
    assert all(name == arm for name, arm in signed)
    assert found.result.candidates[1].requests.ok == 3
    assert KEY.encode() not in b"".join(file.read_bytes() for file in found.run_dir.iterdir())


def test_the_cost_of_all_is_held_to_its_limit(servers: dict[str, str], tmp_path: Path) -> None:
    prices: Any = [
        {"provider": "openai", "model": "sim", "per_request": "0.01"},
        {"provider": "vllm", "model": "sim", "per_request": "0.03"},
    ]
    lenses = {
        "dear": lens(servers["quick"], tmp_path, provider="vllm", prices=prices),
        "cheap": lens(servers["quick"], tmp_path, prices=prices),
    }
    found = compare(lenses, "hi", requests=50, max_cost="0.20")
    dear, cheap = found.result.candidates
    assert (str(dear.cost.per_request), str(cheap.cost.per_request)) == ("0.03", "0.01")
    assert found.result.run.stopped_early is not None
    assert "--max-cost" in found.result.run.stopped_early
    assert dear.requests.ok + cheap.requests.ok in (9, 10, 11)
    with pytest.raises(UsageError, match="no price known for openai/other"):
        compare(
            {**lenses, "third": lens(servers["quick"], tmp_path, model="other")},
            "hi",
            max_cost=1,
        )


def test_what_cannot_be_compared(lenses: dict[str, Lens], tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/v1"
    with pytest.raises(UsageError, match="two candidates or more"):
        compare({"quick": lenses["quick"]}, "hi")
    with pytest.raises(UsageError, match="there is no prompt"):
        compare(lenses, [])
    for other in (
        lens(url, tmp_path, operation="embeddings"),
        lens(url, tmp_path, timeouts=Timeouts(first_token_s=1)),
    ):
        with pytest.raises(UsageError, match="must share the operation and the limit"):
            compare({**lenses, "other": other}, "hi")
    with pytest.raises(UsageError, match="requests is 0"):
        compare(lenses, "hi", requests=0)


def test_secrets_are_those_of_all_and_may_grow() -> None:
    one, other = [b"a"], [b"b", b"c"]
    together = _Together([one, other])
    one.append(b"new")
    assert (len(together), list(together), together[-1]) == (4, [b"a", b"new", b"b", b"c"], b"c")
