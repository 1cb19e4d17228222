"""`latency-lens monitor` as a command: from its file to a stop, and its log lines."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_latency_lens.cli.app import run
from llm_latency_lens.cli.logs import start_logging
from llm_latency_lens.cli.world import World
from llm_latency_lens.service import monitor as monitoring
from llm_latency_lens.service import serving

_log = logging.getLogger("llm_latency_lens.test")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]


class _Heard(io.StringIO):
    """Sets `said` once something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.said = threading.Event()

    def flush(self) -> None:
        super().flush()
        self.said.set()


def _stop_when_told(out: _Heard) -> None:
    out.said.wait(20)
    os.kill(os.getpid(), signal.SIGTERM)


def test_it_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(
        "listen: 127.0.0.1:0\ndata_dir: nowhere\n"
        "targets: [{name: a, model: m, base_url: 'http://127.0.0.1:1/v1'}]\n"
    )
    out = _Heard()
    world = World(out, io.StringIO(), {})
    stopper = threading.Thread(target=_stop_when_told, args=(out,))
    stopper.start()
    words = ["--data-dir", str(tmp_path / "data"), "--max-cost", "2", "--log-format", "json"]
    words += ["--listen", "localhost:0"]
    code = run(["monitor", "--config", str(file), *words], world)
    stopper.join()
    assert code == 0
    assert out.getvalue().startswith("Monitoring 1 target; the page is at http://127.0.0.1:")
    lines = [json.loads(line) for line in world.err.getvalue().splitlines()]
    assert [line["message"].partition(":")[0] for line in lines][-2:] == ["stopping", "stopped"]
    assert {line["level"] for line in lines} == {"info"}
    assert (tmp_path / "data" / "journal").is_dir()
    assert not (tmp_path / "nowhere").exists()


def test_it_does_not_wait_for_names_that_nobody_resolves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, released, codes = threading.Event(), threading.Event(), []

    def hang(*_: object, **__: object) -> list[object]:
        asked.set()
        released.wait(20)
        return []

    def leave(code: int) -> None:
        codes.append(code)
        released.set()

    monkeypatch.setattr(monitoring, "GRACE_S", 0.0)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    file = tmp_path / "monitor.yaml"
    file.write_text(
        f"listen: 127.0.0.1:0\ndata_dir: {tmp_path}/data\n"
        "targets: [{name: a, model: m, base_url: 'http://model.example/v1', api_key: none}]\n"
    )
    monkeypatch.setattr(serving, "_listen", _socket)

    def stop() -> None:
        asked.wait(20)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    world = World(io.StringIO(), io.StringIO(), {})
    assert run(["monitor", "--config", str(file)], world) == 0
    stopper.join()
    assert codes == [0]
    (journal,) = (tmp_path / "data" / "journal").iterdir()
    row = json.loads(journal.read_text())
    assert (row["status"], row["error_stage"]) == ("cancelled", "resolve")


def _socket(_: object) -> socket.socket:
    found = socket.create_server(("127.0.0.1", 0))
    found.setblocking(False)
    return found


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("llm_latency_lens.service.")]:
        if name.endswith((".monitor", ".serving", ".app")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    file = tmp_path / "monitor.yaml"
    file.write_text("targets: [{name: a, model: m, base_url: 'http://127.0.0.1:1/v1'}]\n")
    world = World(io.StringIO(), io.StringIO(), {})
    assert run(["monitor", "--config", str(file)], world) == 2
    assert "monitor needs uvicorn: pip install 'llm-latency-lens[service]'" in world.err.getvalue()


def _logged(form: str, level: str = "info") -> list[str]:
    stream = io.StringIO()
    start_logging(level, form, stream)
    _log.debug("too quiet")
    _log.info("a server said: %s", "one\nforged line\ttwo")
    try:
        int("broken")
    except ValueError:
        _log.exception("it failed")
    return stream.getvalue().splitlines()


def test_log_lines_for_people() -> None:
    first, second, *trace = _logged("text")
    assert first.endswith("Z info a server said: one forged line two")
    assert second.endswith("Z error it failed")
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1].startswith("ValueError: ")


def test_log_lines_for_programs() -> None:
    first, second = map(json.loads, _logged("json"))
    assert first["message"] == "a server said: one forged line two"
    assert (first["level"], first["logger"]) == ("info", "llm_latency_lens.test")
    assert first["time"].endswith("Z")
    assert "ValueError: " in second["exception"]


def test_the_level_is_kept_to() -> None:
    assert len(_logged("json", "error")) == 1
    assert len(_logged("json", "debug")) == 3
