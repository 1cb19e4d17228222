"""Several ways in one run, and pauses before requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_parts import REQUEST, Stand
from tiny_server import serve

from llm_latency_lens.clock import MS_NS, SystemClock
from llm_latency_lens.engine.capture import Setup, capture
from llm_latency_lens.engine.load import make_plan
from llm_latency_lens.engine.ways import Way, Ways
from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.providers import decode
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Request
from llm_latency_lens.transport import Network, Tls


def _capture(arms: list[str | None], tmp_path: Path) -> list[Record]:
    """Two servers: `a` and `b` ask one each on kept connections, `c` the second on new ones."""

    async def main() -> list[Record]:
        async with serve("one two") as first, serve("three") as second, asyncio.timeout(20):
            warm, cold = Way(url=second), Way(url=second, connections="cold")
            by_arm = {None: Way(url=first), "a": Way(url=first), "b": warm, "c": cold}
            urls = {None: first, "a": first, "b": second, "c": second}
            ways = Ways(by_arm, SystemClock())
            assert len(ways) == 3
            requests = iter(
                [Request("openai", "m", urls.get(arm, first), (), b"{}", arm=arm) for arm in arms]
            )
            context = Context(id="run")
            plan = make_plan({"requests": len(arms)}, context, lambda _: next(requests), decode)
            captured = await capture(plan, context, Setup(run_dir=tmp_path / "out"), ways=ways)
            return sorted(captured.run.records(), key=lambda record: record.index)

    return asyncio.run(main())


def test_each_arm_goes_its_way(tmp_path: Path) -> None:
    records = _capture(["a", "b", "c", "a", "b", "c"], tmp_path)
    assert [record.arm for record in records] == ["a", "b", "c"] * 2
    assert all(record.status is Status.OK for record in records)
    assert [len(record.events) for record in records] == [2, 1, 1] * 2
    reused = [record.connection.reused for record in records]
    assert reused == [False, False, False, True, True, False]  # the first of each, opened early


def test_an_arm_without_a_way_goes_the_usual_one(tmp_path: Path) -> None:
    assert [len(record.events) for record in _capture(["other", None], tmp_path)] == [2, 2]


def test_every_way_is_checked_before_anything_is_sent() -> None:
    sound, broken = Way(url="http://127.0.0.1:1/"), Network(tls=Tls(ca_file="/no/such.pem"))
    ways = Ways({"a": sound, "b": Way(url="https://h/", network=broken)}, SystemClock())
    with pytest.raises(UsageError, match="CA file"):
        ways.check()


def _waiting(stand: Stand, pauses_ms: list[int]) -> None:
    """Ask for these pauses in turn."""
    left: Iterator[int] = iter(pauses_ms)
    stand.run(requests=len(pauses_ms), pause_ns=lambda: next(left) * MS_NS)
    assert next(left, None) is None


def test_a_pause_begins_when_the_request_before_it_has_ended() -> None:
    stand = Stand()  # each answer takes 120 ms
    _waiting(stand, [0, 1000, 0, 30])
    assert stand.starts_ms() == [0, 1120, 1240, 1390]


def test_a_request_is_taken_when_its_pause_is_over() -> None:
    """A token or a signature that it is given must still be good when it is sent."""
    stand = Stand()
    taken_ms: list[int] = []

    def workload(_: Record | None) -> Request:
        taken_ms.append(stand.clock.monotonic_ns() // MS_NS)
        return REQUEST

    stand.run(requests=2, pause_ns=lambda: 1000 * MS_NS, workload=workload)
    assert taken_ms == [1000, 2120]


def test_an_interrupt_ends_a_pause_and_nothing_is_sent_behind_it() -> None:
    stand = Stand()
    stand.at(5_000, lambda: stand.engine.interrupt())
    _waiting(stand, [0, 3_600_000])
    assert stand.starts_ms() == [0]
    assert 5_000 * MS_NS <= stand.clock.monotonic_ns() < 5_200 * MS_NS
