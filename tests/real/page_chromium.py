"""Opens a page in Chromium as its readers do, and prints what happened as JSON.

`page_chromium.py PAGE FOLDER READER...`, in .venv-real: `light`, `dark` or `phone`, with a
screenshot of each, and one print, in the folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READERS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "color_scheme": "light",
        "is_mobile": True,
        "has_touch": True,
    },
}
DRAWN = "document.documentElement.dataset.drawn"
SHOWN = """() => ({
    drawn: document.documentElement.dataset.drawn,
    drawn_ms: performance.getEntriesByName("drawn")[0]?.startTime,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
    charts: [...document.querySelectorAll(".chart")].map((chart) => {
        const svg = chart.querySelector("svg"), outer = chart.getBoundingClientRect();
        const marks = svg.querySelectorAll(".mark-line path, .mark-rect path, .mark-symbol path");
        const wide = svg.getBoundingClientRect().width;
        return { name: chart.id, marks: marks.length, wide, room: outer.width };
    }),
    alerts: window.alerts || 0,
})"""


def look(browser: Browser, address: str, name: str, folder: Path) -> dict[str, Any]:
    """What one reader sees."""
    context = browser.new_context(accept_downloads=True, **READERS[name])
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script("window.alert = () => { window.alerts = (window.alerts || 0) + 1; }")
    page.goto(address)
    page.wait_for_function(DRAWN, timeout=30_000)
    found: dict[str, Any] = page.evaluate(SHOWN)
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    found["findings"] = findings(page)
    if name == "light":
        page.pdf(path=folder / "print.pdf", format="A4")
        found["downloads"] = downloads(page)
        found["tooltip"] = tooltip(page)
    page.click("button[data-action=theme]")
    found["other"] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    found["findings"] += findings(page)
    context.close()
    return {**found, "said": said, "asked": asked}


def findings(page: Page) -> list[str]:
    """What axe finds serious."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def downloads(page: Page) -> dict[str, str]:
    """What the buttons give, by the name of the file."""
    given = {}
    for action in ("results", "requests"):
        with page.expect_download() as download:
            page.click(f"button[data-action={action}]")
        file = download.value
        given[file.suggested_filename] = Path(file.path()).read_text()
    return given


def tooltip(page: Page) -> str:
    """What is told of the first dot of the first chart."""
    page.locator(".chart").first.scroll_into_view_if_needed()
    page.locator(".chart").first.locator(".mark-symbol path").last.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
    return page.inner_text("#vg-tooltip-element")


def main(path: str, folder: str, *readers: str) -> None:
    """Look at the page with these readers' eyes."""
    address = Path(path).resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found = {name: look(browser, address, name, Path(folder)) for name in readers}
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
