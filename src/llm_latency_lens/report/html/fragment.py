"""What a notebook shows of results: pieces of HTML that need no script and follow its theme.

Nothing here says what was asked or answered. Charts are drawn where the extra `report` is
installed; tables need nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ...errors import UsageError
from ...extras import needing
from ..page import harmless
from .charts import Chart
from .styles import fragment_style
from .tables import Cell, Row, Table

_NARROW = 400
"""So that two charts fit beside one another, and none is shrunk."""


def frame(*parts: str) -> str:
    """The parts as one piece, with its style sheet."""
    inside = "\n".join(filter(None, parts))
    return f'<div class="latency-lens"><style>{fragment_style()}</style>\n{inside}\n</div>'


def heading(title: str, about: str = "", verdict: str = "") -> str:
    """The first lines: what it is, and how it went; a verdict is coloured."""
    badge = f' <span class="verdict {_text(verdict)}">{_text(verdict)}</span>' if verdict else ""
    below = f'<p class="about">{_text(about)}</p>' if about else ""
    return f'<p class="title">{_text(title)}{badge}</p>{below}'


def paragraph(words: str, css: str = "") -> str:
    """A sentence."""
    return f'<p class="{css}">{_text(words)}</p>'


def preformatted(text: str) -> str:
    """Lines that keep their columns."""
    lines = "\n".join(map(_text, text.split("\n")))
    return _scrolled(f"<pre>{lines}</pre>")


def grid(table: Table) -> str:
    """Figures, one row each thing."""
    head = "".join(f'<th scope="col">{_text(title)}</th>' for title in table.titles)
    rows = "".join(f"<tr>{_name(row)}{''.join(map(_cell, row.cells))}</tr>" for row in table.rows)
    titles = f"<tr><td>{_text(table.corner)}</td>{head}</tr>"
    return _scrolled(f"<table><thead>{titles}</thead><tbody>{rows}</tbody></table>")


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names with words beside them, which may be several lines."""
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td class="words">{_lines(words)}</td></tr>'
        for name, words in rows
    )
    return _scrolled(f"<table><tbody>{body}</tbody></table>") if body else ""


def drawings(charts: Sequence[Chart]) -> str:
    """Charts beside one another, as many as there is room for; nothing where none can be drawn."""
    try:
        drawn = [drawing(chart, _NARROW) for chart in charts]
    except UsageError:
        return ""
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def drawing(chart: Chart, width: int = 640) -> str:
    """A chart with its title and legend. Raises UsageError where the extra is not installed."""
    with needing("report", "a plot", "vl_convert"):
        from .svg import inline
    keys = "".join(
        f'<span style="--key: {key.color}">{_text(key.name)}</span>' for key in chart.legend
    )
    legend = f'<p class="legend">{keys}</p>' if keys else ""
    return (
        f"<div><p><strong>{_text(chart.title)}</strong></p>{legend}"
        f'<div role="img" aria-label="{_text(chart.told)}">{inline(chart, width)}</div></div>'
    )


def _name(row: Row) -> str:
    note = f" <small>{_text(row.note)}</small>" if row.note else ""
    return f'<th scope="row">{_text(row.name)}{note}</th>'


def _cell(cell: Cell) -> str:
    note = f"<small>{_text(cell.note)}</small>" if cell.note else ""
    return f"<td>{_text(cell.value)}{note}</td>"


def _scrolled(inside: str) -> str:
    """What may be wider than the page; it can be reached by the keyboard to be moved."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="figures">{inside}</div>'


def _lines(words: str) -> str:
    return "<br>".join(map(_text, words.split("\n")))


def _text(words: str) -> str:
    return escape(harmless(words))
