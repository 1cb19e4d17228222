"""Looks at a monitor's pages in Chromium as their readers do, and prints what happened as JSON.

`monitor_chromium.py ADDRESS TOKEN FOLDER READER...`, in .venv-real: readers as in page_chromium,
or `plain`, who has no JavaScript; a screenshot of each page is left in the folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from page_chromium import FLAGS, READERS, findings
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PAGES = {
    "overview": "/",
    "target": "/targets/quick?range=1h",
    "down": "/targets/gone?range=1h",
    "compare": "/compare?target=quick&target=slow-eu&range=1h&decide=interactive",
    "incidents": "/incidents",
    "about": "/about",
    "nowhere": "/targets/nowhere",
}
READY = "html[data-ready=yes]"
"""Waiting for an expression would need `eval`, which the pages are not allowed."""
SHOWN = """() => ({
    title: document.title,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
    charts: [...document.querySelectorAll(".chart[data-draw]")].map((chart) => {
        const canvas = chart.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const ink = data.filter((value, place) => place % 4 === 3 && value > 0).length;
        const room = chart.getBoundingClientRect().width;
        return { ink, wide: canvas.getBoundingClientRect().width, room };
    }),
    times: document.querySelectorAll("time:not([title$=' UTC'])").length,
    text: document.body.innerText,
})"""


def enter(page: Page, address: str, token: str) -> None:
    """Log in by the form, to which every page leads."""
    page.goto(f"{address}/targets/quick")
    page.fill("input[name=token]", token)
    page.click("button.main")
    page.wait_for_url("**/targets/quick")


def look(browser: Browser, address: str, token: str, name: str, folder: Path) -> dict[str, Any]:
    """What one reader sees on every page."""
    plain = name == "plain"
    context = browser.new_context(
        **READERS["light" if plain else name], java_script_enabled=not plain
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    context.on("request", lambda request: asked.append(request.url))
    found: dict[str, Any] = {"login": [] if plain else _login(page, address)}
    enter(page, address, token)
    found["cookies"] = context.cookies()
    found["pages"] = {one: _see(page, address + PAGES[one], name, one, folder) for one in PAGES}
    if name == "light":
        found["live"] = live(page, address)
        found["probed"] = probe(page, address)
        found["tip"] = tip(page, address)
        found["keyboard"] = keyboard(page, address)
        found["silenced"] = silence(page, address)
        found["theme"] = theme(page, address)
    if plain:
        found["probed"] = probe_plainly(page, address)
    found["left"] = leave(page, context, address)
    context.close()
    return {**found, "said": said, "asked": sorted({url.partition("?")[0] for url in asked})}


def _login(page: Page, address: str) -> list[str]:
    page.goto(f"{address}/")
    page.wait_for_selector(READY)
    return findings(page)


def _see(page: Page, url: str, name: str, one: str, folder: Path) -> dict[str, Any]:
    page.goto(url)
    if name == "plain":
        return {"text": page.inner_text("body")}
    page.wait_for_selector(READY, timeout=10_000)
    seen: dict[str, Any] = page.evaluate(SHOWN)
    page.screenshot(path=folder / f"{one}-{name}.png", full_page=True)
    return {**seen, "findings": findings(page)}


def live(page: Page, address: str) -> dict[str, Any]:
    """A probe that ends while somebody looks: the row changes by itself, and keeps the focus."""
    page.goto(f"{address}/")
    page.wait_for_selector(READY)
    link = page.locator("#targets th a", has_text="quick")
    link.focus()
    when = "document.querySelector('tr[data-key=quick] time').dateTime"
    before = page.evaluate(when)
    later = f"tr[data-key=quick] time:not([datetime='{before}'])"
    page.wait_for_selector(later, state="attached", timeout=20_000)
    page.wait_for_selector("#connection.live")
    return {
        "before": before,
        "after": page.evaluate(when),
        "focus": page.evaluate("document.activeElement.textContent"),
    }


def probe(page: Page, address: str) -> str:
    """Press "Probe now", and read what the page says of it."""
    page.goto(f"{address}/targets/quick")
    page.wait_for_selector(READY)
    page.click("form[data-probe] button")
    page.wait_for_selector("#probed:has-text('first token')")
    page.wait_for_selector("#probes small:has-text('asked for')")
    return page.inner_text("#probed")


def probe_plainly(page: Page, address: str) -> str:
    page.goto(f"{address}/targets/quick")
    page.click("form[data-probe] button")
    return page.inner_text("#probed")


def tip(page: Page, address: str) -> str:
    """What is told of the place in a chart that one points at."""
    page.goto(f"{address}/targets/quick?range=1h")
    page.wait_for_selector(READY)
    over = page.locator(".chart[data-draw] .u-over").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    told = ""
    for back in range(1, 40, 2):  # the last step has perhaps just begun
        page.mouse.move(box["x"] + box["width"] - back, box["y"] + box["height"] / 2)
        page.wait_for_selector(".tip:not([hidden])")
        told = page.inner_text(".tip:not([hidden])")
        if "p95" in told:
            break
    return told


def keyboard(page: Page, address: str) -> list[str]:
    """What the first presses of Tab lead to."""
    page.goto(f"{address}/")
    page.wait_for_selector(READY)
    found = []
    for _ in range(9):
        page.keyboard.press("Tab")
        found.append(page.evaluate("document.activeElement.textContent.trim()"))
    return found


def silence(page: Page, address: str) -> list[str]:
    """Begin a silence and end it."""
    page.goto(f"{address}/incidents")
    page.wait_for_selector(READY)
    page.select_option("select[name=target]", "gone")
    page.fill("input[name=comment]", "it is being moved")
    page.click("button:has-text('Silence')")
    page.wait_for_selector("table:has-text('it is being moved')")
    told = [page.inner_text("table.plainly")]
    page.click("button:has-text('End')")
    page.wait_for_selector("text=None: everybody is told of everything.")
    return told


def theme(page: Page, address: str) -> list[str]:
    """The colours of the page, after the button was pressed, and on the next page."""
    colour = "getComputedStyle(document.body).backgroundColor"
    page.goto(f"{address}/")
    page.wait_for_selector(READY)
    page.click("button[data-action=theme]")
    found = [page.evaluate(colour), *findings(page)]
    page.goto(f"{address}/about")
    page.wait_for_selector(READY)
    return [*found, page.evaluate(colour)]


def leave(page: Page, context: BrowserContext, address: str) -> dict[str, Any]:
    """Log out."""
    page.goto(f"{address}/about")
    page.click("text=Log out")
    page.wait_for_url("**/login")
    return {"cookies": context.cookies()}


def main(address: str, token: str, folder: str, *readers: str) -> None:
    """Look at the pages with these readers' eyes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found = {name: look(browser, address, token, name, Path(folder)) for name in readers}
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
