"""Rules on the answers: whether there are enough of them, and whether they are what they seem."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from .facts import Facts, Rule, some
from .intervals import FEWEST_CORRELATED, LEVELS, fewest
from .result import Reason, Result, Summary

SHORT_SHARE = 0.10
LONG_SHARE = 0.01
EMPTY_SHARE = 0.01
PSEUDO_SHARE = 0.10
UNKNOWN_SHARE = 0.01
TOKENS_AN_EVENT = 0.9
"""Fewer tokens than events: an event carries at least one token, some carry part of a character."""


def _main(result: Result) -> tuple[str, Summary] | None:
    """The figure that every streamed answer has, or the one that every answer has."""
    for name in ("ttft_ms", "e2e_ms"):
        summary = getattr(result.metrics, name)
        if isinstance(summary, Summary):
            return name, summary
    return None


def samples(facts: Facts) -> Iterator[Reason]:
    """Quantiles of the main table (p50, p95, p99) that have too few requests behind them."""
    main = _main(facts.result)
    if main is None:
        return
    name, summary = main
    n = summary.count
    short = [level for level in ("p50", "p95", "p99") if n < fewest(LEVELS[level])]
    if short:
        yield Reason(
            code="few_samples",
            severity="doubtful" if "p50" in short and n > 1 else "note",
            message=(
                f"{n:,} answers are too few for {' and '.join(short)}: the value shown is close to"
                " an extreme of the sample, and has no interval."
            ),
            advice=f"Send {fewest(LEVELS[short[-1]]):,} requests or more (--requests).",
            metric=f"{name}.{short[0]}",
            value=float(n),
            limit=float(fewest(LEVELS[short[0]])),
        )


def correlated(facts: Facts) -> Iterator[Reason]:
    main = _main(facts.result)
    if main is None or main[1].count < FEWEST_CORRELATED or main[1].ci95.p50 is not UNSET:
        return
    yield Reason(
        code="correlated",
        severity="note",
        message=(
            f"Neighbouring requests resemble one another so much that {main[1].count:,} of them are"
            f" worth fewer than {FEWEST_CORRELATED} independent ones: there is no interval."
        ),
        advice="Run longer: the server's queue has hardly turned over in this time.",
        metric=main[0],
        value=float(main[1].count),
    )


def lengths(facts: Facts) -> Iterator[Reason]:
    asked, shorter, longer = (
        facts.lengths.asked,
        facts.lengths.shorter,
        facts.lengths.longer,
    )
    if asked and shorter / asked > SHORT_SHARE:
        yield Reason(
            code="short_answers",
            severity="note",
            message=(
                f"{some(shorter, asked, 'answers')} ended before their limit of tokens: e2e_ms and"
                " throughput depend on how long the answers happened to be."
            ),
            advice=(
                "To compare servers, fix the length: --extra-body '{\"ignore_eos\": true}' where"
                " the server knows it."
            ),
            metric="e2e_ms",
            value=shorter / asked,
            limit=SHORT_SHARE,
        )
    if asked and longer / asked > LONG_SHARE:
        yield Reason(
            code="long_answers",
            severity="doubtful",
            message=(
                f"{some(longer, asked, 'answers')} were longer than the limit of tokens asked for:"
                " the limit was ignored, or the count of tokens is not true."
            ),
            advice="Check the server's usage against --tokenizer.",
            metric="tpot_ms",
            value=longer / asked,
            limit=LONG_SHARE,
        )


def empty(facts: Facts) -> Iterator[Reason]:
    count, ok = facts.lengths.empty, facts.result.requests.ok
    if count:
        yield Reason(
            code="empty_answers",
            severity="doubtful" if count / ok > EMPTY_SHARE else "note",
            message=f"{some(count, ok, 'answers')} carried no content: they have no ttft_ms.",
            advice="See their finish_reason in --records; the prompt may be refused or filtered.",
            metric="ttft_ms",
            value=count / ok,
            limit=EMPTY_SHARE,
        )


def pseudo_streaming(facts: Facts) -> Iterator[Reason]:
    found = facts.result.pseudo_streaming
    if found.requests:
        yield Reason(
            code="pseudo_streaming",
            severity="doubtful" if found.share >= PSEUDO_SHARE else "note",
            message=(
                f"{some(found.requests, found.judged, 'answers')} came in lumps, each after a long"
                " wait: ttft_ms and itl_ms tell how they were let go, not how they were made."
            ),
            advice="Look for a proxy that buffers the answer (nginx: proxy_buffering off).",
            metric="itl_ms",
            value=found.share,
            limit=PSEUDO_SHARE,
        )


def tokens(facts: Facts) -> Iterator[Reason]:
    ok, unknown = facts.result.requests.ok, facts.unknown_tokens
    if unknown:
        everywhere = unknown == ok
        grave = not everywhere and unknown / ok > UNKNOWN_SHARE
        yield Reason(
            code="tokens_unknown",
            severity="doubtful" if grave else "note",
            message=(
                f"Nobody counted the tokens of {some(unknown, ok, 'answers')}:"
                + (" there is no figure a token." if everywhere else " sums of tokens are too low.")
            ),
            advice="Give --tokenizer, or ask the server for usage in the stream.",
            metric="throughput.output_tokens_per_second",
            value=unknown / ok,
            limit=UNKNOWN_SHARE,
        )
    elif facts.result.tokens.source == "mixed":
        yield Reason(
            code="tokens_mixed",
            severity="doubtful",
            message="Some answers' tokens were counted by the server, others' by the tokenizer.",
            advice="Count all of them in one way.",
            metric="tpot_ms",
        )


def plausible_tokens(facts: Facts) -> Iterator[Reason]:
    summary = facts.result.metrics.tokens_per_event
    if isinstance(summary, Summary) and summary.p50 < TOKENS_AN_EVENT:
        yield Reason(
            code="tokens_implausible",
            severity="doubtful",
            message=(
                f"The counts of tokens give {summary.p50:.2g} tokens an event, and an event carries"
                " at least one."
            ),
            advice="Do not trust tpot_ms and tokens a second: count with --tokenizer.",
            metric="tpot_ms",
            value=summary.p50,
            limit=TOKENS_AN_EVENT,
        )


RULES: tuple[Rule, ...] = (
    samples,
    correlated,
    lengths,
    empty,
    pseudo_streaming,
    tokens,
    plausible_tokens,
)
