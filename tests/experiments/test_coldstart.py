"""Cold starts, on a clock that jumps and for real."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cooling_server import CoolingServer

from llm_latency_lens import Lens, Prompt, UsageError, load
from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.experiments import coldstart as experiment
from llm_latency_lens.experiments.coldstart import Outlook, Standing, outlook, summed_up
from llm_latency_lens.measured import Trial
from llm_latency_lens.metrics.coldstart import Coldstart, decode, encode
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

GAPS = (0, 1, 4)
ARMS = ["warm", "cold", "idle 1s", "idle 4s", "resumed", "unique", "repeated"]


@pytest.fixture
def lens(tmp_path: Path) -> Lens:
    return Lens(model="m", base_url="https://h/v1", api_key="none", run_dir=tmp_path, raw="off")


class Stand:
    """An experiment on a clock of its own."""

    def __init__(self, lens: Lens) -> None:
        self.clock = FakeClock()
        self.server = CoolingServer(self.clock)
        self.seen: list[Standing] = []
        self.tell: Callable[[Standing], None] = self.seen.append
        self._lens = lens

    def run(self, prompt: Any = "Say hello.", **cooling: Any) -> Trial[Coldstart]:
        known: Any = {"idle_s": GAPS, "repeat": 8, "prefix_words": 2000, **cooling}
        work = experiment._coldstart(
            self._lens,
            prompt,
            "a name",
            self.tell,
            known,
            handle_signals=True,
            ways=self.server,  # type: ignore[arg-type]
            clock=self.clock,
        )
        return self.clock.run(work)


def test_where_a_cold_start_comes_from(lens: Lens) -> None:
    found = Stand(lens).run().result
    parts = {part.source: part for part in found.parts}
    assert list(parts) == ["model", "prompt_cache", "connection"]
    assert parts["model"].ms == pytest.approx(500, abs=8)
    assert parts["prompt_cache"].ms == pytest.approx(105, abs=12)
    assert parts["connection"].ms == pytest.approx(30, abs=8)
    assert sum(part.share for part in found.parts) == pytest.approx(1)
    assert found.total_ms == pytest.approx(sum(part.ms for part in found.parts))
    assert (found.longest_idle_without_s, found.first_idle_with_s) == (1, 4)
    assert found.sentence.startswith("A cold start costs 6")
    assert found.sentence.endswith(
        "Idling for 1 s makes no difference that can be told; after 4 s idle it is back."
    )
    assert found.run.name == "a name"


def test_every_arm_is_summed_up(lens: Lens) -> None:
    found = Stand(lens).run().result
    arms = {arm.name: arm for arm in found.arms}
    assert sorted(arms) == sorted(ARMS)
    assert {arm.requests.ok for arm in found.arms} == {8}
    assert {arm.requests.planned for arm in found.arms} == {8}
    assert [arms[name].connection for name in ARMS] == (
        ["kept", "new", "new", "new", "resumed", "kept", "kept"]
    )
    assert [arms[name].prefix for name in ("warm", "unique", "repeated")] == (
        ["none", "unique", "repeated"]
    )
    assert (arms["resumed"].tls_resumed, arms["cold"].tls_resumed) == (8, 0)
    assert arms["idle 4s"].hints_ms == {"prompt_ms": 590.0}
    assert arms["idle 4s"].idle_s == 4
    connection = found.connection
    assert connection.resumption_ms.difference == pytest.approx(12)  # type: ignore[union-attr]
    cache: Any = found.prompt_cache
    assert cache.unique_cached_tokens == 0
    assert cache.repeated_cached_tokens == cache.input_tokens > 2000


def test_the_order_and_what_is_warmed_up_before(lens: Lens) -> None:
    stand = Stand(lens)
    stand.run()
    arms = [arm for arm, _ in stand.server.asked]
    assert arms[0] == "prime"
    assert {arm: arms.count(arm) for arm in ARMS} == dict.fromkeys(ARMS, 8)
    cooled = False
    for arm, idle_s in stand.server.asked:
        gap = float(arm.removeprefix("idle ").removesuffix("s")) if "idle" in arm else 0.0
        assert idle_s == pytest.approx(gap, abs=0.06)
        assert not (cooled and arm in ("warm", "unique", "repeated"))
        cooled = bool(gap) or (cooled and arm != "prime")


def test_unique_prefixes_are_so_in_every_run_and_the_repeated_one_is_one(lens: Lens) -> None:
    bodies: dict[str, set[bytes]] = {}
    for _ in range(2):
        stand = Stand(lens)
        stand.run(repeat=3)
        for (arm, _), body in zip(stand.server.asked, stand.server.bodies, strict=True):
            bodies.setdefault(arm, set()).add(body)
    assert {arm: len(bodies[arm]) for arm in ("unique", "repeated", "warm", "cold")} == {
        "unique": 6,
        "repeated": 2,
        "warm": 1,
        "cold": 1,
    }
    assert bodies["prime"] == bodies["repeated"]
    assert len({body[:400] for body in bodies["unique"]}) == 6


def test_what_is_not_there_is_not_told(lens: Lens) -> None:
    stand = Stand(lens)
    stand.server.unloads = stand.server.remembers = False
    found = stand.run().result
    assert [part.source for part in found.parts] == ["connection"]
    assert (found.longest_idle_without_s, found.first_idle_with_s) == (4, None)
    assert "Idling for up to 4 s makes no difference that can be told." in found.sentence


def test_too_few_requests_are_no_answer(lens: Lens) -> None:
    found = Stand(lens).run(repeat=3).result
    assert (found.parts, found.total_ms) == ([], None)
    assert (found.longest_idle_without_s, found.first_idle_with_s) == (None, None)
    assert found.sentence == (
        "Where a cold start comes from cannot be told from 3 requests of each kind (6 or more are"
        " needed: --repeat). How long idling may last cannot be told from 3 requests of each kind"
        " (7 or more are needed: --repeat)."
    )


def test_a_server_that_breaks_off(lens: Lens) -> None:
    stand = Stand(lens)
    stand.server.breaks_after = 1
    found = stand.run().result
    assert {arm.requests.failed for arm in found.arms} == {8}
    assert found.sentence.startswith(
        "Where a cold start comes from cannot be told from 0 requests of each kind (6 or more"
    )


def test_a_server_that_is_not_there_is_not_waited_for(lens: Lens) -> None:
    stand = Stand(lens)
    stand.server.breaks_after = 0
    found = stand.run(idle_s=(0, 3600)).result
    assert [arm for arm, _ in stand.server.asked] == ["prime"]
    assert stand.clock.monotonic_ns() < 3600 * SECOND_NS
    assert found.run.stopped_early == "the first request failed: lost"


def test_the_cache_can_be_left_out(lens: Lens) -> None:
    stand = Stand(lens)
    found = stand.run(prefix_words=0).result
    assert "prompt_cache" not in encode(found).decode()
    assert len(set(stand.server.bodies)) == 1
    assert [part.source for part in found.parts] == ["model", "connection"]


def test_an_interrupt_in_a_gap_keeps_what_was_measured(lens: Lens) -> None:
    stand = Stand(lens)
    interrupted_s = []

    def interrupt(standing: Standing) -> None:
        if standing.due_in_s > 3000 and not interrupted_s:
            interrupted_s.append(stand.clock.monotonic_ns() / 1e9)
            os.kill(os.getpid(), signal.SIGINT)

    stand.tell = interrupt
    found = stand.run(idle_s=(0, 3600))
    assert found.result.run.interrupted
    assert stand.clock.monotonic_ns() / 1e9 < interrupted_s[0] + 1
    measured = [arm for arm, _ in stand.server.asked if arm != "prime"]
    assert sum(arm.requests.ok for arm in found.result.arms) == len(measured) > 0


def test_how_it_stands(lens: Lens) -> None:
    stand = Stand(lens)
    stand.run(repeat=2)
    of = len(stand.server.asked)
    assert {standing.of for standing in stand.seen} == {of}
    assert max(standing.due_in_s for standing in stand.seen) > 3.5
    assert stand.seen[0].waiting_s <= 2 * 5
    assert stand.seen[-1].waiting_s < 4.1
    assert {standing.arm for standing in stand.seen} >= {"idle 1s", "idle 4s"}


def test_what_a_run_will_be(lens: Lens, tmp_path: Path) -> None:
    found = outlook(lens, idle_s=(30,), repeat=2, seed=1)
    assert found.waiting_s == 60
    assert 2 * 6 + 1 <= found.requests <= 2 * 6 + 3
    assert found.prefixed == found.requests - 8
    plain = Lens(model="m", base_url="http://127.0.0.1:1/v1", run_dir=tmp_path)
    assert outlook(plain, idle_s=(), repeat=1, prefix_words=0) == Outlook(3, 0, 0)


@pytest.mark.parametrize(
    ("cooling", "words"),
    [
        ({"idle_s": (-1,)}, "idle is -1: a gap is a time of 0 or more"),
        ({"idle_s": (float("inf"),)}, "idle is inf"),
        ({"repeat": 0}, "repeat is 0"),
        ({"prefix_words": -1}, "prefix-words is -1"),
    ],
)
def test_what_is_no_such_experiment(lens: Lens, cooling: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        outlook(lens, **cooling)


def test_for_real(tmp_path: Path) -> None:
    with start_simulator(SimConfig.from_options(ttft="2ms", gap="1ms", tokens="3")) as simulator:
        lens = Lens(model="sim", base_url=simulator.base_url, proxy=None, run_dir=tmp_path / "one")
        prompt = Prompt(({"role": "user", "content": [{"type": "text", "text": "hi"}]},))
        found = lens.coldstart(prompt, idle_s=(0, 0.01), repeat=2, prefix_words=50)

        async def inside() -> Trial[Coldstart]:
            other = Lens(model="sim", base_url=simulator.base_url, run_dir=tmp_path / "other")
            return await experiment.acoldstart(other, idle_s=(), repeat=1, prefix_words=0)

        assert len(asyncio.run(inside()).result.arms) == 2
    records = list(found.records())
    assert all(not record.connection.reused for record in records if record.arm == "cold")
    assert all(record.connection.reused for record in records if record.arm == "repeated")
    assert {record.usage.input for record in records if record.arm == "warm"} == {1}
    again = load(found.run_dir)
    context = again.run.file.context
    assert context.config["experiment"] == "coldstart"
    assert encode(summed_up(again.records(), context)) == encode(found.result)
    assert decode(encode(found.result)) == found.result
