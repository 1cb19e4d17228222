"""The result of a run as one table that fits 100 columns, and the facts that belong beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from msgspec import UNSET

from ..metrics.result import Reason, Result, Summary
from .facts import facts, failures
from .figures import count, fixed, interval, milliseconds, places, seconds, short
from .page import Page
from .strip import hill

if TYPE_CHECKING:
    from ..metrics.shapes import Spread

_ROWS = (
    ("ttft_ms", "TTFT", "first token"),
    ("corrected_ttft_ms", "TTFT corrected", "from planned"),
    ("answer_ms", "answer", "first answer"),
    ("itl_ms", "ITL", "each gap"),
    ("tpot_ms", "TPOT", "per token"),
    ("e2e_ms", "E2E", "whole answer"),
    ("corrected_e2e_ms", "E2E corrected", "from planned"),
    ("send_lag_ms", "send lag", "behind plan"),
)
_COLUMNS = ("mean", "p50", "p95", "p99", "max")
_LEVELS = ("p50", "p90", "p95", "p99", "p999", "max")
_INDENT = 14
_SPREAD = 8
_END = 9
_VERDICT_STYLES = {"valid": "bold green", "doubtful": "bold yellow", "invalid": "bold red"}
_MARKS = {"note": "•", "doubtful": "▲", "invalid": "✗"}


def text(
    result: Result,
    out: TextIO,
    *,
    color: bool = True,
    spreads: Mapping[str, Spread] | None = None,
) -> None:
    """Print the result for a person, with the spread of some figures, by their short names."""
    page = Page(out, color=color)
    page.line(*_heading(result))
    page.line()
    _table(page, result)
    if spreads:
        page.line()
    for name, spread in (spreads or {}).items():
        _spread(page, name, spread)
    page.line()
    for label, words in facts(result):
        page.paragraph((label, "cyan"), words, indent=_INDENT)
    for number, words in enumerate(failures(result)):
        page.paragraph(("" if number else "errors", "red"), words, indent=_INDENT)
    page.line()
    _verdict(page, result)


def _heading(result: Result) -> list[str | tuple[str, str]]:
    run, config = result.run, result.config
    target = "/".join(str(config[key]) for key in ("provider", "model") if config.get(key))
    parts = [f"{count(result.requests.sent, 'request')} in {seconds(run.duration_s)}"]
    if run.mode == "closed" and config.get("concurrency"):
        parts.append(f"{config['concurrency']} at a time")
    if run.mode == "open" and result.throughput.offered_rate is not UNSET:
        parts.append(f"{short(result.throughput.offered_rate)} a second, open loop")
    if run.interrupted:
        parts.append("interrupted")
    return [(run.name or target or run.id, "bold"), f"  {' · '.join(parts)}"]


def _table(page: Page, result: Result) -> None:
    shown = [(row, summary) for row in _ROWS if (summary := _summary(result, row[0]))]
    if not shown:
        page.line(("No request succeeded: there is nothing to sum up.", "bold red"))
        return
    label = 20 if page.width >= 100 else 18
    width = (page.width - label) // len(_COLUMNS)
    page.line(
        ("  ms, 95 % ci".ljust(label), "dim"),
        ("".join(name.rjust(width) for name in _COLUMNS), "dim"),
    )
    too_low = _too_low(result)
    for (_, name, meaning), summary in shown:
        decimals = places(max(summary.p50, summary.mean))
        values = [
            ("≥" if column in too_low else "") + fixed(getattr(summary, column), decimals)
            for column in _COLUMNS
        ]
        page.line(
            (f"  {name}".ljust(label), "bold cyan"),
            *((value.rjust(width), "bold" if i == 1 else "") for i, value in enumerate(values)),
        )
        intervals = [_interval(summary, column, decimals, width - 1) for column in _COLUMNS]
        row = "".join(interval.rjust(width) for interval in intervals)
        page.line((f"    {meaning}"[: label - 1].ljust(label) + row, "dim"))


def _spread(page: Page, name: str, spread: Spread) -> None:
    """A histogram in one line, between the ends of its axis."""
    low, high = milliseconds(spread.axis.low), milliseconds(spread.axis.high)
    scale = "(log)" if spread.axis.log else ""
    page.line(
        (f"  {name}".ljust(_SPREAD), "bold cyan"),
        (f"{low.rjust(_END)} ", "dim"),
        (hill(spread.shares), "green"),
        (f" {high}  {scale}", "dim"),
    )


def _too_low(result: Result) -> Sequence[str]:
    """The columns that would be higher, had no slow answer been cut off by a timeout."""
    for reason in result.validity.reasons:
        if reason.code == "timeouts" and reason.metric is not UNSET:
            return _LEVELS[_LEVELS.index(reason.metric.rpartition(".")[2]) :]
    return ()


def _summary(result: Result, name: str) -> Summary | None:
    found = getattr(result.metrics, name)
    if found is UNSET or (name == "answer_ms" and _same(found, result.metrics.ttft_ms)):
        return None
    return found  # type: ignore[no-any-return]


def _same(one: Summary, other: object) -> bool:
    """Whether the first token was the first answer in every request."""
    return isinstance(other, Summary) and (one.mean, one.max) == (other.mean, other.max)


def _interval(summary: Summary, column: str, decimals: int, width: int) -> str:
    bounds = getattr(summary.ci95, column, UNSET)
    return "" if bounds is UNSET else interval(bounds, decimals, width)


def _verdict(page: Page, result: Result) -> None:
    validity = result.validity
    page.line(
        ("verdict".ljust(_INDENT), "cyan"),
        (validity.verdict.upper(), _VERDICT_STYLES[validity.verdict]),
        (" – nothing speaks against these figures", "") if not validity.reasons else "",
    )
    for reason in sorted(validity.reasons, key=_gravity):
        style = {"note": "dim"}.get(reason.severity, _VERDICT_STYLES.get(reason.severity, ""))
        page.paragraph((f"  {_MARKS[reason.severity]}", style), reason.message, indent=4)
        page.paragraph("", reason.advice, indent=4, style="dim")


def _gravity(reason: Reason) -> int:
    return ("invalid", "doubtful", "note").index(reason.severity)
