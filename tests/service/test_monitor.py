"""The whole monitor on real sockets: what it probes, keeps, serves and survives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme
from watched import DOLLAR_A_TOKEN, target

from llm_latency_lens.cli import monitor as command
from llm_latency_lens.errors import ConfigError, StoreError, UsageError
from llm_latency_lens.request import Secret
from llm_latency_lens.service import monitor as service
from llm_latency_lens.service.config import MonitorConfig, ServeConfig, TargetConfig
from llm_latency_lens.service.monitor import Monitor
from llm_latency_lens.service.probe import Probe

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
WORD = b'data: {"choices": [{"index": 0, "delta": {"content": "word"}}]}\n\n'
LAST = (
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage":'
    b' {"prompt_tokens": 3, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
)
TOKEN = {"authorization": "Bearer a-token"}


class Model:
    """A server of chats; `gate` is where an answer waits in its middle."""

    def __init__(self) -> None:
        self.url = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            await reader.readexactly(length)
            self.asked += 1
            writer.write(HEAD + WORD)
            await self.gate.wait()
            writer.write(WORD + LAST)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def model() -> AsyncIterator[Model]:
    found = Model()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield found
    finally:
        found.gate.set()
        server.close()


async def until(holds: Callable[[], bool]) -> None:
    """Let others work until something holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  (nobody could set an event)
            await asyncio.sleep(0)


