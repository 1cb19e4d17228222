"""What a page says in sentences and single figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from ...metrics.portraits import Portrait
from ...metrics.result import Result, Summary
from ...pricing import dollars
from ..figures import count, milliseconds, percent, seconds, short


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in large print: what it is, how much, and how sure."""

    name: str
    value: str
    note: str = ""


def target(result: Result) -> str:
    """Whom the run asked."""
    config = result.config
    told = "/".join(str(config[key]) for key in ("provider", "model") if config.get(key))
    return told or result.run.id


def headline(result: Result) -> str:
    """The run in one paragraph of plain words."""
    return " ".join([_answered(result), *_waiting(result), *_writing(result), *_costing(result)])


def comparison(portraits: Sequence[Portrait]) -> str:
    """Several runs, by who answered soonest. Which differences are sure is another question."""
    known = [(_wait(one.result), one) for one in portraits]
    waits = [(wait.p50, one, wait) for wait, one in known if wait is not None]
    if not waits:
        return "No request of these runs succeeded."
    waits.sort(key=lambda item: item[0])
    (_, first, quick), (_, last, slow) = waits[0], waits[-1]
    told = f"{count(len(portraits), 'run')}, side by side."
    if len(waits) == 1:
        return f"{told} Only {first.name} was answered ({milliseconds(quick.p50)} at the median)."
    what = "first token" if quick is first.result.metrics.ttft_ms else "whole answer"
    sooner = f"{told} The median {what} came soonest with {first.name} ({_placed(quick)})"
    return f"{sooner} and latest with {last.name} ({_placed(slow)}){_apart(quick, slow)}."


def figures(result: Result) -> Iterator[Figure]:
    """The few that a reader looks for first."""
    metrics = result.metrics
    if metrics.ttft_ms is not UNSET:
        yield _timed("TTFT p50", metrics.ttft_ms, "p50")
        yield _timed("TTFT p95", metrics.ttft_ms, "p95")
    if metrics.itl_ms is not UNSET:
        yield _timed("ITL p50", metrics.itl_ms, "p50")
        yield _timed("ITL p99", metrics.itl_ms, "p99")
    if metrics.e2e_ms is not UNSET:
        yield _timed("E2E p50", metrics.e2e_ms, "p50")
    speed = metrics.output_tokens_per_second
    if speed is not UNSET:
        bounds = speed.ci95.p50
        note = "" if bounds is UNSET else f"{short(bounds[0])} to {short(bounds[1])}"
        yield Figure("tokens a second each", short(speed.p50), note)
    yield Figure("failed", *failed(result))
    if result.cost.per_1000_requests is not None:
        told = f"by {result.cost.source}" if result.cost.source else ""
        yield Figure("a thousand requests", dollars(result.cost.per_1000_requests), told)


def failed(result: Result) -> tuple[str, str]:
    """The share of requests that failed, and how many of how many."""
    requests = result.requests
    note = f"{requests.failed:,} of {requests.ok + requests.failed:,}"
    return ("–" if result.error_rate is None else percent(result.error_rate)), note


def about(result: Result) -> str:
    """When the run was, how much it asked, and how hard."""
    run = result.run
    moment = f"{run.started_at[:10]} {run.started_at[11:16]} UTC"
    parts = [moment, f"{count(result.requests.sent, 'request')} in {seconds(run.duration_s)}"]
    if load := load_of(result):
        parts.append(load)
    if run.interrupted:
        parts.append("interrupted")
    return " · ".join(parts)


def load_of(result: Result) -> str:
    """How hard the run asked, in words; empty where nobody knows."""
    offered = result.throughput.offered_rate
    if offered is not UNSET:
        return f"{short(offered)} a second"
    concurrency = result.config.get("concurrency")
    return f"{concurrency} at a time" if concurrency else ""


def verdict(result: Result) -> str:
    """The verdict in one sentence."""
    validity = result.validity
    grave = [reason for reason in validity.reasons if reason.severity != "note"]
    if not grave:
        return "Nothing speaks against these figures."
    more = f" ({count(len(grave) - 1, 'more reason')} below)" if len(grave) > 1 else ""
    return f"{grave[0].message}{more}"


def sure(summary: Summary, level: str) -> str:
    """The interval of one level; empty where there is none."""
    bounds = getattr(summary.ci95, level)
    if bounds is UNSET:
        return ""
    return f"{short(bounds[0])} to {short(bounds[1])}"


def _answered(result: Result) -> str:
    requests = result.requests
    whom = target(result)
    if not requests.ok:
        return f"{whom} answered none of {count(requests.sent, 'request')}."
    if not requests.failed:
        return f"{whom} answered {_all(requests.ok)}; none failed."
    share = percent(result.error_rate or 0.0)
    return f"{whom} answered {_all(requests.ok)}; {requests.failed:,} failed ({share})."


def _all(number: int) -> str:
    return count(number, "request")


def _waiting(result: Result) -> Iterator[str]:
    summary, what = result.metrics.ttft_ms, "The first token"
    if summary is UNSET:
        summary, what = result.metrics.e2e_ms, "The whole answer"
    if summary is UNSET:
        return
    half, most = _sure(summary, "p50"), _sure(summary, "p95")
    yield f"{what} came within {half} for half of them, and within {most} for 95 in 100."


def _writing(result: Result) -> Iterator[str]:
    speed, itl = result.metrics.output_tokens_per_second, result.metrics.itl_ms
    if speed is not UNSET and itl is not UNSET:
        rest = f"one gap in a hundred was longer than {milliseconds(itl.p99)}"
        yield f"Then {short(speed.p50)} tokens a second followed (the median); {rest}."


def _costing(result: Result) -> Iterator[str]:
    if result.cost.per_1000_requests is not None:
        yield f"A thousand such requests cost {dollars(result.cost.per_1000_requests)}."


def _sure(summary: Summary, level: str) -> str:
    told = milliseconds(getattr(summary, level))
    bounds = sure(summary, level)
    return f"{told} (95 % interval {bounds} ms)" if bounds else told


def _placed(summary: Summary) -> str:
    bounds = sure(summary, "p50")
    return f"{milliseconds(summary.p50)}{f', 95 % interval {bounds} ms' if bounds else ''}"


def _timed(name: str, summary: Summary, level: str) -> Figure:
    bounds = sure(summary, level)
    return Figure(name, milliseconds(getattr(summary, level)), f"{bounds} ms" if bounds else "")


def _wait(result: Result) -> Summary | None:
    for summary in (result.metrics.ttft_ms, result.metrics.e2e_ms):
        if summary is not UNSET:
            return summary
    return None


def _apart(quick: Summary, slow: Summary) -> str:
    one, other = quick.ci95.p50, slow.ci95.p50
    if one is UNSET or other is UNSET:
        return ""
    return "" if one[1] < other[0] else "; their intervals overlap"
