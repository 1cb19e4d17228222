"""Server-sent events: what clients are told, and who is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from watched_monitor import NOW_UNIX_S, FakeMonitor, row, target

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.service.alerts import Incident
from llm_latency_lens.service.api import Desk
from llm_latency_lens.service.api.deciding import record_of
from llm_latency_lens.service.api.faults import BusyError
from llm_latency_lens.service.api.stream import MOST_CLIENTS, QUEUE
from llm_latency_lens.service.monitor import Reload
from llm_latency_lens.service.probe import Probe


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[FakeMonitor]:
    with FakeMonitor(tmp_path, target("mini")) as found:
        yield found


def probe(at: float = NOW_UNIX_S, **more: Any) -> Probe:
    found = row("mini", at, **more)
    return Probe(found, record_of(found))


def read(event: bytes) -> tuple[str, Any]:
    first, second, *rest = event.decode().split("\n")
    assert rest == ["", ""]
    return first.removeprefix("event: "), msgspec.json.decode(second.removeprefix("data: "))


async def opened(desk: Desk) -> AsyncIterator[bytes]:
    client = desk.stream.subscribe()
    assert await anext(client) == b"retry: 3000\n\n"
    return client


def test_probes_are_told_without_texts(monitor: FakeMonitor) -> None:
    desk = Desk(monitor)
    (taker,) = monitor.takers

    async def run() -> None:
        taker(probe())  # nobody listens
        client = await opened(desk)
        taker(probe(NOW_UNIX_S + 1, status="failed", error="it said: secret words"))
        kind, told = read(await anext(client))
        assert kind == "probe"
        assert (told["target"], told["status"], told["at_unix_s"]) == (
            "mini", "failed", NOW_UNIX_S + 1.0,
        )  # fmt: skip
        assert "error" not in told

    monitor.clock.run(run())


def test_incidents_and_reloads_are_told_when_they_come(monitor: FakeMonitor) -> None:
    desk = Desk(monitor)

    async def run() -> list[tuple[str, Any]]:
        client = await opened(desk)
        monitor.alerts.all = [
            Incident(id="a", kind="down", severity="critical", what="", sentence="down",
                     opened_unix_s=1.0, since_unix_s=1.0, target="mini")
        ]  # fmt: skip
        found = [read(await anext(client))]
        monitor.last_reload = Reload(NOW_UNIX_S, "line 3: what is this")
        monitor.alerts.all[0].resolved_unix_s = 2.0
        return [*found, read(await anext(client)), read(await anext(client))]

    assert monitor.clock.run(run()) == [
        ("incidents", {"open": ["a"]}),
        ("incidents", {"open": []}),
        ("reload", {"at_unix_s": NOW_UNIX_S, "error": "line 3: what is this"}),
    ]


def test_a_quiet_stream_stays_open(monitor: FakeMonitor) -> None:
    desk = Desk(monitor)

    async def run() -> bytes:
        client = await opened(desk)
        before_ns = monitor.clock.monotonic_ns()
        beat = await anext(client)
        assert monitor.clock.monotonic_ns() - before_ns == 15 * SECOND_NS
        return beat

    assert monitor.clock.run(run()) == b": still here\n\n"


def test_who_does_not_keep_up_is_dropped_and_others_are_not(monitor: FakeMonitor) -> None:
    desk = Desk(monitor)

    async def run() -> None:
        slow, quick = await opened(desk), await opened(desk)
        for place in range(QUEUE + 1):
            desk.stream(probe(NOW_UNIX_S + place))
            assert read(await anext(quick))[0] == "probe"
        assert len(desk.stream) == 1
        assert [event async for event in slow] == []
        desk.stream(probe())
        assert read(await anext(quick))[0] == "probe"

    monitor.clock.run(run())
    assert desk.stream.dropped == 1


def test_there_are_only_so_many_clients(monitor: FakeMonitor) -> None:
    desk = Desk(monitor)

    async def run() -> None:
        clients = [await opened(desk) for _ in range(MOST_CLIENTS)]
        with pytest.raises(BusyError, match="64 clients listen already"):
            desk.stream.subscribe()
        await clients[0].aclose()  # type: ignore[attr-defined]
        await opened(desk)

    monitor.clock.run(run())


def test_at_the_end_every_stream_ends(monitor: FakeMonitor) -> None:
    desk = Desk(monitor)

    async def run() -> None:
        client = await opened(desk)
        waiting = asyncio.ensure_future(anext(client, None))
        await asyncio.sleep(0)
        desk.stream.close()
        assert await waiting is None
        late = await opened(desk)
        assert [event async for event in late] == []

    monitor.clock.run(run())
