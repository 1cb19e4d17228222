"""Service levels as a table: per window what was kept, and what is left of each error budget."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

from ..decide.budgets import Budget, Held, Window
from .annotations import annotation
from .figures import count, percent, seconds, short
from .page import Page

_NAME = 28
_WIDTHS = (7, 11, 9, 10, 11, 9, 12)
_WIDE = 99
_TITLES = ("window", "requests", "missed", "kept", "burn rate", "budget", "covered")


def text(held: Held, out: TextIO, *, color: bool = True) -> None:
    """Print them for a person."""
    page = Page(out, color=color)
    words, style = ("kept", "bold green") if held.passed else ("MISSED", "bold red")
    page.line((f"{held.name} {words}", style), f"  {_scope(held)}")
    page.line()
    page.line(("  " + " " * _NAME + _row(page, _TITLES), "dim"))
    last = ""
    for window in held.windows:
        mark, style = ("✓", "green") if window.met else ("✗", "bold red")
        name = window.objective if window.objective != last else ""
        last = window.objective
        page.line((mark, style), f" {name[: _NAME - 1].ljust(_NAME)}{_row(page, _cells(window))}")
    page.line()
    for budget in held.budgets:
        page.paragraph(("•", "dim"), _left(budget), indent=2)


def _scope(held: Held) -> str:
    until = datetime.fromtimestamp(held.until_unix_ns / 1e9, UTC)
    return f"{count(len(held.runs), 'run')}, up to {until:%Y-%m-%d %H:%M:%S} UTC"


def _row(page: Page, cells: tuple[str, ...]) -> str:
    """Without the last two where the page is narrow."""
    widths = _WIDTHS if page.width >= _WIDE else _WIDTHS[:-2]
    return "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))


def _cells(window: Window) -> tuple[str, ...]:
    return (
        window.window,
        f"{window.total:,}",
        f"{window.missed:,}",
        "–" if window.share is None else f"{100 * window.share:.2f} %",
        "–" if window.burn_rate is None else short(window.burn_rate),
        "–" if window.spent is None else percent(window.spent),
        seconds(window.covered_s),
    )


def _left(budget: Budget) -> str:
    if not budget.allowed:
        return f"{budget.objective}: nothing to judge it by"
    of = "gaps" if budget.objective.startswith("itl_ms") else "requests"
    words = (
        f"{short(budget.left)} left" if budget.left >= 0 else f"overspent by {short(-budget.left)}"
    )
    return (
        f"{budget.objective}: {budget.spent:,} of {short(budget.allowed)} {of} that may miss it in"
        f" {budget.window} are spent, {words}"
    )


def markdown(held: Held) -> str:
    """As Markdown, for a step's summary or a comment."""
    return "\n".join(_markdown(held)) + "\n"


def _markdown(held: Held) -> Iterator[str]:
    mark = "✅" if held.passed else "❌"
    yield f"### {mark} {_plain(held.name)} {'kept' if held.passed else 'missed'}"
    yield f"\n{_scope(held)}\n"
    yield "| | Objective | Window | Requests | Missed | Kept | Burn rate | Budget spent | Covered |"
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|"
    for window in held.windows:
        cells = " | ".join(_cells(window))
        yield f"| {'✅' if window.met else '❌'} | `{window.objective}` | {cells} |"
    yield ""
    for budget in held.budgets:
        yield f"- {_left(budget).replace('<', '&lt;')}"


def remarks(held: Held) -> Iterator[str]:
    """An error for each objective and window that was missed, for GitHub."""
    for window in held.windows:
        if not window.met:
            kept = "no request to judge it by"
            if window.share is not None:
                kept = f"{window.missed:,} of {window.total:,} missed it, {_cells(window)[3]} kept"
            yield annotation("error", window.objective, f"in {window.window}: {kept}")


def _plain(words: str) -> str:
    return " ".join(words.split()).replace("<", "&lt;").replace("|", "\\|")
