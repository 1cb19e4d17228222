"""The result as Markdown, for a comment on a pull request: tables that GitHub and GitLab draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from msgspec import UNSET

from ..metrics.result import Requests, Result, Summary
from .exported import Exported

_METRICS = {
    "ttft_ms": "TTFT",
    "corrected_ttft_ms": "TTFT, from planned",
    "answer_ms": "first answer",
    "itl_ms": "gap between tokens",
    "tpot_ms": "time per token",
    "e2e_ms": "whole answer",
    "corrected_e2e_ms": "whole answer, from planned",
    "send_lag_ms": "send lag",
}
_COLUMNS = ("mean", "p50", "p95", "p99", "max")
_MARKS = {"valid": "✅", "doubtful": "⚠️", "invalid": "❌"}


def write(exported: Exported, file: BinaryIO) -> None:
    """One document of a heading and its tables."""
    file.write(markdown(exported.result).encode("utf-8", "replace"))


def markdown(result: Result) -> str:
    """The document, which ends with a line feed."""
    parts = [_heading(result), _latencies(result), _facts(result), _errors(result.requests)]
    parts.append(_reasons(result))
    return "\n\n".join(part for part in parts if part) + "\n"


def code(text: str) -> str:
    """A text of somebody else's, such that nothing in it is Markdown, a mention or a new line."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return f"`{' '.join(plain.split()).replace('`', chr(39))}`"


def _heading(result: Result) -> str:
    run, config = result.run, result.config
    target = "/".join(str(config[key]) for key in ("provider", "model") if config.get(key))
    parts = [f"{result.requests.sent:,} requests in {_number(run.duration_s)} s"]
    if run.mode == "closed" and config.get("concurrency"):
        parts.append(f"{config['concurrency']} at a time")
    if result.throughput.offered_rate is not UNSET:
        parts.append(f"{_number(result.throughput.offered_rate)} a second")
    parts.append(f"the result is {result.validity.verdict}")
    mark = _MARKS[result.validity.verdict]
    return f"### {mark} Latency of {code(run.name or target or run.id)}\n\n{', '.join(parts)}."


def _latencies(result: Result) -> str:
    metrics = result.metrics
    rows = [
        (name, *(_cell(summary, column) for column in _COLUMNS))
        for field, name in _METRICS.items()
        if (summary := getattr(metrics, field)) is not UNSET
        and not (field == "answer_ms" and summary == metrics.ttft_ms)
    ]
    if not rows:
        return "No request succeeded: there is nothing to sum up."
    return _table(("ms (95 % interval)", *_COLUMNS), rows)


def _cell(summary: Summary, column: str) -> str:
    value = _number(getattr(summary, column))
    bounds = getattr(summary.ci95, column, UNSET)
    return value if bounds is UNSET else f"{value} ({_number(bounds[0])}–{_number(bounds[1])})"


def _facts(result: Result) -> str:
    rows = [(name, words) for name, words in _told(result) if words is not None]
    return _table(("", ""), rows)


def _told(result: Result) -> Iterator[tuple[str, str | None]]:
    requests, work, tokens, cost = result.requests, result.throughput, result.tokens, result.cost
    parts = [f"{requests.ok:,} ok", f"{requests.failed:,} failed"]
    parts += [f"{requests.cancelled:,} cancelled"] if requests.cancelled else []
    parts += [f"{requests.unsent:,} never sent"] if requests.unsent else []
    yield "requests", ", ".join(parts)
    yield "requests a second", _maybe(work.requests_per_second)
    if result.goodput is not UNSET:
        good = result.goodput
        limits = " and ".join(code(text) for text in good.objectives)
        share = "unknown" if good.share is None else f"{_number(100 * good.share)} %"
        yield "goodput", f"{share} of the requests kept {limits}"
    yield "tokens", None if tokens.output is None else f"{tokens.output:,} out"
    yield "tokens a second", _maybe(work.output_tokens_per_second)
    yield "cost", None if cost.total is None else f"${cost.total:f}"
    if result.stalls.count:
        longest = _number(result.stalls.longest_ms)
        yield "stalls", f"{result.stalls.count:,}, the longest {longest} ms"


def _errors(requests: Requests) -> str:
    rows = [
        (f"{one.count:,}", one.kind, one.stage, code(one.message) if one.message else "")
        for one in requests.error_examples
    ]
    return _table(("errors", "kind", "stage", "message"), rows) if rows else ""


def _reasons(result: Result) -> str:
    return "\n".join(
        f"- **{reason.severity}** {code(reason.code)}: {_plain(reason.message)}"
        f" {_plain(reason.advice)}"
        for reason in result.validity.reasons
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    rule = ["---", *["--:"] * (len(names) - 1)] if len(names) > 4 else ["---"] * len(names)
    lines = [names, rule, *rows]
    return "\n".join(f"| {' | '.join(map(_bar, line))} |" for line in lines)


def _bar(cell: str) -> str:
    return cell.replace("|", "\\|")


def _plain(text: str) -> str:
    """This program's own words, which may repeat somebody's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")


def _maybe(value: float | None) -> str | None:
    return None if value is None else _number(value)


def _number(value: float) -> str:
    """About four digits."""
    if not value:
        return "0"
    size = abs(value)
    return f"{value:,.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3}f}"
