"""A suite's report as a table for a terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from msgspec import UNSET

from ..decide.suite import Judged, Report, Violation
from .figures import count, fixed, places, seconds
from .gate import shown
from .page import Page

_HEADS = ("ok", "TTFT p50", "p95", "ITL p99", "E2E p50", "limits")
_WIDTHS = (10, 10, 10, 9, 10, 8)
_FIGURES = ("ttft_ms.p50", "ttft_ms.p95", "itl_ms.p99", "e2e_ms.p50")
_NAME = 21
_MARKS = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "incomplete": ("?", "bold yellow"),
}
_SEVERITIES = {"error": ("✗", "bold red"), "warning": ("▲", "bold yellow")}


def text(report: Report, out: TextIO, *, color: bool = True) -> None:
    """Print the report for a person."""
    page = Page(out, color=color)
    words, style = ("passed", "bold green") if report.passed else ("FAILED", "bold red")
    page.line((f"{report.suite} {words}", style), f"  {' · '.join(_facts(report))}")
    page.line()
    heads = "".join(head.rjust(width) for head, width in zip(_HEADS, _WIDTHS, strict=True))
    page.line((f"  {'ms':<{_NAME}}{heads}", "dim"))
    for case in report.cases:
        _case(page, case)
    if report.violations:
        page.line()
    for violation in report.violations:
        _violation(page, violation)


def _facts(report: Report) -> Iterator[str]:
    yield count(len(report.cases), "case")
    yield count(sum(case.requests for case in report.cases), "request")
    yield seconds(sum(case.duration_s for case in report.cases))
    errors = [one for one in report.violations if one.severity == "error"]
    if errors:
        yield count(len(errors), "violation")
    if len(errors) < len(report.violations):
        yield count(len(report.violations) - len(errors), "warning")
    if report.incomplete:
        yield f"{len(report.incomplete):,} incomplete"


def _case(page: Page, case: Judged) -> None:
    mark, style = _MARKS[case.status]
    cells = zip(_cells(case), _WIDTHS, strict=True)
    row = "".join(cell.rjust(width) for cell, width in cells)
    page.line((mark, style), f" {_short(case.case):<{_NAME}}{row}")
    if case.note:
        page.paragraph("", case.note, indent=4, style="dim")


def _cells(case: Judged) -> Iterator[str]:
    yield f"{case.ok:,}/{case.requests:,}"
    for figure in _FIGURES:
        name, of = figure.split(".")
        summary = getattr(case.metrics, name)
        value = None if summary is UNSET else getattr(summary, of)
        yield "–" if value is None else fixed(value, places(value))
    kept = sum(one.met for one in case.thresholds)
    yield f"{kept}/{len(case.thresholds)}" if case.thresholds else "–"


def _violation(page: Page, one: Violation) -> None:
    told = one.note or ""
    if one.actual is not None and one.missed_by is not None:
        actual, by = shown(one.metric, one.actual), shown(one.metric, one.missed_by)
        told = f"{actual}, missed by {by}"
    name = f" {_short(one.case):<{_NAME}}"
    page.line(_SEVERITIES[one.severity], name, f"{one.threshold}  {told}")


def _short(name: str) -> str:
    return name if len(name) < _NAME else f"{name[: _NAME - 2]}…"
