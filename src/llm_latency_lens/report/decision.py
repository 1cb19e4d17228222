"""A decision as a table with its sentence on top, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TextIO

from ..decide.choosing_words import shown
from ..decide.decision import Change, Decision, Figure, Option
from ..decide.sensitivity import FigureChange, WeightChange
from ..metrics.objectives import COST
from ..pricing import dollars
from .figures import count, percent, short
from .page import Page

_NAME = 15
_SCORES = 7
_WIDTH = 11
_INDENT = 14
_NEAREST = 3
"""Changes of a kind that are worth a line."""
_TITLES = {"output_tokens_per_second": "tok/s", "characters_per_second": "chars/s"}
_MARKS = {
    "decided": ("✓", "bold green"),
    "not enough data": ("?", "bold yellow"),
    "nobody": ("✗", "bold red"),
}


def text(found: Decision, out: TextIO, *, color: bool = True) -> None:
    """Print a decision for a person."""
    page = Page(out, color=color)
    page.paragraph(_MARKS[found.answer], found.sentence, indent=2, style="bold")
    page.line()
    _table(page, found)
    page.line()
    for option in ordered(found):
        page.paragraph((_clip(option.name, _INDENT - 2), "cyan"), option.reason, indent=_INDENT)
    for title, lines in sections(found):
        page.line()
        page.line((title, "bold"))
        for line in lines:
            page.paragraph(("•", "dim"), line, indent=2)


def ordered(found: Decision) -> list[Option]:
    """The candidates by rank; those that are out come last."""
    last = len(found.candidates) + 1
    return sorted(found.candidates, key=lambda one: one.rank or last)


def _table(page: Page, found: Decision) -> None:
    room = (page.width - _NAME - 3 * _SCORES) // _WIDTH
    metrics = list(found.candidates[0].figures)[:room]
    scores = "".join(one.rjust(_SCORES) for one in ("TOPSIS", "sum", "first"))
    titles = "".join(title(metric).rjust(_WIDTH) for metric in metrics)
    page.line(("   95 % limits".ljust(_NAME), "dim"), (scores + titles, "dim"))
    for option in ordered(found):
        style = "bold cyan" if option.eligible else "dim"
        name = f"{option.rank or '–':>2} {_clip(option.name, _NAME - 4)}".ljust(_NAME)
        cells = "".join(cell.rjust(_SCORES) for cell in _scores(option))
        values = (_value(metric, option.figures[metric]).rjust(_WIDTH) for metric in metrics)
        page.line((name, style), (cells + "".join(values), "bold" if option.eligible else "dim"))
        limits = (_between(metric, option.figures[metric]).rjust(_WIDTH) for metric in metrics)
        page.line((" " * (_NAME + 3 * _SCORES) + "".join(limits), "dim"))


def _scores(option: Option) -> tuple[str, str, str]:
    first = percent(round(option.first_share, 3))
    if option.topsis is None or option.weighted_sum is None:
        return "–", "–", first
    return f"{option.topsis:.3f}", f"{option.weighted_sum:.3f}", first


def title(metric: str) -> str:
    """A figure's name in few letters."""
    if metric == COST:
        return "$/request"
    name, dot, of = metric.partition(".")
    if name in _TITLES:
        return f"{_TITLES[name]} {of}"
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms').replace('_', ' ').upper()} {of}"
    return f"{name}{dot}{of}".replace("_", " ")


def _value(metric: str, figure: Figure) -> str:
    return "–" if figure.value is None else _bare(metric, figure.value)


def _between(metric: str, figure: Figure) -> str:
    if figure.ci95 is None:
        return ""
    low, high = (_bare(metric, end) for end in figure.ci95)
    if low == high:
        return ""
    found = f"{low}–{high}"
    if len(found) < _WIDTH:
        return found
    return f"±{_bare(metric, (figure.ci95[1] - figure.ci95[0]) / 2)}"


def _bare(metric: str, value: float) -> str:
    """Without its unit, which the title has."""
    if metric == COST:
        return shown(metric, value).removeprefix("$")
    return shown(metric, value).removesuffix(" ms").replace(" %", "%")


# --- what stands below ----------------------------------------------------------------------


def sections(found: Decision) -> Iterator[tuple[str, list[str]]]:
    """Titles with their lines."""
    named = (
        ("Asked for", list(_wishes(found))),
        (f"In place of {found.current}", [_change(one) for one in found.changes]),
        ("What would change the answer", list(_sensitive(found))),
        ("Besides", [*found.notes, *_spent(found)]),
    )
    yield from ((head, lines) for head, lines in named if lines)


