"""A comparison as one table, a sentence for each pair, and what a reader should know besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

from msgspec import UNSET

from ..metrics.comparison import Candidate, Comparison, Pair
from ..metrics.result import Metrics, Summary
from ..pricing import dollars
from .figures import count, fixed, interval, percent, places, seconds, short
from .instrument import instrument
from .page import Page

_LABEL = 20
_WIDTH = 10
_INDENT = 14
_STYLES = {"doubtful": "bold yellow", "invalid": "bold red"}
_MARKS = {"doubtful": "▲", "invalid": "✗"}


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of each candidate; `rank` says which stay where the page is narrow."""

    title: str
    rank: int
    value: Callable[[Candidate], str]
    sure: Callable[[Candidate], str] = lambda _: ""


def comparison(found: Comparison, out: TextIO, *, color: bool = True) -> None:
    """Print a comparison for a person."""
    page = Page(out, color=color)
    _heading(page, found)
    page.line()
    _table(page, found)
    page.line()
    for candidate in found.candidates:
        page.paragraph(
            (_clip(candidate.name, _INDENT - 2), "cyan"), _said(candidate), indent=_INDENT
        )
    page.paragraph(("instrument", "cyan"), instrument(found.instrument), indent=_INDENT)
    page.line()
    for pair in _worth_saying(found):
        page.paragraph(("•", "bold"), pair.sentence, indent=2, style="bold")
    costs = dict.fromkeys(filter(None, (one.cost.note for one in found.candidates)))
    for note in [*found.notes, *costs]:
        page.paragraph(("•", "dim"), note, indent=2, style="dim")
    _doubts(page, found)


def _heading(page: Page, found: Comparison) -> None:
    design = found.design
    parts = [
        f"{count(design.requests, 'request')} each in {seconds(found.run.duration_s)}",
        f"{design.concurrency} at a time",
        f"in random turns, seed {design.seed}",
    ]
    if found.run.interrupted:
        parts.append("interrupted")
    title = _clip(found.run.name or f"{len(found.candidates)} candidates", page.width // 2)
    page.paragraph((title, "bold"), " · ".join(parts), indent=len(title) + 2)


def _table(page: Page, found: Comparison) -> None:
    columns = _fitting((page.width - _LABEL) // _WIDTH)
    titles = "".join(column.title.rjust(_WIDTH) for column in columns)
    page.line(("  ms, 95 % ci".ljust(_LABEL), "dim"), (titles, "dim"))
    for candidate in found.candidates:
        name = f"  {_clip(candidate.name, _LABEL - 3)}".ljust(_LABEL)
        values = (column.value(candidate).rjust(_WIDTH) for column in columns)
        page.line((name, "bold cyan"), ("".join(values), "bold"))
        sure = "".join(column.sure(candidate).rjust(_WIDTH) for column in columns)
        if sure.strip():
            page.line((" " * _LABEL + sure, "dim"))


def _fitting(many: int) -> list[Column]:
    """The columns that matter most, in their order."""
    kept = sorted(COLUMNS, key=lambda column: column.rank)[:many]
    return [column for column in COLUMNS if column in kept]


def _of(metric: str, level: str) -> tuple[Callable[[Candidate], str], Callable[[Candidate], str]]:
    """The value of a summary's column, and its interval."""

    def summary(candidate: Candidate) -> Summary | None:
        found = getattr(candidate.metrics, metric)
        return None if found is UNSET else found

    def value(candidate: Candidate) -> str:
        found = summary(candidate)
        return "–" if found is None else fixed(getattr(found, level), places(found.p50))

    def sure(candidate: Candidate) -> str:
        found = summary(candidate)
        bounds = UNSET if found is None else getattr(found.ci95, level)
        if found is None or bounds is UNSET:
            return ""
        return interval(bounds, places(found.p50), _WIDTH - 1)

    return value, sure


def _thousand(candidate: Candidate) -> str:
    amount = candidate.cost.per_1000_requests
    return "–" if amount is None else dollars(amount)


def _failed(candidate: Candidate) -> str:
    return f"{candidate.requests.failed:,}"


COLUMNS = (
    Column("TTFT p50", 1, *_of("ttft_ms", "p50")),
    Column("TTFT p95", 8, *_of("ttft_ms", "p95")),
    Column("ITL p99", 3, *_of("itl_ms", "p99")),
    Column("E2E p50", 7, *_of("e2e_ms", "p50")),
    Column("tokens/s", 4, *_of("output_tokens_per_second", "p50")),
    Column("chars/s", 5, *_of("characters_per_second", "p50")),
    Column("$/1,000", 6, _thousand),
    Column("failed", 2, _failed),
)


def _said(candidate: Candidate) -> str:
    """What it was asked and what it said, on average."""
    requests, tokens = candidate.requests, candidate.tokens
    parts = [f"{candidate.provider}/{candidate.model}"]
    if not requests.ok:
        return f"{parts[0]}: no request succeeded"
    if tokens.input is not None:
        cached = (
            f" ({percent(tokens.cached_input / tokens.input)} cached)"
            if tokens.cached_input
            else ""
        )
        parts.append(f"{short(tokens.input / requests.ok)} tokens in{cached}")
    if tokens.output is not None:
        parts.append(f"{short(tokens.output / requests.ok)} out")
    parts.append(f"{short(candidate.characters.total / requests.ok)} characters")
    if each := candidate.characters.tokens_per_character:
        parts.append(f"{short(1 / each)} characters a token")
    return ", ".join(parts)


def _worth_saying(found: Comparison) -> Iterator[Pair]:
    """The pairs of the first candidate and those of the quickest; all are in the JSON."""
    wanted = {found.candidates[0].name, _quickest(found)}
    yield from (pair for pair in found.pairs if wanted & {pair.a, pair.b})


def _quickest(found: Comparison) -> str:
    """Whose median first token, or whole answer, came soonest."""
    return min(found.candidates, key=lambda candidate: _wait(candidate.metrics)).name


def _wait(metrics: Metrics) -> float:
    known = (metrics.ttft_ms, metrics.e2e_ms)
    return next((summary.p50 for summary in known if summary is not UNSET), float("inf"))


def _doubts(page: Page, found: Comparison) -> None:
    """What speaks against figures, once for all candidates that it is said of."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for candidate in found.candidates:
        for reason in candidate.validity.reasons:
            if reason.severity != "note":
                key = (reason.severity, reason.message, reason.advice)
                names.setdefault(key, []).append(candidate.name)
    for (severity, message, advice), told in names.items():
        style = _STYLES[severity]
        page.paragraph((_MARKS[severity], style), f"{', '.join(told)}: {message}", indent=2)
        page.paragraph("", advice, indent=2, style="dim")


def _clip(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
