"""What went through a proxy as a table: which model answers how fast, at what cost, and how late
the proxy itself was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from msgspec import UNSET, UnsetType

from ..metrics.proxied import Added, Delay, Proxied, Route, Times
from ..pricing import dollars
from .figures import count, milliseconds, seconds
from .page import Page

_WIDTHS = (7, 10, 10, 10, 10, 9, 11)
_TITLES = ("calls", "TTFT p50", "p95", "ITL p99", "E2E p50", "tokens", "cost")


def proxied(found: Proxied, out: TextIO, *, color: bool = True) -> None:
    """Print what went through, for a person."""
    page = Page(out, color=color)
    title = found.name or "proxy"
    said = [count(found.calls, "call"), f"for {found.upstream}", f"in {seconds(found.wall_s)}"]
    if found.cost is not None and found.calls:
        said.append(dollars(found.cost))
    page.paragraph((title, "bold"), " · ".join(said), indent=len(title) + 2)
    if found.routes:
        _table(page, found)
    notes = list(_notes(found))
    if notes:
        page.line()
    for note in notes:
        page.paragraph(("•", "dim"), note, indent=2, style="dim")


def _table(page: Page, found: Proxied) -> None:
    name_width = page.width - sum(_WIDTHS)
    page.line()
    titles = "".join(map(str.rjust, _TITLES, _WIDTHS))
    page.line(("  model".ljust(name_width), "dim"), (titles, "dim"))
    for route in found.routes:
        name = f"  {route.model or '?'}"
        cells = "".join(map(str.rjust, _cells(route), _WIDTHS))
        if len(name) >= name_width:
            page.line((name, "bold cyan"))
            name = ""
        page.line((name.ljust(name_width), "bold cyan"), (cells, "bold"))
        page.line((f"    {route.provider}{_failures(route)}", "dim"))


def _cells(route: Route) -> tuple[str, ...]:
    return (
        f"{route.calls:,}",
        _shown(route.ttft_ms, "p50"),
        _shown(route.ttft_ms, "p95"),
        _shown(route.itl_ms, "p99"),
        _shown(route.e2e_ms, "p50"),
        f"{route.output_tokens:,}" if route.output_tokens else "-",
        "-" if route.cost is None else dollars(route.cost),
    )


def _shown(times: Times | UnsetType, level: str) -> str:
    return "-" if times is UNSET else milliseconds(getattr(times, level))


def _failures(route: Route) -> str:
    """What did not go as it should, behind the provider's name."""
    parts = [f"{number} {kind}" for kind, number in route.errors.items()]
    if retries := route.attempts - route.calls:
        parts.append(count(retries, "retry", "retries"))
    return f" · {', '.join(parts)}" if parts else ""


def _notes(found: Proxied) -> Iterator[str]:
    if told := _told(found.added):
        yield f"the proxy added {told}"
    if found.added.waited:
        pieces = count(found.added.waited, "piece")
        yield f"{pieces} of answers waited for a client that was slow to read"
    if not found.calls:
        yield "no call to a language model came"
    if found.others:
        yield f"{count(found.others, 'request')} asked no model and went through unmeasured"
    if found.unkept:
        yield f"{count(found.unkept, 'call')} went through and could not be kept"
    if found.unpriced:
        yield f"no cost is known for {count(found.unpriced, 'call')}"
    if found.calls and found.clock_source != "kernel":
        of = "some of the stamps are" if found.clock_source == "mixed" else "the stamps are"
        yield f"{of} the program's own, not the kernel's: taken right after each read"


def _told(added: Added) -> str:
    parts = [("to a request", added.request_ms), ("to a piece of an answer", added.answer_ms)]
    told = [f"{_delay(delay)} {what}" for what, delay in parts if isinstance(delay, Delay)]
    return ", ".join(told)


def _delay(delay: Delay) -> str:
    return f"{milliseconds(delay.p50)} (p50) and {milliseconds(delay.p99)} (p99)"
