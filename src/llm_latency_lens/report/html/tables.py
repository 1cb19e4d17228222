"""The tables of a page, as cells that are ready to be printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, structs

from ...metrics.portraits import Portrait
from ...metrics.result import Metrics, Result, Summary
from ...pricing import dollars
from ..figures import fixed, places, seconds, short
from .words import failed

TEXTS = frozenset({"prompt_texts"})
"""Settings of a run that hold what was said."""
_COLUMNS = ("mean", "p50", "p90", "p95", "p99", "p999", "max")
_NAMES = {
    "ttft_ms": "TTFT",
    "itl_ms": "ITL, each gap",
    "tpot_ms": "TPOT",
    "e2e_ms": "E2E, whole answer",
    "ttfb_ms": "first byte",
    "answer_ms": "first answer",
    "dns_ms": "name look-up",
    "connect_ms": "TCP connection",
    "tls_ms": "TLS handshake",
    "rtt_ms": "round trip",
    "cold_ttft_ms": "TTFT with set-up",
    "send_lag_ms": "send lag",
    "corrected_ttft_ms": "TTFT from planned",
    "corrected_e2e_ms": "E2E from planned",
    "read_lag_us": "read lag",
    "output_tokens_per_second": "tokens a second each",
    "characters_per_second": "characters a second each",
    "tokens_per_event": "tokens an event",
}
MAIN = ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms", "corrected_ttft_ms", "output_tokens_per_second")
"""The figures that a short look is about."""
_UNITS = {"ms": "ms", "us": "us"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and what is known of it besides."""

    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    name: str
    cells: list[Cell]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Titles of the columns, and rows that begin with their name; `corner` is above the names."""

    titles: Sequence[str]
    rows: Sequence[Row]
    corner: str = ""


def metrics(result: Result, wanted: Collection[str] = tuple(_NAMES)) -> Table:
    """Every figure that is wanted and has a sample, with its intervals."""
    titles = ("n", *("p99.9" if name == "p999" else name for name in _COLUMNS))
    found = [(name, summary) for name, summary in _summaries(result.metrics) if name in wanted]
    rows = [_metric(name, summary) for name, summary in found]
    return Table(titles, rows)


def runs(portraits: Sequence[Portrait]) -> Table:
    """One line a run: the figures that comparisons are about; one that no run has is left out."""
    found = {title: [read(one.result) for one in portraits] for title, read in _READ.items()}
    columns = {title: cells for title, cells in found.items() if set(cells) != {_NOTHING}}
    lines = zip(*columns.values(), strict=True)
    rows = [Row(one.name, list(cells)) for one, cells in zip(portraits, lines, strict=True)]
    return Table(list(columns), rows)


def options(result: Result, *, keep_text: bool) -> list[tuple[str, str]]:
    """Every setting of the run, and where and when it ran, as names and values."""
    run = result.run
    about = {
        "run": run.id,
        "name": run.name or None,
        "started": run.started_at,
        "lasted": seconds(run.duration_s),
        "latency-lens": run.tool_version,
        "clock": structs.asdict(run.clock),
        "host": run.host,
    }
    return [*_flat(about), *_flat(without_texts(result.config, keep_text=keep_text))]


def without_texts(config: Mapping[str, Any], *, keep_text: bool) -> dict[str, Any]:
    """The settings, with prompts only where they are to be kept."""
    return {name: value for name, value in config.items() if keep_text or name not in TEXTS}


def _summaries(found: Metrics) -> Iterator[tuple[str, Summary]]:
    for name in _NAMES:
        summary = getattr(found, name)
        if summary is not UNSET:
            yield name, summary


def _metric(name: str, summary: Summary) -> Row:
    decimals = places(max(summary.p50, summary.mean))
    cells = [
        Cell(fixed(getattr(summary, column), decimals), _interval(summary, column, decimals))
        for column in _COLUMNS
    ]
    unit = _UNITS.get(name.rpartition("_")[2], "")
    return Row(_NAMES[name], [Cell(f"{summary.count:,}"), *cells], unit)


def _interval(summary: Summary, column: str, decimals: int) -> str:
    bounds = getattr(summary.ci95, column, UNSET)
    if bounds is UNSET:
        return ""
    return f"{fixed(bounds[0], decimals)}–{fixed(bounds[1], decimals)}"


def _of(metric: str, level: str = "p50") -> Callable[[Result], Cell]:
    def cell(result: Result) -> Cell:
        summary = getattr(result.metrics, metric)
        if summary is UNSET:
            return _NOTHING
        decimals = places(summary.p50)
        value = fixed(getattr(summary, level), decimals)
        return Cell(value, _interval(summary, level, decimals))

    return cell


def _rate(result: Result) -> Cell:
    rate = result.throughput.requests_per_second
    return _NOTHING if rate is None else Cell(short(rate))


def _failed(result: Result) -> Cell:
    return Cell(*failed(result))


def _price(result: Result) -> Cell:
    amount = result.cost.per_1000_requests
    return _NOTHING if amount is None else Cell(dollars(amount))


def _verdict(result: Result) -> Cell:
    return Cell(result.validity.verdict)


_NOTHING = Cell("–")
_READ: Mapping[str, Callable[[Result], Cell]] = {
    "TTFT p50, ms": _of("ttft_ms"),
    "TTFT p95, ms": _of("ttft_ms", "p95"),
    "ITL p50, ms": _of("itl_ms"),
    "ITL p99, ms": _of("itl_ms", "p99"),
    "E2E p50, ms": _of("e2e_ms"),
    "tokens/s each": _of("output_tokens_per_second"),
    "answers/s": _rate,
    "failed": _failed,
    "for 1,000": _price,
    "verdict": _verdict,
}


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return f"{value:,}" if abs(value) >= 10_000 else f"{value}"
    return json.dumps(value, ensure_ascii=False, default=str)
