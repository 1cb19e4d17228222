"""Runs of the history, for people: the list of them, and one of them closely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..metrics.run_row import Figure, RunRow
from ..pricing import dollars
from .cells import cell
from .figures import fixed, percent, places, seconds, short
from .page import Page

_LEFT_OUT = ("WHEN, UTC", "OK", "COST", "P95", "TOKENS/S", "TAGS", "NAME")
"""Columns of the list that a narrow terminal does without, one after the other."""
_INDENT = 12
_VERDICTS = {"valid": "green", "doubtful": "yellow", "invalid": "red"}
_FIGURES = (
    ("ttft_ms", "TTFT"),
    ("answer_ms", "answer"),
    ("itl_ms", "ITL"),
    ("tpot_ms", "TPOT"),
    ("e2e_ms", "E2E"),
)


def run_list(rows: Sequence[RunRow], out: TextIO, *, color: bool = True) -> None:
    """One line a run."""
    page = Page(out, color=color)
    lines = [_line(row) for row in rows] or [_line(None)]
    columns = [name for name in lines[0] if name == "RUN" or any(line[name] for line in lines)]
    for name in _LEFT_OUT:
        if _width(columns, lines) > page.width_of_tables and name in columns:
            columns.remove(name)
    right = {"REQUESTS", "OK", "TTFT P50", "P95", "TOKENS/S", "COST"}
    _table(page, columns, [[line[name] for name in columns] for line in lines if rows], right)


def _line(row: RunRow | None) -> dict[str, str]:
    if row is None:
        return dict.fromkeys(("RUN", "MODEL", "REQUESTS", "TTFT P50", "VERDICT"), " ")
    ttft = row.ttft_ms or Figure()
    return {
        "RUN": row.run_id,
        "NAME": row.scenario or "",
        "WHEN, UTC": f"{row.started_at:%Y-%m-%d %H:%M}" if row.started_at else "",
        "MODEL": target(row),
        "REQUESTS": f"{row.requests:,}",
        "OK": f"{row.ok:,}",
        "TTFT P50": _ms(ttft.p50),
        "P95": _ms(ttft.p95),
        "TOKENS/S": _short(row.throughput.output_tokens_per_second),
        "COST": "" if row.cost.total is None else dollars(row.cost.total),
        "VERDICT": row.verdict or row.experiment or "",
        "TAGS": " ".join(row.tags),
    }


def _width(columns: Sequence[str], lines: Sequence[dict[str, str]]) -> int:
    return sum(3 + max(len(name), *(len(line[name]) for line in lines)) for name in columns)


def query_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], out: TextIO) -> None:
    """What a query gave; numbers to about four digits, to be read."""
    page = Page(out, color=False)
    kinds = [{type(row[i]) for row in rows if row[i] is not None} for i in range(len(columns))]
    right = {name for name, kind in zip(columns, kinds, strict=True) if kind <= {int, float}}
    lines = [[_seen(value) for value in row] for row in rows]
    _table(page, columns, lines, right)


def run_details(row: RunRow, size: int, out: TextIO, *, color: bool = True) -> None:
    """Everything that the history holds of a run, but its requests."""
    page = Page(out, color=color)
    for label, words in _details(row):
        page.paragraph((label, "cyan"), words, indent=_INDENT)
    # A path that wraps cannot be copied.
    page.line(("kept in".ljust(_INDENT), "cyan"), f"{row.path} ({max(1, size // 1000):,} kB)")
    page.line(("look closer".ljust(_INDENT), "cyan"), f"latency-lens report {row.path}")


def target(row: RunRow) -> str:
    """Whom the run asked: `provider/model`."""
    return "/".join(part for part in (row.provider, row.model) if part)


def _details(row: RunRow) -> Iterator[tuple[str, str]]:
    yield "run", row.run_id
    if row.scenario:
        yield "name", row.scenario
    if row.started_at:
        yield "when", f"{row.started_at:%Y-%m-%d %H:%M:%S} UTC"
    measured = " ".join(filter(None, (row.source, row.source_version)))
    yield "measured by", f"{measured}{f', as {row.experiment}' if row.experiment else ''}"
    yield "target", target(row) + (f", {row.region}" if row.region else "")
    yield "requests", _requests(row)
    for name, label in _FIGURES:
        if name == "answer_ms" and row.answer_ms == row.ttft_ms:
            continue
        if words := _figure(getattr(row, name)):
            yield label, words
    if row.throughput.output_tokens_per_second is not None:
        yield "throughput", f"{short(row.throughput.output_tokens_per_second)} tokens/s"
    if row.cost.total is not None:
        yield "cost", dollars(row.cost.total)
    if row.verdict:
        reasons = f": {', '.join(row.reasons)}" if row.reasons else ""
        yield "verdict", row.verdict + reasons
    if row.tags:
        yield "tags", " ".join(row.tags)


def _requests(row: RunRow) -> str:
    parts = [f"{row.ok:,} of {row.requests:,} succeeded"]
    if row.duration_s is not None:
        parts[0] += f" in {seconds(row.duration_s)}"
    if row.error_rate:
        parts.append(f"{percent(row.error_rate)} failed")
    if row.mode == "closed" and row.concurrency:
        parts.append(f"{row.concurrency} at a time")
    if row.throughput.offered_rate is not None:
        parts.append(f"{short(row.throughput.offered_rate)} a second, open loop")
    if row.interrupted:
        parts.append("interrupted")
    return ", ".join(parts)


def _figure(found: Figure | None) -> str:
    if found is None:
        return ""
    known = [
        f"{name} {_ms(value)}"
        for name in ("mean", "p50", "p95", "p99", "max")
        if (value := getattr(found, name)) is not None
    ]
    return f"{', '.join(known)} ms"


def _table(
    page: Page, columns: Sequence[str], lines: Sequence[Sequence[str]], right: set[str]
) -> None:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for number, name in enumerate(columns):
        table.add_column(
            page.plain(name),
            justify="right" if name in right else "left",
            no_wrap=number == 0 or name in right,
            overflow="fold",
        )
    for line in lines:
        table.add_row(*(Text(page.plain(part), _VERDICTS.get(part, "")) for part in line))
    page.table(table)


def _ms(value: float | None) -> str:
    return "" if value is None else fixed(value, places(value))


def _short(value: float | None) -> str:
    return "" if value is None else short(value)


def _seen(value: Any) -> str:
    return fixed(value, places(value)) if isinstance(value, float) else cell(value)
