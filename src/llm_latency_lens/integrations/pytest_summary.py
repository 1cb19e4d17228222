"""What is told of tests that measured: properties of each report, and a table at the end.

Properties travel with pytest's reports: into JUnit's XML, and from the processes of pytest-xdist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from typing import Any

import pytest
from msgspec import UNSET

from ..report.figures import count, fixed, places
from .pytest_measured import Measured

_PREFIX = "latency."
_FIGURES = ("ttft_ms.p50", "ttft_ms.p95", "itl_ms.p99", "e2e_ms.p50")
_HEADS = ("ok", "TTFT p50", "p95", "ITL p99", "E2E p50", "limits")
_WIDTHS = (9, 10, 9, 9, 9, 8)

Property = tuple[str, Any]


def properties(measured: Measured) -> list[Property]:
    """The figures of one test, in the units of their names; nothing where it measured nothing."""
    if not measured.contexts:
        return []
    result = measured.result
    found: dict[str, Any] = {"requests": result.requests.sent, "ok": result.requests.ok}
    for figure in _FIGURES:
        name, of = figure.split(".")
        summary = getattr(result.metrics, name)
        if summary is not UNSET:
            found[figure] = round(getattr(summary, of), 6)  # to the nanosecond
    if result.cost.total is not None:
        found["cost_usd"] = str(result.cost.total)
    found["verdict"] = result.validity.verdict
    if gate := measured.gate:
        found["limits"] = f"{len(gate.thresholds) - len(gate.missed)}/{len(gate.thresholds)}"
        found["passed"] = gate.passed
        if gate.worse:
            found["worse"] = ", ".join(one.metric for one in gate.worse)
        short = [one.metric for one in gate.unanswered]
        if gate.baseline and (short or not gate.regressions):
            found["not_enough_data"] = ", ".join(short) or "any figure"
    if measured.no_baseline:
        found["no_baseline"] = True
    return [(_PREFIX + name, value) for name, value in found.items()]


def show(reports: Sequence[pytest.TestReport], terminal: pytest.TerminalReporter) -> None:
    """One line for each test that measured, in as many columns as the terminal has."""
    rows = [(report.nodeid, _own(report)) for report in reports]
    rows = [(test, own) for test, own in rows if own]
    if not rows:
        return
    width = min(get_terminal_size().columns, 100)
    room = max(20, width - sum(_WIDTHS))
    terminal.section("latency, in ms")
    terminal.write_line(" " * room + _cells(_HEADS))
    for test, own in rows:
        bad = not own.get("passed", True)
        terminal.write_line(_left(test, room) + _cells(_row(own)), red=bad)
    for words in _remarks([own for _, own in rows]):
        terminal.write_line(words)


def _own(report: pytest.TestReport) -> dict[str, Any]:
    return {
        name.removeprefix(_PREFIX): value
        for name, value in report.user_properties
        if name.startswith(_PREFIX)
    }


def _row(own: dict[str, Any]) -> Iterable[str]:
    yield f"{own['ok']:,}/{own['requests']:,}"
    for figure in _FIGURES:
        value = own.get(figure)
        yield "–" if value is None else fixed(value, places(value))
    yield _limits(own)


def _limits(own: dict[str, Any]) -> str:
    if "limits" not in own:
        return ""
    if own.get("worse"):
        return "worse"
    return f"{own['limits']} {'✓' if own['passed'] else '✗'}"


def _remarks(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    if lacking := sum("no_baseline" in own for own in rows):
        yield f"{count(lacking, 'test')} without a baseline: --lens-save-baseline DIR makes them"
    if short := sum("not_enough_data" in own for own in rows):
        yield (
            f"{count(short, 'test')} with too few requests to tell whether a figure became worse:"
            " raise repeat"
        )


def _cells(cells: Iterable[str]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


def _left(test: str, room: int) -> str:
    return (test if len(test) < room else f"…{test[-(room - 2) :]}").ljust(room)
