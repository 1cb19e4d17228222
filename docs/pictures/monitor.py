"""Draws monitor.png and monitor-target.png, pictures of a monitor's pages: `python
docs/pictures/monitor.py`.

The monitor is the real one; the day before is not waited for: simulated answers are put into its
history. Needs Chromium, and the extra `service`.
"""

from __future__ import annotations

import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from llm_latency_lens.clock import SECOND_NS, SystemClock
from llm_latency_lens.service.config import RetentionConfig
from llm_latency_lens.service.history import History
from llm_latency_lens.service.probe import row_of
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.model import draw
from llm_latency_lens.testing.process import start_simulator

HERE = Path(__file__).parent
HOURS, INTERVAL_S, SETTLE_S = 26, 60, 32.0
CONFIG = """\
listen: 127.0.0.1:{port}
data_dir: {folder}/data
prices: {folder}/prices.toml
defaults: {{interval: 5s, api_key_env: SIM_KEY, base_url: "{base_url}", provider: openai}}
targets:
"""
TARGET = """\
  - name: {name}
    model: {model}
    region: {region}
    labels: {{team: {team}}}
    objectives: [{{limit: ttft_ms<600, target: 99%}}, error_rate<1%]
"""
PRICES = '[[prices]]\nprovider = "openai"\nmodel = "*"\ninput = 0.15\noutput = 0.60\n'
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
PICTURES = {"monitor": ("/", 860), "monitor-target": ("/targets/chat-eu", 1400)}


@dataclass(frozen=True, slots=True)
class Target:
    """One target, and how its simulated answers are."""

    name: str
    model: str
    region: str
    team: str
    ttft_ms: float
    faults: str


GONE = """\
  - {name: staging, model: gpt-4o-mini, base_url: "http://127.0.0.1:9/v1"}
"""
TARGETS = (
    Target("chat-eu", "gpt-4o-mini", "eu-west", "chat", 190, "500:0.6%"),
    Target("chat-us", "gpt-4o-mini", "us-east", "chat", 140, "500:0.1%"),
    Target("search", "llama-3.1-70b", "eu-west", "search", 330, "429=1s:0.4%"),
    Target("batch", "mistral-small", "eu-central", "search", 260, "503:0.2%"),
)


def put_in(history: History, target: Target, now_s: float) -> None:
    """A day of probes, hour by hour: slower in the afternoon, and broken for a while."""
    for back in range(HOURS, 0, -1):
        begin_s = now_s - 3600 * back
        busy = 1 + 0.45 * math.sin(2 * math.pi * (begin_s / 86_400 - 0.35))
        broken = target.name == "chat-eu" and back == 9
        options = {
            "ttft": f"lognormal:{target.ttft_ms * busy:.0f}ms,0.25",
            "gap": "gamma:14ms,0.4",
            "tokens": "24",
            "faults": "503:35%" if broken else target.faults,
            "seed": str(1000 * TARGETS.index(target) + back),
        }
        records = draw(
            SimConfig.from_options(model=target.model, **options),
            3600 // INTERVAL_S,
            rate=1 / INTERVAL_S,
        )
        for place, record in enumerate(records):
            record.arm, record.start_unix_ns = target.name, None
            if record.usage.output is not None:
                record.cost_usd = Decimal(record.usage.output) * Decimal("0.0000006")
            at_ns = round((begin_s + INTERVAL_S * place) * SECOND_NS)
            row = row_of(record, at_ns, target.region)
            row.id, row.send_lag_ms = f"{target.name}-{at_ns}", 0.2
            history.add(row)


@contextmanager
def monitor(folder: Path, base_url: str) -> Iterator[str]:
    """The real monitor, with a past; gives its address."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    config = CONFIG.format(port=port, folder=folder, base_url=base_url)
    for target in TARGETS:
        config += TARGET.format(
            name=target.name, model=target.model, region=target.region, team=target.team
        )
    (folder / "monitor.yaml").write_text(config + GONE)
    (folder / "prices.toml").write_text(PRICES)
    command = [Path(sys.executable).with_name("latency-lens"), "monitor", "--config"]
    environment = {**os.environ, "LATENCY_LENS_HOME": str(folder), "SIM_KEY": "none"}
    running = subprocess.Popen([*command, folder / "monitor.yaml"], env=environment)  # noqa: S603
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("monitor.py: this needs chromium")
    simulated = SimConfig.from_options(
        ttft="lognormal:170ms,0.25", gap="gamma:14ms,0.4", tokens="24"
    )
    with tempfile.TemporaryDirectory() as name, start_simulator(simulated) as simulator:
        folder = Path(name)
        history = History(folder / "data", RetentionConfig(), SystemClock())
        for target in TARGETS:
            put_in(history, target, time.time())
        history.close()
        with monitor(folder, simulator.base_url) as address:
            time.sleep(SETTLE_S)
            urllib.request.urlopen(f"{address}/readyz").close()  # noqa: S310
            for picture, (path, height) in PICTURES.items():
                shot = [
                    f"--screenshot={HERE / picture}.png",
                    f"--window-size=1120,{height}",
                    f"--user-data-dir={folder}/chromium",
                    "--timeout=6000",
                ]
                subprocess.run([chromium, *FLAGS, *shot, address + path], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
