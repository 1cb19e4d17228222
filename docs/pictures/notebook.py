"""Draws notebook.png, a result as a notebook shows it: `python docs/pictures/notebook.py`.

Needs Chromium, and the extra `report`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from llm_latency_lens import Lens
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator
from report import FLAGS, HERE, SIMULATED

SIZE = (990, 1010)
CELL = 'found = lens.benchmark("Tell me about bridges.", requests=400, concurrency=8)\nfound'
PAGE = """\
<!doctype html><meta charset="utf-8"><body style="margin: 16px; background: white">
<pre style="background: #f5f5f5; border: 1px solid #ddd; padding: 10px; font: 13px monospace;
max-width: 938px">{cell}</pre>
{shown}
"""


def shown(folder: Path) -> str:
    """A run against the simulator, as a notebook gets it."""
    with start_simulator(SimConfig.from_options(**SIMULATED)) as running:
        lens = Lens(model="sim", base_url=running.base_url, api_key="none", run_dir=folder / "run")
        found = lens.benchmark("Tell me about bridges.", requests=400, concurrency=8)
        return found._repr_html_()


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("notebook.py: this needs chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "notebook.html")
        page.write_text(PAGE.format(cell=escape(CELL), shown=shown(Path(folder))))
        shot = [
            f"--screenshot={HERE / 'notebook.png'}",
            f"--window-size={SIZE[0]},{SIZE[1]}",
            f"--user-data-dir={folder}/chromium",
        ]
        subprocess.run([chromium, *FLAGS, *shot, page.as_uri()], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
