"""Limits of time and size, on a fake clock: an hour of waiting takes none here."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted import (
    CHUNKED,
    Peer,
    ask,
    ask_once,
    check_shape,
    chunk,
    plain,
    request,
    run,
    serve,
    transport,
    turns,
)

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.testing.clock import FakeClock
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network, Timeouts


class Steps:
    """A server whose script is a list of bytes and of seconds to wait."""

    def __init__(self, *steps: bytes | float) -> None:
        self.clock = FakeClock()
        self._steps = steps

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        for step in self._steps:
            if isinstance(step, bytes):
                await peer.send(step)
            else:
                await self.clock.sleep(round(step * SECOND_NS))
        await peer.gone()

    def ask(self, folder: Path, timeouts: Timeouts, max_body: int = 1 << 28) -> Timeline:
        path = str(folder / "server.sock")
        network = Network(timeouts=timeouts, unix_socket=path, max_body=max_body)

        async def main() -> Timeline:
            async with (
                serve(self, unix=path),
                transport(network, clock=self.clock) as sender,
            ):
                return await ask(sender, "http://model/")

        timeline = self.clock.run(main())
        check_shape(timeline)
        return timeline


def _seconds(timeline: Timeline) -> float:
    assert timeline.start_ns is not None
    assert timeline.closed_ns is not None
    return (timeline.closed_ns - timeline.start_ns) / SECOND_NS


def _why(timeline: Timeline) -> tuple[str, str, str]:
    assert timeline.failure is not None
    return timeline.failure.kind, timeline.failure.stage, timeline.failure.message


NONE = Timeouts(None, None, None, None)


def test_without_limits_an_answer_may_take_an_hour(tmp_path: Path) -> None:
    timeline = Steps(3600.0, plain(b"at last")).ask(tmp_path, NONE)
    assert bytes(timeline.body) == b"at last"
    assert _seconds(timeline) == 3600


def test_total_ends_an_answer_that_never_begins(tmp_path: Path) -> None:
    timeline = Steps().ask(tmp_path, Timeouts(total_s=600.0))
    assert _why(timeline) == ("timeout", "wait", "not finished within 600 s")
    assert _seconds(timeline) == pytest.approx(600, abs=1e-6)


def test_total_ends_an_answer_that_never_ends(tmp_path: Path) -> None:
    steps = [step for _ in range(100) for step in (chunk(b"more"), 0.3)]
    timeline = Steps(CHUNKED, *steps).ask(tmp_path, Timeouts(total_s=2.5))
    assert _why(timeline) == ("timeout", "stream", "not finished within 2.5 s")
    assert _seconds(timeline) == pytest.approx(2.5, abs=1e-6)
    assert bytes(timeline.body) == b"more" * 9


def test_total_ends_a_prompt_that_nobody_reads() -> None:
    async def deaf(peer: Peer) -> None:
        await clock.sleep(3600 * SECOND_NS)

    clock = FakeClock(realtime_ns=time.time_ns())

    async def main() -> Timeline:
        network = Network(timeouts=Timeouts(total_s=4.0))
        timeline = Timeline()
        async with (
            serve(deaf, narrow=True) as server,
            transport(network, clock=clock) as sender,
        ):
            await sender.send(request(server.url, b"x" * (8 << 20)), timeline)
        return timeline

    timeline = clock.run(main())
    assert _why(timeline) == ("timeout", "send", "not finished within 4 s")
    assert timeline.sent_ns is None


def test_idle_ends_an_answer_that_falls_silent(tmp_path: Path) -> None:
    steps = (CHUNKED, 0.5, chunk(b"one"), 4.9, chunk(b"two"), 6.0, chunk(b"late"))
    timeline = Steps(*steps).ask(tmp_path, Timeouts(idle_s=5.0))
    assert _why(timeline) == ("timeout", "stream", "nothing came for 5 s")
    assert bytes(timeline.body) == b"onetwo"
    assert _seconds(timeline) == pytest.approx(10.4, abs=1e-6)


def test_idle_counts_from_the_head_of_the_answer(tmp_path: Path) -> None:
    timeline = Steps(30.0, CHUNKED).ask(tmp_path, Timeouts(idle_s=5.0))
    assert _why(timeline) == ("timeout", "wait", "nothing came for 5 s")
    assert _seconds(timeline) == pytest.approx(35, abs=1e-6)


def test_idle_does_not_count_before_the_answer_not_even_after_an_interim_one(
    tmp_path: Path,
) -> None:
    steps = (30.0, b"HTTP/1.1 100 Continue\r\n\r\n", 30.0, plain(b"thought about it"))
    timeline = Steps(*steps).ask(tmp_path, Timeouts(idle_s=5.0))
    assert timeline.complete
    assert timeline.first_byte_ns is not None
    assert timeline.start_ns is not None
    assert timeline.first_byte_ns - timeline.start_ns == 60 * SECOND_NS


def test_an_answer_that_is_too_large_ends(tmp_path: Path) -> None:
    timeline = Steps(CHUNKED, chunk(b"x" * (3 << 20))).ask(tmp_path, NONE, max_body=2 << 20)
    assert _why(timeline) == ("protocol", "stream", "the answer passed 2 MiB and did not end")


def test_an_answer_that_is_as_large_as_it_may_be_does_not(tmp_path: Path) -> None:
    steps = (CHUNKED, chunk(b"x" * (2 << 20)), 1.5, b"0\r\n\r\n")
    assert Steps(*steps).ask(tmp_path, NONE, max_body=2 << 20).complete


def test_a_body_without_end_is_ended_on_a_real_clock_too() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        with contextlib.suppress(ConnectionError):
            while True:
                await peer.send(chunk(b"more" * 1000))
                await turns(1)

    async def main() -> Timeline:
        async with serve(script) as server:
            return await ask_once(Network(timeouts=Timeouts(total_s=0.05)), server.url)

    timeline = run(main())
    check_shape(timeline)
    assert _why(timeline) == ("timeout", "stream", "not finished within 0.05 s")
    assert 0.05 <= _seconds(timeline) < 2
    assert len(timeline.body) > 4000


def test_connecting_to_a_machine_that_does_not_answer() -> None:
    """A queue of connections that is full stands for it: the kernel drops what comes after."""
    clock = FakeClock()
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        first.connect(full.getsockname())

        async def main() -> Timeline:
            return await ask_once(
                Network(timeouts=Timeouts(connect_s=7.5)), f"http://127.0.0.1:{port}/"
            )

        timeline = clock.run(main())
    assert _why(timeline) == (
        "timeout",
        "connect",
        f"no connection to 127.0.0.1:{port} within 7.5 s",
    )


def test_a_handshake_that_does_not_go_on() -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async def main() -> tuple[Timeline, int]:
        async with serve(silent) as server:
            url = f"https://127.0.0.1:{server.port}/"
            return await ask_once(Network(timeouts=Timeouts(connect_s=3.0)), url), server.port

    timeline, port = FakeClock().run(main())
    assert _why(timeline) == ("timeout", "tls", f"no connection to 127.0.0.1:{port} within 3 s")


# -- descriptors ------------------------------------------------------------------------------

_LIMITS = """
import resource
from llm_latency_lens.errors import UsageError
from llm_latency_lens.transport.limits import ensure_descriptors

resource.setrlimit(resource.RLIMIT_NOFILE, (128, 256))
ensure_descriptors(10)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
ensure_descriptors(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
ensure_descriptors(192)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
try:
    ensure_descriptors(193)
except UsageError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_the_limit_of_open_files_is_raised_as_far_as_needed_and_named_where_it_is_too_low() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITS], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines() == [
        "(128, 256)",
        "(164, 256)",
        "(256, 256)",
        "193 connections need 257 open files and the limit is 256 (ulimit -n): at most 192 "
        "requests can be under way at once here",
        "(256, 256)",
    ]