def _wishes(found: Decision) -> Iterator[str]:
    if found.requirements:
        yield f"required: {', '.join(found.requirements)}"
    weighed = (
        f"{one.metric} {'high' if one.direction == 'high' else 'low'} ({percent(one.weight)})"
        for one in found.criteria
    )
    yield f"weighed: {', '.join(weighed)}"


def _change(one: Change) -> str:
    low, high = one.difference_ci95
    relative = "" if one.relative is None else f" ({100 * one.relative:+.3g} %)"
    words = f"{one.metric} {shown(one.metric, one.current)} → {shown(one.metric, one.recommended)}"
    words += f"{relative}, 95 % interval {_signed(one.metric, low)} to {_signed(one.metric, high)}"
    if one.metric != COST:
        return words
    saved = -1000 * one.difference
    word = "saves" if saved >= 0 else "costs"
    return f"{words}: it {word} {shown(COST, abs(saved))} per 1,000 requests"


def _signed(metric: str, value: float) -> str:
    return f"{'-' if value < 0 else '+'}{shown(metric, abs(value))}"


def _sensitive(found: Decision) -> Iterator[str]:
    if found.sensitivity is None:
        return
    by_weight = sorted(found.sensitivity.weights, key=lambda one: abs(log(one.factor)))
    yield from map(_weight, by_weight[:_NEAREST])
    near = sorted(found.sensitivity.figures, key=_distance)
    yield from map(_figure, near[:_NEAREST])
    for one in found.sensitivity.limits:
        value = shown(one.requirement.split("<")[0].split(">")[0].strip(), one.value)
        yield f"without {one.requirement}, {one.candidate} would be first: it has {value}"
    weights = {one.metric for one in found.criteria} - {one.metric for one in by_weight}
    if weights and len(found.criteria) > 1:
        yield f"no weight of {', '.join(sorted(weights))} would change it"


def _distance(one: FigureChange) -> float:
    return abs(log(one.to / one.value)) if one.value else float("inf")


def _weight(one: WeightChange) -> str:
    times = f"{short(one.factor)} times" if one.factor > 1 else f"1/{short(1 / one.factor)} of"
    return f"if {one.metric} weighed {times} as much, {one.first} would be first".replace(
        "of as much", "as much"
    )


def _figure(one: FigureChange) -> str:
    to, value = shown(one.metric, one.to), shown(one.metric, one.value)
    first = f"{one.first} would be first" if one.first else "nobody would keep the limits"
    return f"if {one.metric} of {one.candidate} were {to} and not {value}, {first}"


def _spent(found: Decision) -> Iterator[str]:
    spent = found.spent
    if spent is None:
        return
    cost = f", {dollars(spent.cost)}" if spent.cost is not None else ""
    asked = count(spent.requests, "request")
    yield f"measured in {count(spent.rounds, 'round')}: {asked}{cost}"
    if spent.stopped:
        yield f"measuring ended before the answer was settled: {spent.stopped}"


def _clip(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


# --- Markdown -------------------------------------------------------------------------------


def markdown(found: Decision) -> str:
    """The decision as Markdown, with every figure."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Decision) -> Iterator[str]:
    heads, rows = table(found)
    yield f"**{_plain(found.sentence)}**\n"
    yield f"| {' | '.join(['', *heads])} |"
    yield f"|--:|---|{'--:|' * (len(heads) - 1)}"
    for cells in rows:
        yield f"| {' | '.join(map(_plain, cells))} |"
    yield ""
    yield from (f"- **{_plain(one.name)}** – {_plain(one.reason)}" for one in ordered(found))
    for head, lines in sections(found):
        yield f"\n{_plain(head)}:\n"
        yield from (f"- {_plain(line)}" for line in lines)


def table(found: Decision) -> tuple[list[str], list[list[str]]]:
    """Every figure: the titles of the columns, and a row for each candidate, whose place among
    them comes first."""
    metrics = list(found.candidates[0].figures)
    heads = ["Candidate", "TOPSIS", "Weighted sum", "First in", *map(title, metrics)]
    rows = []
    for option in ordered(found):
        values = (_both(metric, option.figures[metric]) for metric in metrics)
        rows.append([str(option.rank or "–"), option.name, *_scores(option), *values])
    return heads, rows


def _both(metric: str, figure: Figure) -> str:
    between = _between(metric, figure)
    return f"{_value(metric, figure)}{f' ({between})' if between else ''}"


def _plain(words: str) -> str:
    """Names are the user's, and could hold a bar or a tag."""
    return " ".join(words.split()).replace("<", "&lt;").replace("|", "\\|")
