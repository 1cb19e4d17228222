"""Draws report.png, the picture of a page, from a real run: `python docs/pictures/report.py`.

Needs Chromium, and the extra `report`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

HERE = Path(__file__).parent
SIZE = (1120, 1064)
PRICES = """\
[[prices]]
provider = "openai"
model = "sim"
input = 0.15
output = 0.60
"""
SIMULATED = {
    "ttft": "lognormal:180ms,0.35",
    "gap": "gamma:14ms,0.4",
    "tokens": "60",
    "stalls": "0.05%:700ms",
    "faults": "429=1s:2%",
}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


def write_page(folder: Path) -> Path:
    """A run against the simulator, and its page."""
    prices, run, page = folder / "prices.toml", folder / "run", folder / "report.html"
    prices.write_text(PRICES)
    command = Path(sys.executable).with_name("latency-lens")
    environment = {**os.environ, "LATENCY_LENS_HOME": str(folder), "OPENAI_API_KEY": "none"}
    with start_simulator(SimConfig.from_options(**SIMULATED)) as running:
        asked = ["benchmark", "sim", "Tell me about bridges.", "--base-url", running.base_url]
        load = ["--requests", "400", "--concurrency", "8", "--name", "nightly"]
        kept = ["--prices", str(prices), "--run-dir", str(run), "--quiet"]
        for words in ([*asked, *load, *kept], ["report", str(run), "--html", str(page)]):
            subprocess.run(  # noqa: S603
                [command, *words], env=environment, stdout=subprocess.DEVNULL, check=True
            )
    return page


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("report.py: this needs chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = write_page(Path(folder))
        shot = [
            f"--screenshot={HERE / 'report.png'}",
            f"--window-size={SIZE[0]},{SIZE[1]}",
            f"--user-data-dir={folder}/chromium",
            "--virtual-time-budget=10000",
        ]
        subprocess.run([chromium, *FLAGS, *shot, page.as_uri()], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