class Running:
    """A monitor that runs, and every probe that it told of."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.probes: asyncio.Queue[Probe] = asyncio.Queue()
        monitor.takers.append(self.probes.put_nowait)

    async def next(self, name: str = "a", **fields: Any) -> Probe:
        """The next probe of a target that has these fields."""
        async with asyncio.timeout(10):
            while True:
                probe = await self.probes.get()
                row = probe.row
                if row.target == name and all(
                    getattr(row, field) == value for field, value in fields.items()
                ):
                    return probe

    async def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] = TOKEN,
        body: bytes = b"",
        context: ssl.SSLContext | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        port = int(self.monitor.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        given = {"host": "localhost", "content-length": str(len(body)), "connection": "close"}
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in {**given, **headers}.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        first, *named = head.decode().split("\r\n")
        told = dict(line.split(": ", 1) for line in named)
        return int(first.split()[1]), told, rest


def settings(folder: Path, *targets: TargetConfig, **more: Any) -> MonitorConfig:
    serve = ServeConfig(port=0, token=Secret("a-token"))
    return MonitorConfig(targets=targets, data_dir=folder / "data", **{"serve": serve, **more})


def probed(url: str, name: str = "a", **more: Any) -> TargetConfig:
    return target(name, base_url=url, **{"interval_s": 0.03, "timeout_s": 5.0, **more})


@asynccontextmanager
async def running(config: MonitorConfig, **more: Any) -> AsyncIterator[Running]:
    monitor = Monitor(config, environ={}, **more)
    found = Running(monitor)
    task = asyncio.create_task(monitor.run())
    try:
        yield found
    finally:
        monitor.request_stop()
        await task


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def kept(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "data" / "journal").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_what_it_probes_is_kept_and_served_alike(tmp_path: Path) -> None:
    async def main() -> None:
        async with model() as server:
            config = settings(
                tmp_path,
                probed(server.url),
                probed("http://127.0.0.1:1/v1", "refused"),
                probed("http://nothing.invalid/v1", "unknown"),
            )
            async with running(config) as found:
                ok = (await found.next(status="ok")).row
                refused = (await found.next("refused")).row
                unknown = (await found.next("unknown")).row
                assert (refused.error_kind, refused.error_stage) == ("network", "connect")
                assert (unknown.error_kind, unknown.error_stage) == ("network", "resolve")
                assert (ok.input_tokens, ok.output_tokens, ok.clock_source) == (3, 2, "kernel")
                status, _, body = await found.ask("/healthz", headers={})
                assert (status, body) == (200, b"ok\n")
                status, _, body = await found.ask("/readyz", headers={})
                assert (status, json.loads(body)) == (200, {"ready": True})
                _, _, body = await found.ask("/readyz")
                assert json.loads(body)["problems"] == []
                assert (await found.ask("/metrics", headers={}))[0] == 401
                status, _, body = await found.ask(
                    "/api/v1/probe", "POST", {**TOKEN, "content-type": "application/json"},
                    json.dumps({"target": "a"}).encode(),
                )  # fmt: skip
                assert status == 200, body
                found.monitor.request_stop()
        # The last of what was told must be the last of what was kept.
        rows = kept(tmp_path)
        assert {row["target"] for row in rows} == {"a", "refused", "unknown"}
        assert [row for row in rows if row.get("asked_for")]
        assert not [row for row in rows if "word" in json.dumps(row)]

    run(main)


def test_a_restart_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"prices": DOLLAR_A_TOKEN}))

    async def main() -> None:
        async with model() as server:
            limited = probed(server.url, max_cost_usd_per_day=Decimal(37))
            config = settings(tmp_path, limited, prices=prices)
            async with running(config) as found:
                for _ in range(3):
                    await found.next(status="ok")
            asked = server.asked
            async with running(config) as found:

                def spent() -> bool:
                    standing = found.monitor.standing("a")
                    return standing is not None and standing.out_of_money

                await until(spent)
                standing = found.monitor.standing("a")
                assert standing
                assert standing.spent_usd_today == 6
                assert found.monitor.live.overview()[0].availability_24h == 1.0
            assert server.asked == asked == 3

    run(main)


def test_two_may_not_share_a_folder(tmp_path: Path) -> None:
    async def main() -> None:
        config = settings(tmp_path, probed("http://127.0.0.1:1/v1"))
        async with running(config):
            with pytest.raises(StoreError, match="another monitor writes here"):
                Monitor(config)

    run(main)


def test_a_new_configuration_is_taken_up_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with model() as server:
            config = settings(tmp_path, probed(server.url), probed(server.url, "b"))
            answers: list[MonitorConfig | Exception] = [
                ConfigError("a target has no 'x'", path="monitor.yaml", line=3),
                replace(config, data_dir=tmp_path / "other"),
                replace(config, serve=replace(config.serve, port=1)),
                replace(config, serve=replace(config.serve, cert_file=tmp_path)),
                replace(config, targets=(config.targets[0], probed(server.url, "c"))),
            ]

            def reread() -> MonitorConfig:
                answer = answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer

            async with running(config, reread=reread) as found:
                await found.next("b", status="ok")
                why = await found.monitor.reload()
                assert why == "monitor.yaml:3: a target has no 'x'"
                _, _, body = await found.ask("/readyz")
                assert json.loads(body)["problems"] == [
                    f"the configuration stays what it was: {why}"
                ]
                _, _, text = await found.ask("/metrics")
                assert b"latency_lens_config_last_reload_successful 0" in text
                for word in ("data_dir", "listen", "tls"):
                    assert f"{word} cannot change" in str(await found.monitor.reload())
                await found.next("b", status="ok")
                assert await found.monitor.reload() is None
                await found.next("c", status="ok")
                await found.next("a", status="ok")
                assert found.monitor.standing("b") is None
                _, _, text = await found.ask("/metrics")
                assert b"latency_lens_config_last_reload_successful 1" in text
                assert b'target="b"' not in text
                assert b'requests_total{target="a"' in text

    run(main)


def test_a_changed_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_LOOK_S", 0.01)
    watched = tmp_path / "monitor.yaml"
    watched.write_text("one")

    async def main() -> None:
        read = asyncio.Event()
        loop = asyncio.get_running_loop()
        config = settings(tmp_path, probed("http://127.0.0.1:1/v1"), files=(watched,))

        def reread() -> MonitorConfig:
            loop.call_soon_threadsafe(read.set)
            return config

        async with running(config, reread=reread), asyncio.timeout(10):
            watched.write_text("another")
            await read.wait()

    run(main)


def test_a_stop_in_the_middle_of_a_probe_records_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "GRACE_S", 0.02)

    async def main() -> None:
        async with model() as server:
            server.gate.clear()
            async with running(settings(tmp_path, probed(server.url))):
                await until(lambda: server.asked > 0)

    run(main)
    (row,) = kept(tmp_path)
    assert (row["status"], row["error_kind"]) == ("cancelled", "cancelled")
    assert row["error_stage"] in ("wait", "stream")


def test_an_answer_that_does_not_end_is_a_timeout(tmp_path: Path) -> None:
    async def main() -> None:
        async with model() as server:
            server.gate.clear()
            config = settings(tmp_path, probed(server.url, timeout_s=0.05))
            async with running(config) as found:
                row = (await found.next()).row
                assert (row.error_kind, row.error_stage) == ("timeout", "stream")
                assert row.error == "not finished within 0.05 s"
                server.gate.set()
                assert (await found.next(status="ok")).row.ok

    run(main)


def test_a_taker_that_fails_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Probe) -> None:
        raise RuntimeError("a bug")

    async def main() -> None:
        async with model() as server, running(settings(tmp_path, probed(server.url))) as found:
            found.monitor.takers.insert(0, broken)
            await found.next(status="ok")

    run(main)
    assert "was not taken" in caplog.text
    assert kept(tmp_path)


def test_tls_with_a_certificate_that_is_renewed(tmp_path: Path) -> None:
    authority = trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue() -> int:
        issued = authority.issue_cert("localhost")
        cert.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return len(issued.cert_chain_pems)

    issue()
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def main() -> None:
        serve = ServeConfig(port=0, cert_file=cert, key_file=key)
        config = settings(tmp_path, probed("http://127.0.0.1:1/v1"), serve=serve)
        async with running(config, reread=lambda: config) as found:
            assert found.monitor.url.startswith("https://127.0.0.1:")
            status, headers, _ = await found.ask("/healthz", context=context)
            assert (status, headers["strict-transport-security"]) == (200, "max-age=31536000")
            before = await _serial(found, context)
            issue()
            assert await found.monitor.reload() is None
            assert await _serial(found, context) != before
            cert.write_text("broken")
            await found.monitor.reload()
            assert (await found.ask("/healthz", context=context))[0] == 200

    async def _serial(found: Running, context: ssl.SSLContext) -> str:
        port = int(found.monitor.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        certificate = writer.get_extra_info("peercert")
        writer.close()
        return str(certificate["serialNumber"])

    run(main)


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        (ServeConfig(host="nothing.invalid"), "listen: nothing.invalid:9464: "),
        (ServeConfig(host="192.0.2.1", port=1), "listen: 192.0.2.1:1: cannot assign"),
        (ServeConfig(port=0, cert_file=Path("none"), key_file=Path("none")), "tls: none: "),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    tmp_path: Path, serve: ServeConfig, message: str
) -> None:
    async def main() -> None:
        config = settings(tmp_path, probed("http://127.0.0.1:1/v1"), serve=serve)
        with pytest.raises(UsageError, match=message):
            Monitor(config)

    run(main)


def test_listening_to_all_without_a_token_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        serve = ServeConfig(host="0.0.0.0", port=0)
        config = settings(tmp_path, probed("http://127.0.0.1:1/v1"), serve=serve)
        async with running(config) as found:
            await found.next()

    run(main)
    assert "listening on 0.0.0.0 without a token" in caplog.text


def test_signals_stop_it_read_the_file_again_and_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)

    async def main() -> None:
        async with model() as server:
            server.gate.clear()
            reread = asyncio.Event()
            config = settings(tmp_path, probed(server.url))

            def read() -> MonitorConfig:
                loop.call_soon_threadsafe(reread.set)
                return config

            loop = asyncio.get_running_loop()
            async with running(config, reread=read) as found, asyncio.timeout(10):
                command._obey(found.monitor)
                await until(lambda: server.asked > 0)
                os.kill(os.getpid(), signal.SIGHUP)
                await reread.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                while (await found.ask("/readyz"))[0] != 503:
                    pass
                assert codes == []
                os.kill(os.getpid(), signal.SIGINT)
                await until(lambda: bool(codes))
                server.gate.set()
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    run(main)
    assert codes == [130]
    assert [row["status"] for row in kept(tmp_path)] == ["ok"]
