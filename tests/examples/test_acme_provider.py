"""The example package, as it is when it is installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens import Lens, providers
from llm_latency_lens.record import Status

EXAMPLE = Path(__file__).parents[2] / "examples" / "acme-provider"
STREAM = "".join(json.loads((EXAMPLE / "tests/samples.jsonl").read_text().splitlines()[0])["body"])


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Put on the path what pip would put there."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "latency_lens_acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["llm_latency_lens.providers"]
    lines = [f"{name} = {place}" for name, place in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[llm_latency_lens.providers]", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE / "src"))
    providers.get.cache_clear()
    yield
    providers.get.cache_clear()
    sys.modules.pop("latency_lens_acme", None)


@pytest.fixture
def acme() -> Iterator[tuple[str, list[Any]]]:
    """Acme itself: the address, and what it was asked."""
    asked: list[Any] = []

    class Acme(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            asked.append((self.path, json.loads(self.rfile.read(size))))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(STREAM)))
            self.end_headers()
            self.wfile.write(STREAM.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Acme)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("installed")
def test_it_measures_like_any_other(acme: tuple[str, list[Any]], tmp_path: Path) -> None:
    base_url, asked = acme
    lens = Lens(provider="acme", model="acme-1", base_url=base_url, run_dir=tmp_path / "run")
    found = lens.profile("Say hello")
    assert found.record.status is Status.OK
    assert found.text == "Hello"
    assert found.record.usage.output == 3
    assert asked == [("/v1/generate", {"engine": "acme-1", "input": "Say hello", "stream": True})]


@pytest.mark.usefixtures("installed")
def test_it_is_in_the_list() -> None:
    assert "acme" in providers.names()
    assert "acme" not in providers.PROVIDERS


def test_its_own_tests_pass() -> None:
    assert importlib.util.find_spec("latency_lens_acme") is None
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=EXAMPLE,
        env={"PYTHONPATH": str(EXAMPLE / "src"), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
