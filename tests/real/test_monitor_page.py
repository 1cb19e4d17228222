"""The monitor's pages in a real browser, served by the real monitor: all is drawn, it follows what
happens, nothing is asked of anybody else, everybody can read it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from real_command import COMMAND, Command, Simulate
from real_parts import sdk_says
from real_servers import free_port

pytestmark = pytest.mark.real

LOOKER = "monitor_chromium.py"
LIGHT, DARK = "rgb(246, 247, 248)", "rgb(16, 20, 24)"
TOKEN, KEY = "a-token-for-the-page", "sk-a-key-that-nobody-sees"
CONFIG = """\
listen: 127.0.0.1:{port}
data_dir: {folder}/data
token_env: MONITOR_TOKEN
prices: {folder}/prices.toml
defaults:
  interval: 1s
  provider: openai
  api_key_env: SIM_KEY
  base_url: {base_url}
targets:
  - name: quick
    model: sim
    labels: {{team: search}}
    objectives: [ttft_ms.p95<800, error_rate<1%]
  - {{name: slow-eu, model: sim-slow, region: eu}}
  - {{name: gone, model: sim, base_url: "http://127.0.0.1:{nobody}/v1"}}
"""
PRICES = '[[prices]]\nprovider = "openai"\nmodel = "sim*"\ninput = 0.15\noutput = 0.60\n'
PROBED_S = 12.0


@dataclass(frozen=True, slots=True)
class Running:
    """A monitor that probes."""

    address: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def monitored(simulate: Simulate, lens: Command, tmp_path: Path) -> Iterator[Running]:
    server = simulate(ttft="lognormal:60ms,0.4", gap="gamma:6ms,0.4", tokens="24")
    port = free_port()
    (tmp_path / "prices.toml").write_text(PRICES)
    config = tmp_path / "monitor.yaml"
    config.write_text(
        CONFIG.format(port=port, folder=tmp_path, base_url=server.base_url, nobody=free_port())
    )
    environment = {**lens.environment, "MONITOR_TOKEN": TOKEN, "SIM_KEY": KEY}
    log = tmp_path / "monitor.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [COMMAND, "monitor", "--config", config], env=environment, stdout=file, stderr=file
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, log)
        time.sleep(PROBED_S)
        yield Running(address, process)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(f"{address}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the monitor is not ready after 10 s")


def checked(seen: dict[str, Any], address: str, background: str) -> dict[str, Any]:
    """What must be so for every reader; gives the pages."""
    assert seen["said"] == [
        "error: Failed to load resource: the server responded with a status of 404 (Not Found)"
    ]  # of the target that there is not
    assert all(url.startswith(f"{address}/") for url in seen["asked"]), seen["asked"]
    assert seen["login"] == []
    for name, page in seen["pages"].items():
        assert page["findings"] == [], name
        assert page["overflow"] <= 0, name
        assert page["background"] == background, name
        assert page["times"] == 0, name
        assert KEY not in page["text"]
        assert TOKEN not in page["text"]
        for chart in page["charts"]:
            assert chart["ink"] > 1000, name
            assert 0.9 * chart["room"] <= chart["wide"] <= chart["room"] + 1, name
    (cookie,) = seen["cookies"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in cookie["value"]
    assert seen["left"] == {"cookies": []}
    pages: dict[str, Any] = seen["pages"]
    return pages


def without_javascript(seen: dict[str, Any]) -> None:
    pages = {name: page["text"] for name, page in seen["pages"].items()}
    assert "quick" in pages["overview"]
    assert "UTC" in pages["target"]
    assert "All figures by 30 s" in pages["target"]
    assert "The charts need JavaScript" in pages["target"]
    assert "In numbers" in pages["compare"]
    assert seen["probed"] == "The probe was answered."


def test_the_pages_of_a_monitor(monitored: Running, tmp_path: Path) -> None:
    readers = ("light", "dark", "phone", "plain")
    shots = Path(os.environ.get("LATENCY_LENS_SHOTS", tmp_path))
    found = sdk_says(LOOKER, monitored.address, TOKEN, str(shots), *readers, timeout_s=300)
    for name, background in (("light", LIGHT), ("dark", DARK), ("phone", LIGHT)):
        pages = checked(found[name], monitored.address, background)
        assert len(pages["target"]["charts"]) == 5, name
        assert len(pages["compare"]["charts"]) == 3, name
        assert len(pages["down"]["charts"]) == 0, name
        assert "Not here" in pages["nowhere"]["text"]
    light = found["light"]
    pages = light["pages"]
    assert "2 of 3" in pages["overview"]["text"]
    assert "gone (openai/sim): down since" in pages["incidents"]["text"]
    assert "network" in pages["down"]["text"]
    assert "ttft_ms.p95<800" in pages["target"]["text"]
    assert "resamples" in pages["compare"]["text"]
    assert light["live"]["focus"] == "quick"
    assert light["live"]["before"] < light["live"]["after"]
    assert light["probed"].startswith("ok: first token after ")
    assert "p95" in light["tip"]
    assert "UTC" in light["tip"]
    assert light["keyboard"][:3] == ["To the content", "latency-lens", "Overview"]
    assert "gone" in light["silenced"][0]
    assert light["theme"] == [DARK, DARK]
    without_javascript(found["plain"])


def test_a_stream_does_not_hold_up_the_end(monitored: Running) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with (
        closing(httpx2.Client(headers=headers)) as client,
        client.stream("GET", f"{monitored.address}/api/v1/events") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        while not next(lines).startswith("event: probe"):
            pass
        begun = time.monotonic()
        monitored.process.terminate()
        assert monitored.process.wait(20) == 0
        assert time.monotonic() - begun < 8
