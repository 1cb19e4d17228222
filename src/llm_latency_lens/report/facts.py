"""What belongs beside the figures of a run, as labels and words: what failed, how much there was,
what it cost, how the instrument fared."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from ..metrics.result import Goodput, Result, Where
from ..pricing import dollars
from .figures import count, milliseconds, percent, seconds, short
from .instrument import instrument

_SCARCE = 0.1
"""Of a rate limit, below which it is worth a word."""


def facts(result: Result) -> Iterator[tuple[str, str]]:
    """Label and words of each."""
    yield "requests", _requests(result)
    if retries := result.retries.sent:
        recovered = count(result.retries.recovered, "request")
        yield "retries", f"{retries:,} sent, {recovered} recovered; in no figure above"
    if stale := result.retries.stale_connections:
        yield "reconnected", f"{count(stale, 'request')}: the server had closed the idle connection"
    yield "rate", _rate(result)
    if limits := "; ".join(_limits(result)):
        yield "rate limits", limits
    if result.goodput is not UNSET:
        yield "goodput", _goodput(result.goodput)
    yield "tokens", _tokens(result)
    if cost := _cost(result):
        yield "cost", cost
    if result.instrument.events:
        yield "stalls", _stalls(result)
    if result.where is not UNSET:
        yield "where", _where(result.where)
    pseudo = result.pseudo_streaming
    if pseudo.requests:
        yield "streaming", f"{pseudo.requests:,} of {pseudo.judged:,} answers came in bursts"
    if result.run.measured_by is not UNSET:
        yield "measured by", result.run.measured_by
        return
    yield "instrument", instrument(result.instrument)
    yield "certificate", _certificate(result)


def _requests(result: Result) -> str:
    requests = result.requests
    parts = [f"{requests.ok:,} ok"]
    if requests.failed:
        parts.append(f"{requests.failed:,} failed ({percent(result.error_rate or 0)})")
    if requests.cancelled:
        parts.append(f"{requests.cancelled:,} cancelled")
    if requests.unsent:
        parts.append(f"{requests.unsent:,} never sent")
    if requests.planned is not None and requests.planned != requests.sent:
        parts.append(f"{requests.planned:,} planned")
    if requests.warmup:
        parts.append(f"{requests.warmup:,} before them to warm up")
    return ", ".join(parts)


def _rate(result: Result) -> str:
    work = result.throughput
    if work.offered_rate is not UNSET and work.achieved_rate is not UNSET:
        rates = f"{short(work.offered_rate)} offered, {short(work.achieved_rate)} achieved"
        return f"{rates}, {short(work.requests_per_second or 0)} answered a second"
    if work.requests_per_second is None:
        return "unknown"
    return f"{short(work.requests_per_second)} requests a second"


def _limits(result: Result) -> Iterator[str]:
    """Rate limits that came close to being used up, and what waited for them."""
    held = result.requests.held_back
    if held.count:
        waited = seconds(held.total_s / held.count)
        yield f"{count(held.count, 'arrival')} held back, {waited} each on average"
    for name, seen in result.requests.rate_limits.items():
        left = seen.remaining
        if left is None or (left and left >= _SCARCE * (seen.limit or 0)):
            continue
        of = "" if seen.limit is None else f" of {seen.limit:,}"
        again = "" if seen.reset_s is None else f", whole again in {seconds(seen.reset_s)}"
        yield f"{name.replace('_', ' ')}: {left:,}{of} left at the least{again}"


def _goodput(goodput: Goodput) -> str:
    rate, share = goodput.requests_per_second, goodput.share
    if rate is None or share is None:
        return "unknown"
    limits = " and ".join(goodput.objectives)
    return f"{short(rate)} requests a second, {percent(share)} of all, kept {limits}"


def _tokens(result: Result) -> str:
    tokens, work = result.tokens, result.throughput
    if tokens.output is None:
        if tokens.source != "usage" or tokens.input is None:
            return "unknown: no usage was reported (--tokenizer counts them here)"
        speed_in = short(work.total_tokens_per_second or 0)
        return f"{tokens.input:,} in, {speed_in} a second in all; counted by the server"
    parts = [f"{tokens.output:,} out"]
    if tokens.reasoning:
        parts[0] += f" ({tokens.reasoning:,} of them reasoning)"
    if tokens.input is not None:
        cached = f" ({tokens.cached_input:,} from a cache)" if tokens.cached_input else ""
        parts.append(f"{tokens.input:,} in{cached}")
    if work.output_tokens_per_second is not None:
        parts.append(f"{short(work.output_tokens_per_second)} a second in all")
    speed = result.metrics.output_tokens_per_second
    if speed is not UNSET:
        parts.append(f"{short(speed.p50)} a second each (p50)")
    per_event = result.metrics.tokens_per_event
    if per_event is not UNSET and abs(per_event.mean - 1) > 0.05:
        parts.append(f"{short(per_event.mean)} an event")
    return f"{', '.join(parts)}; counted by {_COUNTED_BY[tokens.source]}"


_COUNTED_BY = {
    "usage": "the server",
    "tokenizer": "the tokenizer",
    "events": "events",
    "mixed": "the server for some, here for others",
    "none": "nobody",
}


def _cost(result: Result) -> str:
    """Empty where there is nothing to say: no request was answered."""
    cost = result.cost
    parts = []
    if cost.per_request is not None and cost.per_1000_requests is not None:
        thousand = dollars(cost.per_1000_requests)
        parts.append(f"{dollars(cost.per_request)} a request ({thousand} for a thousand)")
    if cost.per_million_output_tokens is not None:
        parts.append(f"{dollars(cost.per_million_output_tokens)} for a million output tokens")
    if cost.total is not None:
        parts.append(f"{dollars(cost.total)} in all, by {cost.source}")
    if cost.total is not None and cost.unpriced:
        parts.append(f"{count(cost.unpriced, 'request')} of unknown cost")
    told = ", ".join(parts)
    if cost.note:
        return f"{told}; {cost.note}" if told else cost.note
    return told


def _stalls(result: Result) -> str:
    stalls = result.stalls
    limit = (
        f"above {milliseconds(stalls.threshold_ms)} and {short(stalls.threshold_factor)} x the"
        " request's median gap"
    )
    if not stalls.count:
        return f"none {limit}"
    return (
        f"{stalls.count:,} in {count(stalls.requests, 'request')}, the longest"
        f" {milliseconds(stalls.longest_ms)}, {percent(stalls.share_of_time)} of the time ({limit})"
    )


def _where(where: Where) -> str:
    mark = where.server_until.replace("_", " ")
    until = "" if mark == "mixed" else f" up to the {mark}"
    told = f"the server counts {milliseconds(where.server_ms.p50)} (p50){until}"
    if where.network_ms is not UNSET:
        told += f", network and the rest are {milliseconds(where.network_ms.p50)}"
    return f"{told}; by {where.server_source}"


def _certificate(result: Result) -> str:
    certificate = result.instrument.certificate
    if certificate is UNSET:
        return "none yet: `latency-lens calibrate` measures the error of this machine"
    made, rate = str(certificate.get("made_at", ""))[:10], certificate.get("max_events_per_second")
    limit = milliseconds(certificate.get("limit_us", 1000.0) / 1000)
    if rate is None:
        return f"{made}: the p99 error on this machine is above {limit} at every load"
    return f"{made}: p99 error under {limit} up to {rate:,.0f} events a second on this machine"


def failures(result: Result) -> Iterator[str]:
    """The causes of failures, each with how often it was met."""
    for example in result.requests.error_examples:
        status = f" {example.http_status}" if example.http_status else ""
        code = f" {example.provider_code}" if example.provider_code else ""
        cause = f"{example.kind}{status}{code} ({example.stage})"
        yield f"{example.count:,} x {cause}: {_clip(example.message, 160)}"


def _clip(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"
