"""A capture from its plan to its run directory, also one that is signalled, killed, out of disk."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_server import serve

from llm_latency_lens.engine import Engine
from llm_latency_lens.engine.capture import Captured, Setup, capture
from llm_latency_lens.engine.load import Load, make_plan
from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.providers import decode
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Request
from llm_latency_lens.store import runs
from llm_latency_lens.store.understand import records
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport import Network, Tls

WORDS = ["three", "little", "words"]
_SILENT = " ".join(WORDS)


def _request(url: str) -> Request:
    return Request("openai", "m", url, (), b"{}")


async def _capture(
    url: str,
    load: Load,
    tmp_path: Path,
    on_beat: Callable[[Engine], None] | None = None,
    decoder: Callable[[Timeline], Record] = decode,
    **setup: Any,
) -> tuple[Captured, Context]:
    context = Context(id="run")
    plan = make_plan(load, context, lambda _: _request(url), decoder)
    made = Setup(url=url, run_dir=tmp_path / "out", **setup)
    return await capture(plan, context, made, on_beat=on_beat), context


def _captured(load: Load, tmp_path: Path, **setup: Any) -> tuple[Captured, Context]:
    async def main() -> tuple[Captured, Context]:
        async with serve(_SILENT) as url, asyncio.timeout(20):
            return await _capture(url, load, tmp_path, **setup)

    return asyncio.run(main())


def _files(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


# -- what is kept -----------------------------------------------------------------------------


def test_a_run_is_kept_whole(tmp_path: Path) -> None:
    captured, context = _captured({"requests": 6, "concurrency": 3, "warmup": 2}, tmp_path)
    path = tmp_path / "out"
    assert captured.run.path == path
    assert captured.unsaved == []
    assert _files(path) == {"run.json", "timelines.bin"}
    understood = list(records(captured.run))
    assert [record.events.text for record in understood] == [WORDS] * 8
    assert sum(record.warmup for record in understood) == 2
    assert {record.status for record in understood} == {Status.OK}
    # Connections were opened before; each brings its phases to the first request that it carries.
    assert sum(not record.connection.reused for record in understood) == 3
    assert context.health is not None
    assert context.health.spool_bytes == (path / "timelines.bin").stat().st_size
    assert context.health.reads == sum(len(t.at) for t in captured.run.timelines())
    assert context.health.gc_disabled
    assert runs.find(str(path)).file.context == context


@pytest.mark.parametrize("raw", ["redacted", "off"])
def test_a_run_is_kept_without_what_was_said(tmp_path: Path, raw: runs.Raw) -> None:
    captured, context = _captured({"requests": 3}, tmp_path, raw=raw)
    path = tmp_path / "out"
    assert _files(path) == {
        "run.json",
        "timelines.bin" if raw == "redacted" else "records.jsonl",
    }
    kept = b"".join(file.read_bytes() for file in path.iterdir())
    assert not [word for word in WORDS if word.encode() in kept]
    understood = list(records(captured.run))
    assert [list(record.events.chars) for record in understood] == [[5, 6, 5]] * 3
    assert all(record.ttft_ns and record.ttft_ns > 0 for record in understood)
    assert captured.run.file.raw == raw
    assert context.health is not None
    assert (context.health.spool_bytes > 0) is (raw == "redacted")


def test_records_may_keep_the_text_where_nothing_raw_is_kept(tmp_path: Path) -> None:
    captured, _ = _captured({"requests": 1}, tmp_path, raw="off", keep_text=True)
    assert b"little" in (captured.run.path / "records.jsonl").read_bytes()


def test_cold_connections_are_new_for_each_request(tmp_path: Path) -> None:
    captured, _ = _captured({"requests": 3}, tmp_path, connections="cold")
    assert all(record.cold_ttft_ns for record in records(captured.run))


def test_an_open_loop_without_bounds(tmp_path: Path) -> None:
    captured, context = _captured({"requests": 5, "rate": 500.0}, tmp_path)
    assert len(list(records(captured.run))) == 5
    assert context.mode == "open"
    assert all(record.send_lag_ns is not None for record in records(captured.run))


def test_while_it_runs_its_directory_says_that_it_has_not_ended(tmp_path: Path) -> None:
    seen: list[runs.RunFile] = []

    async def main() -> None:
        release = asyncio.Event()

        def look(_: Engine) -> None:
            seen.append(runs.load(tmp_path / "out").file)
            release.set()

        async with serve(_SILENT, release) as url, asyncio.timeout(20):
            await _capture(url, {"requests": 1}, tmp_path, on_beat=look)

    asyncio.run(main())
    assert seen[0].context.health is None
    assert seen[0].context.id == "run"
    assert runs.load(tmp_path / "out").file.context.health is not None


def test_a_server_that_is_not_there_makes_a_run_of_failures(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    captured, context = asyncio.run(_capture(url, {"requests": 2}, tmp_path))
    errors = [record.error for record in records(captured.run)]
    assert [error and (error.kind, error.stage) for error in errors] == [("network", "connect")] * 2
    assert context.stopped_early is None


def test_a_directory_that_is_spoiled_meanwhile_costs_its_last_word_only(tmp_path: Path) -> None:
    async def main() -> tuple[Captured, Context]:
        release = asyncio.Event()

        def spoil(_: Engine) -> None:
            (tmp_path / "out" / "run.json").unlink(missing_ok=True)
            (tmp_path / "out" / "run.json" / "taken").mkdir(parents=True, exist_ok=True)
            release.set()

        async with serve(_SILENT, release) as url, asyncio.timeout(20):
            return await _capture(url, {"requests": 1}, tmp_path, on_beat=spoil)

    captured, context = asyncio.run(main())
    assert context.stopped_early == f"{tmp_path / 'out' / 'run.json'}: Is a directory"
    assert len(list(records(captured.run))) == 1


# -- what cannot be -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "network", "match"),
    [
        ("nonsense", Network(), "base URL"),
        ("https://127.0.0.1:1/", Network(tls=Tls(ca_file="/no/ca.pem")), "CA file /no/ca.pem"),
        ("http://127.0.0.1:1/", Network(proxy="socks5://127.0.0.1"), "proxy: "),
    ],
)
def test_what_cannot_be_reached_leaves_no_directory_behind(
    tmp_path: Path, url: str, network: Network, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        asyncio.run(_capture(url, {"requests": 1}, tmp_path, network=network))
    assert not (tmp_path / "out").exists()


def test_more_connections_than_the_system_allows_are_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    load: Load = {"requests": 10**9, "concurrency": 10**9}
    with pytest.raises(UsageError, match="1000000000 connections need"):
        asyncio.run(_capture("http://127.0.0.1:1/", load, tmp_path))
    assert not (tmp_path / "out").exists()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(StoreError, match="run directory"):
        asyncio.run(_capture("http://127.0.0.1:1/", {"requests": 1}, tmp_path))


class BugError(RuntimeError):
    pass


@pytest.mark.parametrize("raw", ["full", "off"])
def test_a_bug_is_raised_and_what_was_measured_is_kept(tmp_path: Path, raw: runs.Raw) -> None:
    async def main() -> None:
        release = asyncio.Event()

        def fail(engine: Engine) -> None:
            if all(timeline.at for timeline in engine.in_flight):
                raise BugError

        async with serve(_SILENT, release) as url, asyncio.timeout(20):
            load: Load = {"requests": 2, "concurrency": 2}
            await _capture(url, load, tmp_path, on_beat=fail, raw=raw)

    with pytest.raises(BugError):
        asyncio.run(main())
    run = runs.load(tmp_path / "out")
    assert run.file.context.health is None
    understood = list(records(run))
    assert [record.status for record in understood] == [Status.CANCELLED] * 2
    assert all(len(record.events) >= 3 for record in understood)


def test_signals_are_left_alone_where_this_is_not_the_main_thread(tmp_path: Path) -> None:
    async def main() -> Context:
        async with serve(_SILENT) as url, asyncio.timeout(20):
            return await asyncio.to_thread(
                lambda: asyncio.run(_capture(url, {"requests": 1}, tmp_path, handle_signals=True))[
                    1
                ]
            )

    assert not asyncio.run(main()).interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# -- in a process of its own --------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
_CHILD = Path(__file__).with_name("capture_child.py")


def _child(mode: str, folder: Path, warning: str = "") -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(_CHILD), mode, str(folder)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(warning, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


@posix
@pytest.mark.parametrize("mode", ["once", "term"])
def test_a_signal_ends_the_run_and_lets_what_runs_finish(tmp_path: Path, mode: str) -> None:
    told, after = _child(mode, tmp_path / "out")
    assert told["interrupted"]
    assert told["status"] == ["ok", "ok"]
    assert min(told["tokens"]) > 3
    assert after["handler"]
    assert runs.load(tmp_path / "out").file.context.interrupted


@posix
def test_a_second_signal_ends_it_at_once_and_what_was_measured_is_kept(tmp_path: Path) -> None:
    told, _ = _child("twice", tmp_path / "out")
    assert told["interrupted"]
    assert told["status"] == ["cancelled", "cancelled"]
    assert min(told["tokens"]) > 3


@posix
def test_a_full_disk_ends_the_run_and_what_was_measured_is_reported(tmp_path: Path) -> None:
    told, _ = _child("full", tmp_path / "out")
    assert told["stopped_early"] == (
        f"{tmp_path / 'out' / 'timelines.bin'}: File too large; the run stops here, what was "
        "measured is reported"
    )
    assert not told["interrupted"]
    assert 0 < told["unsaved"] < len(told["status"])
    assert set(told["status"]) == {"ok"}
    assert set(told["tokens"]) == {3}
    assert runs.load(tmp_path / "out").file.context.stopped_early == told["stopped_early"]


@posix
def test_so_does_one_that_had_no_room_for_the_records_at_the_end(tmp_path: Path) -> None:
    cut = r"\S+records\.jsonl:\d+: not a record; the line is left out\n"
    told, _ = _child("full at the end", tmp_path / "out", cut)
    assert told["stopped_early"] == f"{tmp_path / 'out' / 'records.jsonl'}: File too large"
    assert told["status"] == ["ok"] * 50
    assert told["unsaved"] == 50
    assert runs.load(tmp_path / "out").file.context.stopped_early == told["stopped_early"]


@posix
def test_a_run_that_is_killed_loses_at_most_its_last_second(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(_CHILD), "kill", str(tmp_path / "out")], stdout=subprocess.PIPE
    )
    assert child.stdout
    with child:
        for line in child.stdout:
            if json.loads(line)["elapsed_s"] > 1.3:
                break
        killed_ns = time.monotonic_ns()
        child.kill()
    run = runs.load(tmp_path / "out")
    assert run.file.context.health is None
    found = list(run.timelines())
    assert len(found) == 2
    for timeline in found:
        assert timeline.failure is not None
        assert timeline.failure.message == "the run ended while this request was under way"
        assert timeline.at[-1] > killed_ns - 1_000_000_000
        assert len(timeline.at) > 20
    assert [record.status for record in run.records()] == [Status.CANCELLED] * 2
