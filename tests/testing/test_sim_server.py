"""The server on real loopback sockets, with schedules of a few milliseconds."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from sim_client import Client, serving

from llm_latency_lens.errors import RunError, UsageError
from llm_latency_lens.testing import server
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.plan import plan
from llm_latency_lens.testing.server import serve

MS = 1_000_000
QUICK = {"ttft": "4ms", "gap": "2ms", "tokens": "3"}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_a_stream_keeps_its_schedule_and_its_log(tmp_path: Path) -> None:
    async def test() -> None:
        before = time.time_ns()
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            client.chat(headers={"x_client_request_id": "abc"})
            status, body, complete = await client.response()
            after = time.time_ns()
            await client.close()
        assert (status, complete) == (200, True)
        assert body.endswith(b"data: [DONE]\n\n")
        (sent,) = served.log
        assert (sent.id, sent.index, sent.outcome, sent.status, sent.fault) == (
            "abc",
            0,
            "ok",
            200,
            None,
        )
        assert sent.content == [False, True, True, True, False]
        assert sent.tokens == [0, 1, 1, 1, 0]
        assert sent.served_ns == sent.received_ns
        assert [before, *sent.sends_ns, after] == sorted([before, *sent.sends_ns, after])
        due = [4 * MS, *plan(SimConfig.from_options(**QUICK), 0).offsets_ns, 8 * MS]
        assert all(
            at - sent.received_ns >= offset for at, offset in zip(sent.sends_ns, due, strict=True)
        )

    run(test())


def test_slots_make_requests_wait(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, slots="1", **QUICK) as served:
            clients = [await served.connect() for _ in range(3)]
            for client in clients:
                client.chat()
            for client in clients:
                assert (await client.response())[2]
                await client.close()
        first, second, third = served.log
        assert (second.served_ns or 0) >= first.sends_ns[-1]
        assert (third.served_ns or 0) >= second.sends_ns[-1]
        assert third.received_ns < first.sends_ns[-1]

    run(test())


def test_who_leaves_the_queue_takes_no_slot(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, slots="1", ttft="30ms", tokens="1") as served:
            clients = [await served.connect() for _ in range(3)]
            for client in clients:
                client.chat()
                await client.writer.drain()
            await clients[1].close()
            assert (await clients[0].response())[2]
            assert (await clients[2].response())[2]
            await clients[0].close()
            await clients[2].close()
        gone, *served_ones = served.log
        assert (gone.outcome, gone.served_ns, gone.sends_ns) == ("disconnected", None, [])
        assert [sent.outcome for sent in served_ones] == ["ok", "ok"]

    run(test())


def test_others_under_way_slow_an_answer_down(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, slowdown="900%", ttft="60ms", gap="2ms", tokens="2") as served:
            first, second = await served.connect(), await served.connect()
            first.chat(max_tokens=1)
            second.chat()
            await first.response()
            await second.response()
            await first.close()
            await second.close()
        slowed = served.log[1]
        content = [
            at for at, is_content in zip(slowed.sends_ns, slowed.content, strict=True) if is_content
        ]
        assert content[1] - content[0] >= 19 * MS

    run(test())


# -- faults -----------------------------------------------------------------------------------


def test_a_status_needs_no_slot(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, faults="429=2s:#1", slots="1", ttft="5s") as served:
            first, second = await served.connect(), await served.connect()
            first.chat()
            second.chat()
            assert (await second.response())[0] == 429
            assert second.headers["retry-after"] == "2"
            await first.close()
            await second.close()
        refused = next(sent for sent in served.log if sent.index == 1)
        assert (refused.status, refused.outcome, refused.fault) == (429, "error", "429=2s:#1")
        assert refused.content == [False]

    run(test())


def test_a_cut_stream(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, faults="cut@2:always", **QUICK) as served:
            client = await served.connect()
            client.chat()
            _, body, complete = await client.response()
            assert not complete
            assert body.count(b"content") == 3
            await client.close()
        (sent,) = served.log
        assert (sent.outcome, sent.content) == ("cut", [False, True, True])

    run(test())


@pytest.mark.parametrize(("event", "sends"), [("", 0), ("@1", 2)])
def test_a_reset(tmp_path: Path, event: str, sends: int) -> None:
    async def test() -> None:
        async with serving(tmp_path, faults=f"reset{event}:always", **QUICK) as served:
            client = await served.connect()
            client.chat()
            with pytest.raises(ConnectionResetError):
                await client.response()
            await client.close()
        (sent,) = served.log
        assert (sent.outcome, len(sent.sends_ns)) == ("reset", sends)

    run(test())


@pytest.mark.parametrize(
    ("fault", "outcome"), [("silence", "disconnected"), ("endless", "disconnected")]
)
def test_what_never_ends_lasts_until_the_client_leaves(
    tmp_path: Path, fault: str, outcome: str
) -> None:
    async def test() -> None:
        async with serving(tmp_path, faults=f"{fault}:#0", slots="1", **QUICK) as served:
            stuck, waiting = await served.connect(), await served.connect()
            stuck.chat()
            await stuck.writer.drain()
            waiting.chat()
            seen = b""
            while fault == "endless" and seen.count(b" again") < 3:
                seen += await stuck.read()
            await stuck.close()
            assert (await waiting.response())[2]
            await waiting.close()
        sent = served.log[0]
        assert sent.outcome == outcome
        assert len(sent.sends_ns) == len(sent.content) == len(sent.tokens)
        assert sum(sent.tokens) >= (6 if fault == "endless" else 0)

    run(test())


def test_bytes_that_the_kernel_does_not_take_are_kept_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(
            tmp_path, ttft="0", gap="0", tokens="40000", tokens_per_event="20"
        ) as served:
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.setblocking(False)
            loop = asyncio.get_running_loop()
            address = ("127.0.0.1", int(served.base_url.rpartition(":")[2].partition("/")[0]))
            await loop.sock_connect(reader, address)
            client = Client(*await asyncio.open_connection(sock=reader))
            client.chat()
            status, body, complete = await client.response()
            assert (status, complete) == (200, True)
            assert body.count(b'"content":" ') == 2000
            await client.close()
        (sent,) = served.log
        assert (sent.outcome, sum(sent.tokens)) == ("ok", 40000)

    run(test())


# -- where it listens -------------------------------------------------------------------------


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "sim.sock")

    async def test() -> None:
        async with serving(tmp_path, {"unix_socket": path}, **QUICK) as served:
            assert served.base_url == "http://localhost/v1"
            client = await served.connect()
            client.chat()
            assert (await client.response())[2]
            await client.close()
        assert served.log[0].outcome == "ok"

    run(test())
    assert not os.path.exists(path)


@pytest.mark.parametrize("fault", ["no-done", "cut"])
def test_tls(tmp_path: Path, fault: str) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(cert))
    certificate.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def test() -> None:
        async with serving(
            tmp_path, {"tls": (str(cert), str(key))}, faults=f"{fault}:always", **QUICK
        ) as served:
            assert served.base_url.startswith("https://127.0.0.1:")
            client = await served.connect(context)
            client.chat()
            assert (await client.response())[2] is (fault == "no-done")
            await client.close()
        assert served.log[0].outcome == ("ok" if fault == "no-done" else "cut")

    run(test())


def test_ipv6(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, {"host": "::1"}) as served:
            assert served.base_url.startswith("http://[::1]:")

    run(test())


def test_an_address_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127.0.0.1:{port} is in use: choose another port"):
            asyncio.run(serve(SimConfig(), port=port))


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:0"):
        asyncio.run(serve(SimConfig(), host="192.0.2.1"))


def test_a_bad_certificate_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot use .*none.pem with .*key.pem"):
        asyncio.run(serve(SimConfig(), tls=(str(tmp_path / "none.pem"), str(tmp_path / "key.pem"))))


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the send log"):
        asyncio.run(serve(SimConfig(), send_log=tmp_path / "none" / "log"))


# -- how it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_and_what_was_under_way_is_logged(
    tmp_path: Path, number: signal.Signals
) -> None:
    async def test() -> None:
        async with serving(tmp_path, ttft="0", gap="10s") as served:
            client = await served.connect()
            client.chat()
            await client.read()
            os.kill(os.getpid(), number)
            await client.rest()
            await client.close()
        (sent,) = served.log
        assert sent.outcome == "stopped"
        assert sent.content[:2] == [False, True]

    run(test())


def test_the_log_is_written_when_all_is_quiet(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            client.chat()
            await client.response()
            async with asyncio.timeout(10):
                while not served.path.read_bytes():
                    client.send("GET /v1/models")
                    await client.response()
            await client.close()

    run(test())


def test_a_busy_simulator_tidies_up_too_when_much_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_TIDY_S", 0.001)
    monkeypatch.setattr(server, "_TIDY_AT", 2)

    async def test() -> None:
        async with serving(tmp_path, ttft="1ms", tokens="1", faults="silence:#0") as served:
            stuck, client = await served.connect(), await served.connect()
            stuck.chat()
            await stuck.writer.drain()
            client.chat()
            await client.response()
            assert served.path.read_bytes() == b""
            client.chat()
            await client.response()
            while not served.path.read_bytes():
                client.send("GET /v1/models")
                await client.response()
            await stuck.close()
            await client.close()

    run(test())


def test_a_full_disk_is_one_line_at_the_end() -> None:
    async def test() -> None:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        config = SimConfig.from_options(**QUICK)
        task = asyncio.create_task(
            serve(config, send_log=Path("/dev/full"), on_ready=ready.set_result)
        )
        port = int((await ready).rpartition(":")[2].partition("/")[0])
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.chat()
        await client.response()
        await client.close()
        task.cancel()
        await task

    with pytest.raises(RunError, match="cannot write the send log: No space left"):
        run(test())


def test_outside_the_main_thread_it_ends_by_cancellation(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, **QUICK) as served:
            client = await served.connect()
            client.chat()
            assert (await client.response())[2]
            await client.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, test()).result()


def test_the_collector_is_off_only_while_serving(tmp_path: Path) -> None:
    async def test() -> None:
        assert gc.isenabled()
        async with serving(tmp_path):
            assert not gc.isenabled()
        assert gc.isenabled()

    run(test())
