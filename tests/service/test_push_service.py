"""Receivers that are down, refuse, come back: what is pushed is what was measured, in order."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from probed import BEGAN, MS, SECOND, failure, probe, refused, target
from prometheus_client.parser import text_string_to_metric_families

from llm_latency_lens.errors import SinkError, UsageError
from llm_latency_lens.service.config import PushConfig
from llm_latency_lens.service.metrics import Metrics
from llm_latency_lens.service.probe import Probe
from llm_latency_lens.service.push import Push, Pushes, PushHealth
from llm_latency_lens.service.queues import DiskQueue
from llm_latency_lens.testing.clock import FakeClock

sys.path.append(str(Path(__file__).parents[1] / "sinks"))
from recording_server import Got, Server, recording
from remote_writes import read_request

BUSY = (503, "not now")
TARGETS = (
    target("chat", base_url="https://api.example.com/v1", labels={"odd": 'a "b"\\n\n,x="y"'}),
    target("code"),
)


@pytest.fixture
def server() -> Iterator[Server]:
    with recording() as found:
        yield found


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """One for each receiver: such a server talks to one client at a time."""
    with ExitStack() as stack:
        yield [stack.enter_context(recording()) for _ in range(3)]


class Monitor:
    """What of a monitor has to do with pushes, with threads that do not run by themselves."""

    def __init__(
        self,
        folder: Path,
        *urls: str,
        clock: FakeClock | None = None,
        room: int = 1 << 20,
        interval_s: int = 15,
    ):
        self.clock = clock or FakeClock(realtime_ns=BEGAN)
        self.interval_s = interval_s
        self.metrics = Metrics(TARGETS, self.clock)
        configs = [PushConfig(url=url, interval_s=interval_s, max_queue_bytes=room) for url in urls]
        self.pushes = Pushes(
            configs, folder, self.clock, metrics=self.metrics, environ={}, targets=TARGETS
        )
        self.each: list[Push] = list(self.pushes._pushes.values())

    def tell(self, *probes: Probe) -> None:
        for one in probes:
            self.metrics(one)
            self.pushes(one)

    def pass_by(self, seconds: int) -> None:
        """Let time go by and do what is due."""
        for _ in range(seconds // self.interval_s):
            self.clock.advance(self.interval_s * SECOND)
            asyncio.run(self._turn())

    async def _turn(self) -> None:
        for push in self.each:
            await self.pushes.snapshot(push)
            push.turn()

    @property
    def health(self) -> PushHealth:
        (found,) = self.pushes.health()
        return found

    def close(self) -> None:
        """Hang up: a server of these tests waits for that."""
        for push in self.pushes._pushes.values():
            push.outlet.close()
            with suppress(OSError):
                push._queue.close()


Made = Callable[..., Monitor]


@pytest.fixture
def made(tmp_path: Path, server: Server, servers: list[Server]) -> Iterator[Made]:
    """Makes monitors that hang up at the end, however it comes."""
    with ExitStack() as stack:

        def make(*urls: str, **told: object) -> Monitor:
            monitor = Monitor(tmp_path, *urls, **told)  # type: ignore[arg-type]
            stack.callback(monitor.close)
            return monitor

        yield make


def lines_of(got: Sequence[Got]) -> list[str]:
    return [line for one in got for line in one.body.decode().splitlines()]


def test_a_receiver_that_is_down_for_an_hour_gets_everything_in_order(
    made: Made, servers: list[Server]
):
    urls = "influx+http://{}?db=d", "otlp+http://{}", "remote-write+http://{}"
    hosts = [server.host for server in servers]
    monitor = made(*map(str.format, urls, hosts), interval_s=120)
    for server in servers:
        server.answers = [BUSY] * 200
    told = []
    for turn in range(30):
        now = monitor.clock.realtime_ns()
        told += [probe(turn, "chat", now), (failure, refused)[turn % 2](turn, "code", now)]
        monitor.tell(*told[-2:])
        monitor.pass_by(120)
    assert {health.error for health in monitor.pushes.health()} == {"HTTP 503: not now"}
    assert [health.sent for health in monitor.pushes.health()] == [0, 0, 0]
    for server in servers:
        assert len(server.got) == 30
        server.answers, server.got = [], []
    monitor.pass_by(120)
    assert [(one.sent, one.lost, one.error) for one in monitor.pushes.health()] == [
        (60, 0, None),
        (60, 0, None),
        (31, 0, None),
    ]
    influx, otlp, remote = servers
    points = lines_of(influx.got)
    assert [re.search(r'id="([^"]+)"', one)[1] for one in points] == [  # type: ignore[index]
        one.record.id for one in told
    ]
    assert [int(one.rpartition(" ")[2]) for one in points] == [
        one.record.start_unix_ns or one.row.at_unix_ns for one in told
    ]
    spans = [
        span
        for one in otlp.got
        if one.path == "/v1/traces"
        for span in ExportTraceServiceRequest.FromString(one.body)
        .resource_spans[0]
        .scope_spans[0]
        .spans
    ]
    ids = [_text(span.attributes, "latency_lens.request.id") for span in spans]
    assert ids == [one.record.id for one in told]
    assert len({span.trace_id for span in spans}) == 60
    assert _text(spans[0].attributes, "server.address") == "api.example.com"
    _check_metrics([one for one in otlp.got if one.path == "/v1/metrics"], told)
    _check_samples(remote.got, monitor)


def _text(attributes: object, name: str) -> str:
    return next(one.value.string_value for one in attributes if one.key == name)  # type: ignore[attr-defined]


def _check_metrics(got: list[Got], told: list[Probe]) -> None:
    """Sums grow from the first record on, and end with all of them."""
    last = ExportMetricsServiceRequest.FromString(got[-1].body).resource_metrics[0].scope_metrics[0]
    (duration,) = (one for one in last.metrics if one.name == "gen_ai.client.operation.duration")
    points = duration.histogram.data_points
    assert sorted(point.count for point in points) == [15, 30]
    assert {point.start_time_unix_nano for point in points} == {BEGAN}


def _check_samples(got: list[Got], monitor: Monitor) -> None:
    """A snapshot every two minutes with its own time; the last one is what a scrape sees."""
    assert len(got) == 31
    snapshots = [_samples(one.body) for one in got]
    assert [stamp for stamp, _ in snapshots] == [BEGAN // MS + 120_000 * n for n in range(1, 32)]
    text, _ = asyncio.run(monitor.metrics.text())
    scraped = {
        tuple(
            sorted({"__name__": one.name, "job": "latency_lens", **one.labels}.items())
        ): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }
    assert snapshots[-1][1] == scraped
    counts = [_counted(samples) for _, samples in snapshots]
    assert counts == [min(30, 1 + place) for place in range(31)]


def _counted(samples: dict[tuple[tuple[str, str], ...], float]) -> float:
    wanted = {("__name__", "latency_lens_ttft_seconds_count"), ("target", "chat")}
    (found,) = (value for labels, value in samples.items() if wanted <= set(labels))
    return found


def _samples(body: bytes) -> tuple[int, dict[tuple[tuple[str, str], ...], float]]:
    """The stamp and the samples of a remote write."""
    found = read_request(body)
    (stamp,) = {stamp for _, stamp in found.values()}
    return stamp, {labels: value for labels, (value, _) in found.items()}


def test_what_waits_survives_a_kill_and_goes_first(made: Made, server: Server):
    url = f"influx2+http://{server.host}?org=o&bucket=b"
    server.answers = [BUSY] * 5
    killed = made(url)
    killed.tell(probe(0), probe(1))
    killed.pass_by(15)
    assert killed.health.waiting_bytes > 0
    killed.each[0].outlet.close()
    server.answers = []
    monitor = made(url, clock=killed.clock)
    monitor.tell(probe(2))
    monitor.pass_by(15)
    assert [re.search(r'id="r-chat-(\d)"', one)[1] for one in lines_of(server.got[1:])] == [  # type: ignore[index]
        *"012"
    ]
    assert monitor.health == PushHealth(url, 3, 0, 0, None)


def test_a_receiver_that_refuses_loses_that_and_no_more(made: Made, server: Server):
    server.answers = [(400, "bad point")]
    monitor = made(f"influx+http://{server.host}?db=d")
    monitor.tell(probe(0), probe(1))
    monitor.pass_by(15)
    assert (monitor.health.sent, monitor.health.lost) == (0, 2)
    assert monitor.health.error == "HTTP 400: bad point"
    monitor.tell(probe(2))
    monitor.pass_by(15)
    assert (monitor.health.sent, monitor.health.lost, monitor.health.error) == (1, 2, None)


def test_a_queue_is_bounded_and_what_it_loses_is_told(made: Made, server: Server):
    server.answers = [BUSY] * 100
    monitor = made(f"influx+http://{server.host}?db=d", room=20_000)
    for number in range(60):
        monitor.tell(probe(number))
    monitor.pass_by(15)
    lost = monitor.health.lost
    assert 0 < monitor.health.waiting_bytes <= 20_000
    server.answers, server.got = [], []
    monitor.pass_by(60)
    assert monitor.health.sent == 60 - lost == len(lines_of(server.got))
    told = dict(monitor.pushes.told())
    shown = f"influx+http://{server.host}?db=d"
    assert {name: dict(values) for name, values in told.items()} == {
        "push_queue_bytes": {(shown,): 0},
        "push_sent": {(shown,): 60 - lost},
        "push_lost": {(shown,): lost},
    }


def test_messages_of_another_version_are_counted_as_lost(made: Made, server: Server):
    monitor = made(f"influx+http://{server.host}?db=d")
    monitor.each[0].offer(b'{"format": "of next year"}')
    monitor.tell(probe(0))
    monitor.pass_by(15)
    assert (monitor.health.sent, monitor.health.lost) == (1, 1)


def test_a_pushgateway_gets_the_latest_state(made: Made, server: Server):
    server.answers = [BUSY] * 3
    monitor = made(f"pushgateway+http://{server.host}")
    for number in range(8):
        monitor.tell(probe(number))
        monitor.pass_by(15)
    (got,) = server.got[-1:]
    assert (got.method, got.path) == ("PUT", "/metrics/job/latency_lens")
    text, _ = asyncio.run(monitor.metrics.text())
    assert got.body == text
    assert (monitor.health.lost, monitor.health.error) == (0, None)


class Outlet:
    """Fails as `troubles` say."""

    batch, rest_s = 2, 0.0

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.held: list[bytes] = []
        self.taken = self.closed = 0
        self.pushed: list[bytes] = []

    def take(self, messages: Sequence[bytes]) -> int:
        self.held += messages
        self.taken += len(messages)
        return 0

    def push(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.pushed += self.held
        self.drop()

    def drop(self) -> None:
        self.held.clear()

    def close(self) -> None:
        self.closed += 1


def test_tries_are_ever_rarer_and_nothing_is_made_ready_twice(tmp_path: Path):
    clock = FakeClock()
    outlet = Outlet(*[SinkError("down", later=True)] * 8)
    push = Push("url", outlet, DiskQueue(tmp_path, 1 << 20), clock, 15.0)
    push.offer(b"one")
    waits = []
    while outlet.troubles:
        waits.append(push.turn())
        push.hurry()  # which a receiver that is down is spared
        clock.advance(round(waits[-1] * SECOND))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    push.offer(b"two")
    push.offer(b"three")
    assert push.turn() == 15
    assert (outlet.pushed, outlet.taken) == ([b"one", b"two", b"three"], 3)
    assert push.turn() == 15  # not yet
    push.offer(b"four")
    push.hurry()
    push.turn()
    assert outlet.pushed[-1] == b"four"
    push._close()


def test_a_bug_in_a_way_out_is_said_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    outlet = Outlet(ValueError("a bug"))
    push = Push("url", outlet, DiskQueue(tmp_path, 1 << 20), FakeClock(), 15.0)
    push.offer(b"one")
    assert push._guarded() == 60
    assert push.health().error == "ValueError: a bug"
    assert "a bug" in caplog.text
    push.start()
    push.stop()
    assert (outlet.pushed, outlet.closed) == ([b"one"], 1)


async def _served(pushes: Pushes, *probes: Probe) -> None:
    pushes.start()
    for one in probes:
        pushes(one)
    await pushes.stop()


def test_a_stop_sends_what_is_there(made: Made, servers: list[Server]):
    influx, gateway, _ = servers
    monitor = made(f"influx+http://{influx.host}?db=d", f"pushgateway+http://{gateway.host}")
    asyncio.run(_served(monitor.pushes, probe(0), probe(1)))
    assert len(lines_of(influx.got)) == 2
    assert [one.method for one in gateway.got] == ["PUT"]


def test_snapshots_are_made_at_each_interval(made: Made, server: Server):
    monitor = made(f"remote-write+http://{server.host}")

    (push,) = monitor.each

    async def three() -> None:
        came = asyncio.Event()
        offer = push.offer

        def noted(message: bytes) -> None:
            offer(message)
            came.set()

        push.offer = noted  # type: ignore[method-assign]
        monitor.pushes.start()
        for _ in range(3):
            while not monitor.clock.sleeping:  # noqa: ASYNC110  (it sleeps at its next turn)
                await asyncio.sleep(0)
            monitor.clock.advance(15 * SECOND)
            await came.wait()
            came.clear()
        await monitor.pushes.stop()

    asyncio.run(three())
    stamps = [_samples(one.body)[0] - BEGAN // MS for one in server.got]
    assert stamps == [15_000, 30_000, 45_000, 45_001]


def test_receivers_come_and_go_with_the_configuration(made: Made, servers: list[Server]):
    urls = [f"influx+http://{server.host}?db=d" for server in servers]
    monitor = made(*urls[:2])
    _, b, c = (PushConfig(url=url, interval_s=15, max_queue_bytes=1 << 20) for url in urls)

    async def change() -> None:
        monitor.pushes.start()
        monitor.pushes(probe(0))
        kept = monitor.pushes._pushes[b]
        await monitor.pushes.apply([b, c])
        assert monitor.pushes._pushes[b] is kept
        monitor.pushes(probe(1))
        await monitor.pushes.stop()

    asyncio.run(change())
    assert [health.url for health in monitor.pushes.health()] == urls[1:]
    assert [len(lines_of(server.got)) for server in servers] == [1, 2, 1]
    with pytest.raises(UsageError, match="is given twice"):
        asyncio.run(monitor.pushes.apply([b, PushConfig(url=urls[1], interval_s=1)]))


@pytest.mark.parametrize("url", ["influx+http://h", "ftp://x", "remote-write+http://"])
def test_a_url_that_is_none_is_refused_at_once(made: Made, url: str):
    with pytest.raises(UsageError):
        made(url)


def test_folders_of_queues_name_no_secret(made: Made, tmp_path: Path, server: Server):
    url = f"influx+http://me:hunter2@{server.host}/x?db=d"
    monitor = made(url)
    (folder,) = tmp_path.iterdir()
    assert re.fullmatch(r"influx-127\.0\.0\.1-[0-9a-f]{8}", folder.name)
    assert "hunter2" not in monitor.health.url
