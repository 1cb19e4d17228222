"""A gate's verdict as a table for a terminal, as Markdown, and as annotations of GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TextIO

from ..decide.gate import Gate
from ..decide.regressions import RATE, Answered
from ..decide.thresholds import Checked
from ..metrics.objectives import unit_of
from ..pricing import dollars
from .annotations import annotation
from .figures import count, milliseconds, seconds, short
from .page import Page

_NAME = 22
_CELLS = (12, 12, 10, 22)
_WIDE = 98
_MARKS = {
    "worse": ("✗", "bold red"),
    "not worse": ("✓", "green"),
    "not enough data": ("?", "bold yellow"),
}
_EMOJI = {"worse": "❌", "not worse": "✅", "not enough data": "⚠️"}


def text(found: Gate, out: TextIO, *, color: bool = True) -> None:
    """Print the verdict for a person."""
    page = Page(out, color=color)
    words, style = ("passed", "bold green") if found.passed else ("FAILED", "bold red")
    page.line((f"gate {words}", style), f"  {headline(found)}")
    page.line()
    details(found, page)


def details(found: Gate, page: Page) -> None:
    """Each threshold and each regression, a line each."""
    for one in found.thresholds:
        _threshold(page, one)
    if found.thresholds and found.regressions:
        page.line()
    if found.regressions:
        titles = ("baseline", "run", "change", f"{_sure(found)} sure between")
        page.line(("  " + " " * _NAME + _row(page, titles), "dim"))
        for tested in found.regressions:
            _regression(page, tested)
    if found.warnings:
        page.line()
    for warning in found.warnings:
        page.paragraph(("▲", "bold yellow"), warning, indent=2)


def headline(found: Gate) -> str:
    """What was missed, in one sentence."""
    parts = []
    if found.thresholds:
        kept = len(found.thresholds) - len(found.missed)
        parts.append(f"{kept} of {count(len(found.thresholds), 'threshold')} kept")
    if found.regressions:
        worse = ", ".join(one.metric for one in found.worse)
        parts.append(f"worse than the baseline: {worse}" if worse else "nothing found worse")
    if found.unanswered:
        names = ", ".join(one.metric for one in found.unanswered)
        parts.append(f"not enough data for {names}")
    return "; ".join(parts)


def _threshold(page: Page, one: Checked) -> None:
    mark, style = ("✓", "green") if one.met else ("✗", "bold red")
    page.line((mark, style), f" {one.threshold.ljust(_NAME + _CELLS[0])}", told(one))


def told(one: Checked) -> str:
    """The value, and by how much it missed."""
    if one.value is None:
        return str(one.note)
    told = shown(one.metric, one.value)
    if one.missed_by is None:
        return told
    return f"{told}, missed by {shown(one.metric, one.missed_by)}{_relative(one)}"


def _relative(one: Checked) -> str:
    if not one.limit or one.missed_by is None:
        return ""
    return f" ({short(100 * float(one.missed_by) / abs(float(one.limit)))} %)"


def _regression(page: Page, one: Answered) -> None:
    mark, style = _MARKS[one.answer]
    row = _row(page, _cells(one))
    page.line((mark, style), f" {one.metric.ljust(_NAME)}{row}  ", (answer(one), style))
    if words := explained(one):
        page.paragraph("", words, indent=4, style="dim")


def _row(page: Page, cells: tuple[str, ...]) -> str:
    """Without the interval where the page is narrow."""
    widths = _CELLS if page.width >= _WIDE else _CELLS[:-1]
    return "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))


def _cells(one: Answered) -> tuple[str, str, str, str]:
    if one.baseline is None or one.run is None:
        return ("–", "–", "–", "–")
    low, high = one.change_limits or (None, None)
    between = "–" if low is None and high is None else f"{_by(one, low)} to {_by(one, high)}"
    return (
        shown(one.metric, one.baseline),
        shown(one.metric, one.run),
        _by(one, one.change),
        between,
    )


def _by(one: Answered, change: float | None) -> str:
    if change is None:
        return "?"
    unit = "pt" if one.metric == RATE else "%"
    return f"{'+' if change > 0 else ''}{short(100 * change)} {unit}"


def answer(one: Answered) -> str:
    """The answer, and what was allowed."""
    beyond = f" than {one.allowed} allow" if not one.allowed.startswith("0 ") else ""
    return f"{one.answer}{beyond}" if one.answer == "worse" else one.answer


def explained(one: Answered) -> str:
    """Why there is no answer, and what it would take."""
    if one.answer != "not enough data":
        return ""
    if one.run is None:
        return str(one.note)
    why = f"{one.note}; " if one.note else ""
    more = f" beyond the {one.allowed} that are allowed" if not one.allowed.startswith("0 ") else ""
    finds = f"find a change by {one.finds}{more}"
    has = f"the baseline has {one.baseline_requests:,}, this run {one.run_requests:,}"
    if one.pilot is not None:
        return f"{why}{one.pilot:,} requests in each run could tell how many would {finds}; {has}"
    if one.enough is None:
        return f"{why}no number of requests can be named that would {finds}"
    return f"{why}{one.enough:,} requests in each run would {finds}; {has}"


def shown(metric: str, found: float | Decimal) -> str:
    """A figure with its unit."""
    if isinstance(found, Decimal) or metric.startswith("cost."):
        return dollars(Decimal(found))
    if metric.rpartition(".")[2] in (RATE, "share", "share_of_time"):
        return f"{short(100 * found)} %"
    match unit_of(metric):
        case "ms":
            return milliseconds(found)
        case "s":
            return seconds(found)
        case "us":
            return milliseconds(found / 1e3)
        case "ns":
            return milliseconds(found / 1e6)
    return short(found)


def _sure(found: Gate) -> str:
    return f"{short(100 - 200 * found.alpha)} %"


# --- for web pages --------------------------------------------------------------------------


def markdown(found: Gate) -> str:
    """The verdict as Markdown, for a step's summary or a comment."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Gate) -> Iterator[str]:
    yield f"### {'✅ Latency gate passed' if found.passed else '❌ Latency gate failed'}"
    yield f"\n{headline(found)}"
    if found.thresholds:
        yield "\n| | Threshold | Run | Missed by |\n|---|---|--:|--:|"
        for one in found.thresholds:
            missed = "" if one.missed_by is None else shown(one.metric, one.missed_by)
            value = one.note if one.value is None else shown(one.metric, one.value)
            mark = "✅" if one.met else "❌"
            yield f"| {mark} | `{one.threshold}` | {value} | {missed}{_relative(one)} |"
    if found.regressions:
        yield f"\n| | Figure | Baseline | Run | Change | {_sure(found)} sure between | Answer |"
        yield "|---|---|--:|--:|--:|--:|---|"
        for tested in found.regressions:
            words = "; ".join(filter(None, (answer(tested), explained(tested))))
            cells = " | ".join(_cells(tested))
            yield f"| {_EMOJI[tested.answer]} | `{tested.metric}` | {cells} | {words} |"
    for warning in found.warnings:
        yield f"\n> ⚠️ {_plain(warning)}"
    yield f"\n<sub>run `{found.run}`{_against(found)}</sub>"


def _against(found: Gate) -> str:
    return f" against `{found.baseline.run}`" if found.baseline else ""


def remarks(found: Gate) -> Iterator[str]:
    """Lines that GitHub shows beside the job: errors for what was missed, warnings for the rest."""
    for one in found.missed:
        yield annotation("error", one.threshold, told(one))
    for tested in found.worse:
        baseline, run, change, between = _cells(tested)
        words = f"{baseline} became {run}, {change} ({between}): {answer(tested)}"
        yield annotation("error", tested.metric, words)
    for tested in found.unanswered:
        yield annotation("warning", tested.metric, f"not enough data: {explained(tested)}")
    for warning in found.warnings:
        yield annotation("warning", "", warning)


def _plain(words: str) -> str:
    """What servers say could hold a line break or a tag."""
    return " ".join(words.split()).replace("<", "&lt;").replace("|", "\\|")
