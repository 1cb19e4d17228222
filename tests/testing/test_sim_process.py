"""The simulator in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from llm_latency_lens.errors import RunError, UsageError
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import RunningSimulator, Settings, start_simulator
from llm_latency_lens.testing.sendlog import read_send_log

QUICK = SimConfig.from_options(ttft="4ms", gap="2ms", tokens="3")
LIMIT_S = 20


def ask(simulator: RunningSimulator, **headers: str) -> bytes:
    url = urlsplit(simulator.base_url)
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=LIMIT_S)
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
    data = connection.getresponse().read()
    connection.close()
    return data


def test_it_serves_until_it_is_stopped_and_its_log_is_complete() -> None:
    with start_simulator(QUICK) as simulator:
        assert ask(simulator, **{"x-client-request-id": "abc"}).endswith(b"data: [DONE]\n\n")
        (sent,) = simulator.log()
        assert (sent.id, sent.content) == ("abc", [False, True, True, True, False])
        simulator.stop()
    assert simulator.process.returncode == 0
    assert not simulator.send_log.exists()


def test_the_log_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "sends.jsonl"
    with start_simulator(QUICK, send_log=path) as simulator:
        ask(simulator)
    assert [sent.index for sent in read_send_log(path)] == [0]


def test_arguments_reach_it(tmp_path: Path) -> None:
    path = str(tmp_path / "sim.sock")
    with start_simulator(QUICK, unix_socket=path, api_key="k") as simulator:
        assert simulator.base_url == "http://localhost/v1"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(LIMIT_S)
            sock.connect(path)
            sock.sendall(b"GET /v1/models HTTP/1.1\r\nauthorization: Bearer k\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")


def test_what_is_wrong_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="is in use"), start_simulator(QUICK, port=port):
            pass


def test_a_log_that_could_not_be_written_is_told_at_the_end() -> None:
    with (
        pytest.raises(RunError, match="the simulator failed: cannot write the send log"),
        start_simulator(QUICK, send_log=Path("/dev/full")) as simulator,
    ):
        ask(simulator)


def test_a_simulator_that_died_is_told() -> None:
    with pytest.raises(RunError, match="the simulator failed: exit code -9"):  # noqa: SIM117
        with start_simulator(QUICK) as simulator:
            os.kill(simulator.process.pid, signal.SIGKILL)


def test_a_simulator_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="the simulator failed: exit code 1"), start_simulator(QUICK):
        pass


def test_a_simulator_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_latency_lens.testing.process._STOP_S", 0.2)
    with pytest.raises(RunError, match="did not stop within"):  # noqa: SIM117
        with start_simulator(QUICK) as simulator:
            os.kill(simulator.process.pid, signal.SIGSTOP)
    assert simulator.process.returncode == -signal.SIGKILL


def test_it_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    log = tmp_path / "sends.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_latency_lens.testing.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(Settings({}, send_log=str(log))) + b"\n")
    process.stdin.flush()
    assert b"base_url" in process.stdout.readline()
    process.stdin.close()
    assert process.wait(LIMIT_S) == 0
    process.stdout.close()
    assert log.read_bytes() == b""
