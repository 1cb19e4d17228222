"""A program's calls as a table: which of its lines wait how long, for which model, at what cost."""

from __future__ import annotations

from typing import TextIO

from msgspec import UNSET, UnsetType

from ..metrics.program import Program, Site, Spread
from ..pricing import dollars
from .figures import count, milliseconds, percent, seconds
from .page import Page

_WIDTHS = (7, 10, 10, 9, 8, 12)
_TITLES = ("calls", "TTFT p50", "E2E p50", "waits", "share", "cost")


def program(found: Program, out: TextIO, *, color: bool = True) -> None:
    """Print where a program waits, for a person."""
    page = Page(out, color=color)
    title = found.name or "program"
    said = [count(found.calls, "call"), f"ran {seconds(found.wall_s)}"]
    if found.calls:
        waited = f"{seconds(found.waited_s)} of it ({percent(found.share)}) in calls"
        said += [waited, *([dollars(found.cost)] if found.cost is not None else [])]
    page.paragraph((title, "bold"), " · ".join(said), indent=len(title) + 2)
    if not found.sites:
        page.line()
        page.paragraph(
            ("•", "dim"),
            "no call to a language model was seen on httpx, aiohttp, requests or urllib3",
            indent=2,
            style="dim",
        )
        return
    _table(page, found)
    _notes(page, found)


def _table(page: Page, found: Program) -> None:
    name_width = page.width - sum(_WIDTHS)
    titles = "".join(map(str.rjust, _TITLES, _WIDTHS))
    page.line()
    page.line(("  call site".ljust(name_width), "dim"), (titles, "dim"))
    for site in found.sites:
        name = _tail(site.site or "(a library's own task)", name_width - 3)
        cells = "".join(map(str.rjust, _cells(site), _WIDTHS))
        page.line((f"  {name}".ljust(name_width), "bold cyan"), (cells, "bold"))
        page.line((f"    {site.provider}/{site.model or '?'}{_failures(site)}", "dim"))


def _cells(site: Site) -> tuple[str, ...]:
    cost = "-" if site.cost is None else dollars(site.cost)
    return (
        f"{site.calls:,}",
        _median(site.ttft_ms),
        _median(site.e2e_ms),
        seconds(site.waited_s),
        percent(site.share),
        cost,
    )


def _median(spread: Spread | UnsetType) -> str:
    return "-" if spread is UNSET else milliseconds(spread.p50)


def _failures(site: Site) -> str:
    """What did not go as it should, behind the model's name."""
    parts = [f"{number} {kind}" for kind, number in site.errors.items()]
    if retries := site.attempts - site.calls:
        parts.append(count(retries, "retry", "retries"))
    return f" · {', '.join(parts)}" if parts else ""


def _notes(page: Page, found: Program) -> None:
    notes = []
    if found.unpriced:
        notes.append(f"no cost is known for {count(found.unpriced, 'call')}")
    if found.clock_source != "kernel":
        of = "some of the stamps are" if found.clock_source == "mixed" else "the stamps are"
        notes.append(f"{of} the program's own, not the kernel's: taken right after each read")
    if notes:
        page.line()
    for note in notes:
        page.paragraph(("•", "dim"), note, indent=2, style="dim")


def _tail(text: str, width: int) -> str:
    """The end of a path, which tells more than its beginning."""
    return text if len(text) <= width else f"…{text[-width + 1 :]}"
