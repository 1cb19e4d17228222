"""Results as a notebook shows them: a table, a chart or two, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...decide.decision import Decision
from ...metrics.comparison import Comparison
from ...metrics.portraits import Portrait
from ...metrics.result import Result
from ...pricing import dollars
from ...record import Record
from .. import decision as decisions
from ..cells import cell
from ..comparison import COLUMNS
from ..figures import count, fixed, milliseconds, places
from ..waterfall import failure, heading, phases, request_facts
from . import charts, tables, words
from .charts import Chart, Sitting
from .fragment import drawings, frame, grid, pairs, paragraph, preformatted
from .fragment import heading as head
from .requests import look, looks
from .tables import Cell, Row, Table

MOST_CALLS = 20
MOST_ROWS = 100
_MS = 1e6


def runs(portraits: Sequence[Portrait], said: Sequence[str] = ()) -> str:
    """One run, or an experiment's arms side by side with the sentences that it comes to."""
    sittings = [Sitting.of(one) for one in portraits]
    if len(portraits) == 1 and not said:
        return frame(*_one(sittings[0]))
    if not portraits:
        return frame(head("No request was sent"))
    first, names = portraits[0].result, ", ".join(one.name for one in portraits)
    return frame(
        head(first.run.name or names, words.about(first)),
        *(paragraph(sentence) for sentence in said),
        grid(tables.runs(portraits)),
        paragraph("Small figures are 95 % intervals.", "how"),
        drawings(list(charts.distributions(sittings))[::2]),
    )


def request(record: Record, result: Result) -> str:
    """One request: where its time went, and what else is known of it."""
    drawn = look("Where the time went", record, result)
    chart = drawings([drawn.chart]) if drawn else ""
    error = record.error.unquoted() if record.error else None
    return frame(
        head(f"{record.provider}/{record.model}", heading(record), record.status.value),
        paragraph(failure(error)) if error else "",
        chart or pairs(_phases(record)),
        pairs(request_facts(record, result)),
    )


def calls(records: Sequence[Record]) -> str:
    """Calls that were watched, the newest last."""
    newest = records[-MOST_CALLS:]
    titles = ("model", "status", "TTFT, ms", "E2E, ms", "tokens in", "tokens out", "cost")
    rows = [Row(record.tag or record.id, list(_call(record))) for record in newest]
    more = f"the newest {MOST_CALLS} of {len(records):,}" if len(records) > MOST_CALLS else ""
    return frame(
        head(count(len(records), "call"), more),
        grid(Table(titles, rows)) if rows else "",
    )


def comparison(found: Comparison) -> str:
    """Candidates side by side, and a sentence for each pair."""
    rows = [
        Row(one.name, [Cell(column.value(one), column.sure(one).strip()) for column in COLUMNS])
        for one in found.candidates
    ]
    return frame(
        head(found.run.name or ", ".join(one.name for one in found.candidates)),
        *(paragraph(pair.sentence) for pair in found.pairs),
        grid(Table([column.title for column in COLUMNS], rows)),
        paragraph("Times in milliseconds; small figures are 95 % intervals.", "how"),
        *(paragraph(note, "how") for note in found.notes),
    )


def printed(title: str, text: str) -> str:
    """What a terminal would show."""
    return frame(head(title), preformatted(text))


def decision(found: Decision) -> str:
    """Which candidate to take, with every figure."""
    heads, rows = decisions.table(found)
    lines = [Row(f"{row[0]} {row[1]}", [Cell(cell) for cell in row[2:]]) for row in rows]
    reasons = [(one.name, one.reason) for one in decisions.ordered(found)]
    sections = [(title, "\n".join(told)) for title, told in decisions.sections(found)]
    return frame(
        head("Which one to take"),
        paragraph(found.sentence),
        grid(Table(heads[1:], lines)),
        paragraph("In brackets: limits of 95 % of the resamples.", "how"),
        pairs([*reasons, *sections]),
    )


def answer(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """What a query of the history gave."""
    lines = [Row(cell(row[0]), [Cell(cell(value)) for value in row[1:]]) for row in rows]
    more = f"the first {MOST_ROWS} of {len(rows):,}" if len(rows) > MOST_ROWS else ""
    return frame(
        head(count(len(rows), "row"), more),
        grid(Table(columns[1:], lines[:MOST_ROWS], corner=columns[0])) if columns else "",
    )


def _one(sitting: Sitting) -> Iterator[str]:
    portrait = sitting.portrait
    result = portrait.result
    yield head(portrait.name, words.about(result), result.validity.verdict)
    yield paragraph(words.headline(result))
    grave = [one.message for one in result.validity.reasons if one.severity != "note"]
    yield from (paragraph(told, "how") for told in grave or [words.verdict(result)])
    yield grid(tables.metrics(result, tables.MAIN))
    typical = next(looks(portrait.traces, result, keep_text=False), None)
    yield drawings([*_curves(sitting), *([typical.chart] if typical else [])])


def _curves(sitting: Sitting) -> list[Chart]:
    """The cumulative half of each pair."""
    return list(charts.distributions([sitting]))[::2]


def _phases(record: Record) -> Iterator[tuple[str, str]]:
    for name, first, last in phases(record):
        yield name, milliseconds((last - first) / _MS)


def _call(record: Record) -> Iterator[Cell]:
    yield Cell(f"{record.provider}/{record.model}" if record.provider else record.model)
    yield Cell(record.status.value, str(record.error.kind) if record.error else "")
    for ns in (record.ttft_ns, record.e2e_ns):
        yield Cell("–" if ns is None else fixed(ns / _MS, places(ns / _MS)))
    for tokens in (record.usage.input, record.usage.output):
        yield Cell("–" if tokens is None else f"{tokens:,}")
    yield Cell("–" if record.cost_usd is None else dollars(record.cost_usd))
