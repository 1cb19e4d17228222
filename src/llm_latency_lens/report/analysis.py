"""An analysis of many runs, in words: a paragraph for each group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from statistics import median
from typing import TextIO

from ..decide.changes import FEWEST
from ..decide.hours import RUNS_AN_HOUR
from ..metrics.analysis import Analysis, Change, Hours, Series, Trend
from ..pricing import dollars
from .figures import count, milliseconds, percent, short
from .page import Page

_LEVELS = "▁▂▃▄▅▆▇█"
_WIDTH = 44
_INDENT = 12


def analysis(found: Analysis, out: TextIO, *, color: bool = True) -> None:
    """Print the analysis for a person."""
    page = Page(out, color=color)
    by = "" if found.by == "none" else f" by {found.by}"
    since = f" since {found.since:%Y-%m-%d %H:%M} UTC" if found.since else ""
    left = f"; {count(found.left_out, 'run')} without it" if found.left_out else ""
    page.line((f"{found.metric}{by}", "bold"), f"  {count(found.runs, 'run')}{since}{left}")
    for series in found.series:
        page.line()
        page.line((series.group or "all" if found.by == "none" else series.group or "–", "bold"))
        for label, words, style in _told(series, found):
            page.paragraph((f"  {label}", "cyan"), words, indent=_INDENT, style=style)
    if not found.series:
        page.line("No run has this metric.")


def _told(series: Series, found: Analysis) -> Iterator[tuple[str, str, str]]:
    metric, values = found.metric, [point.value for point in series.points]
    whole = "" if series.value is None else f", all together {amount(metric, series.value)}"
    requests = f", {count(series.requests, 'request')}" if series.requests else ""
    yield "runs", f"{series.runs:,}{requests}{whole}", ""
    if len(values) > 1:
        span = f"{amount(metric, min(values))} to {amount(metric, max(values))}, oldest first"
        yield "each", f"{spark(values)}  {span}", ""
    if series.changed != "yes":
        words = "none found" if series.changed == "no" else _too_few(series.runs, "change")
        yield "changes", words, ""
    for number, change in enumerate(series.changes):
        style = "bold red" if change.worse else "green"
        yield "" if number else "changes", _change(change, found), style
    yield "trend", _trend(series.trend, series.runs, metric), ""
    yield "hours", _hours(series.hours, metric), ""


def _change(change: Change, found: Analysis) -> str:
    word = _word(found.metric, worse=change.worse)
    share = "" if change.ratio is None else f" ({change.ratio - 1:+.1%})".replace("%", " %")
    before, after = (amount(found.metric, value) for value in (change.before, change.after))
    return (
        f"{word} since {change.at:%Y-%m-%d %H:%M} UTC: {before} before, {after} after{share},"
        f" p {_p(change.p)}; first run {change.first_after}"
    )


def _word(metric: str, *, worse: bool) -> str:
    if metric.startswith("cost"):
        return "dearer" if worse else "cheaper"
    if metric == "error_rate":
        return "more errors" if worse else "fewer errors"
    if metric.partition(".")[0].endswith("_ms") or "per_second" in metric:
        return "slower" if worse else "faster"
    return "higher" if worse else "lower"


def _trend(trend: Trend, runs: int, metric: str) -> str:
    if trend.per_day is None or trend.ci95 is None or trend.p is None:
        return _too_few(runs, "trend")
    low, high = (amount(metric, bound, sign=True) for bound in trend.ci95)
    bounds = f"{low} to {high} a day"
    if trend.found == "no":
        return f"none shown: {bounds}, p {_p(trend.p)}"
    word = "rises" if trend.per_day > 0 else "falls"
    step = amount(metric, abs(trend.per_day))
    return f"{word} by {step} a day ({bounds}), p {_p(trend.p)}"


def _hours(hours: Hours, metric: str) -> str:
    compared = [hour for hour in hours.hours if hour.runs >= RUNS_AN_HOUR]
    if hours.p is None:
        return f"cannot be told: {RUNS_AN_HOUR} runs in each of two hours of the day are needed"
    if hours.differ == "no":
        return f"no difference shown between {len(compared)} hours of the day, p {_p(hours.p)}"
    low, high = (pick(compared, key=lambda hour: hour.value) for pick in (min, max))
    if low.value == high.value:
        return f"differ, though not in their medians, p {_p(hours.p)}"
    return (
        f"differ: {amount(metric, low.value)} at {low.hour:02} h, {amount(metric, high.value)} at"
        f" {high.hour:02} h UTC, p {_p(hours.p)}"
    )


def _too_few(runs: int, what: str) -> str:
    return f"cannot be told: a {what} needs {FEWEST} runs, there {_are(runs)}"


def _are(runs: int) -> str:
    return "is one" if runs == 1 else f"are {runs}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def amount(metric: str, value: float, *, sign: bool = False) -> str:
    """A value in the metric's unit."""
    plus = "+" if sign and value > 0 else ""
    if metric.startswith("cost"):
        text = dollars(Decimal(repr(value)))
        return plus + (text if value >= 0 else f"-{text.replace('-', '')}")
    if metric == "error_rate":
        return plus + percent(value)
    if metric.partition(".")[0].endswith("_ms"):
        return plus + milliseconds(value)
    return plus + short(value) + ("/s" if "per_second" in metric else "")


def spark(values: Sequence[float], width: int = _WIDTH) -> str:
    """The values as a row of bars between their least and their largest; neighbours share a bar,
    as high as their median, where there are too many."""
    step = math.ceil(len(values) / width)
    shown = [median(values[i : i + step]) for i in range(0, len(values), step)]
    low, high = min(shown), max(shown)
    if low == high:
        return _LEVELS[3] * len(shown)
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[round((value - low) / (high - low) * top)] for value in shown)
