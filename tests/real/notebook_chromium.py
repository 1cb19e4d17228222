"""Opens pieces of HTML as notebooks embed them, in Chromium, and prints what is seen as JSON.

`notebook_chromium.py FILE FOLDER`, in .venv-real: FILE holds the pieces one after the other; a
screenshot of each notebook is left in the folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from page_chromium import FLAGS, findings
from playwright.sync_api import Browser, sync_playwright

NOTEBOOKS: dict[str, tuple[str, str, str, int]] = {
    "jupyter light": ("", 'data-jp-theme-light="true"', "dark", 1100),
    "jupyter dark": ("", 'data-jp-theme-light="false"', "light", 1100),
    "colab dark": ('theme="dark"', "", "light", 1100),
    "code dark": ("", 'class="vscode-dark"', "light", 1100),
    "plain light": ("", "", "light", 1100),
    "plain dark": ("", "", "dark", 1100),
    "phone": ("", "", "light", 360),
}
"""What the page and its body say, what the browser prefers, and how wide it is."""
# Notebooks have styles of their own for tables.
PAGE = """<!doctype html><html lang="en" {html}><meta charset="utf-8"><title>notebook</title>
<style>.rendered th, .rendered td {{ text-align: right; padding: 20px; }}
.rendered tbody tr:nth-child(odd) {{ background: #f5f5f5; }}</style>
<body {body}><main class="rendered"><h1>notebook</h1>{pieces}</main></body></html>"""
SHOWN = """() => {
    const all = [...document.querySelectorAll(".latency-lens")];
    const style = (one, name) => getComputedStyle(one)[name];
    return {
        backgrounds: [...new Set(all.map((one) => style(one, "backgroundColor")))],
        inks: [...new Set(all.map((one) => style(one, "color")))],
        rows: [...new Set([...document.querySelectorAll(".latency-lens tr")]
            .map((one) => style(one, "backgroundColor")))],
        names: [...new Set([...document.querySelectorAll(".latency-lens tbody th")]
            .map((one) => style(one, "textAlign")))],
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        drawings: [...document.querySelectorAll(".latency-lens svg")].map((svg) => ({
            wide: svg.getBoundingClientRect().width,
            room: svg.closest(".latency-lens").getBoundingClientRect().width,
            marks: svg.querySelectorAll("g[class^=mark-] path").length,
        })),
    };
}"""


def look(browser: Browser, name: str, pieces: str, folder: Path) -> dict[str, Any]:
    """What a reader of this notebook sees."""
    html, body, prefers, width = NOTEBOOKS[name]
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if prefers == "dark" else "light",
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(PAGE.format(html=html, body=body, pieces=pieces))
    found: dict[str, Any] = page.evaluate(SHOWN)
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    found["findings"] = findings(page)
    context.close()
    return {**found, "said": said, "asked": asked}


def main(path: str, folder: str) -> None:
    """Look at the pieces in all notebooks."""
    pieces = Path(path).read_text()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found = {name: look(browser, name, pieces, Path(folder)) for name in NOTEBOOKS}
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
