"""What a comparison says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, log10

from msgspec import UnsetType

from .comparison import Candidate, Design, Difference, Differences
from .facts import percent, some
from .intervals import fewest
from .result import Interval

_TOKENS_APART = 1.03
"""Tokenizers whose tokens differ in length by less are taken for alike."""
_LENGTHS_APART = 1.1
_TIMES = 1.95
"""From here on a ratio reads better as "so many times"."""


def sentence(a: str, b: str, differences: Differences) -> str:
    """What can be told of two candidates: who answers sooner, who writes faster, who is cheaper."""
    waiting = differences.ttft_ms_p50
    figure = "TTFT p50"
    if isinstance(waiting, UnsetType):
        waiting, figure = differences.e2e_ms_p50, "whole answer p50"
    if isinstance(waiting, UnsetType):
        return f"{a} and {b} answered no request together: there is nothing to compare."
    parts = [
        _waiting(a, b, waiting, figure),
        *_writing(a, b, differences.characters_per_second_p50),
        *_costing(a, b, differences.cost_usd_mean),
    ]
    return f"{'; '.join(parts)}."


def _waiting(a: str, b: str, found: Difference, figure: str) -> str:
    if found.distinct is None:
        needed = fewest(0.5)
        both = f"{figure} {_ms(found.a)} against {_ms(found.b)}"
        return (
            f"{a} and {b} cannot be told apart by {found.pairs:,} requests each ({both};"
            f" {needed} or more are needed, and more where they depend on one another)"
        )
    if not found.distinct:
        assert not isinstance(found.difference_ci95, UnsetType)
        low, high = found.difference_ci95
        return (
            f"No difference between {a} and {b} can be told from {found.pairs:,} requests each"
            f" ({figure} {_ms(found.a)} against {_ms(found.b)}, 95 % interval of the difference"
            f" {_short(low)} to {_short(high)} ms)"
        )
    fast, slow = (a, b) if found.a < found.b else (b, a)
    ratio, limits = _winners(found, found.a < found.b)
    sure = f", {_percents(1.0 - limits[1], 1.0 - limits[0])}" if limits else ""
    return (
        f"{fast} answers {percent(1.0 - ratio)} sooner than {slow} ({figure}"
        f" {_ms(min(found.a, found.b))} against {_ms(max(found.a, found.b))}{sure})"
    )


def _writing(a: str, b: str, found: Difference | UnsetType) -> Iterator[str]:
    """The faster writer's speed over the other's; only where it is sure."""
    if isinstance(found, UnsetType) or not found.distinct or min(found.a, found.b) <= 0:
        return
    fast = a if found.a > found.b else b
    ratio, limits = _winners(found, found.a > found.b)
    sure = f", {_percents(limits[0] - 1.0, limits[1] - 1.0)}" if limits else ""
    high, low = _short(max(found.a, found.b)), _short(min(found.a, found.b))
    yield (
        f"{fast} writes {percent(ratio - 1.0)} faster ({high} against {low} characters a"
        f" second{sure})"
    )


def _costing(a: str, b: str, found: Difference | UnsetType) -> Iterator[str]:
    if isinstance(found, UnsetType) or not found.distinct or min(found.a, found.b) <= 0:
        return
    cheap, low, high = (a, found.a, found.b) if found.a < found.b else (b, found.b, found.a)
    times = high / low
    how = f"{_two(times)} times" if times >= _TIMES else percent(1.0 - low / high)
    yield f"{cheap} is {how} cheaper (${_short(low)} against ${_short(high)} a request)"


def notes(candidates: Sequence[Candidate], design: Design) -> Iterator[str]:
    """What a reader should know before comparing a figure."""
    for candidate in candidates:
        requests = candidate.requests
        if requests.failed:
            counted = some(requests.failed, requests.ok + requests.failed, "requests")
            yield (
                f"{candidate.name} failed {counted}: they are in no latency, and the others' blocks"
                " are compared without them."
            )
    yield from _tokenizers(candidates)
    yield from _lengths(candidates)
    if design.comparisons > 1:
        yield (
            f"Intervals of differences hold for all {design.comparisons} pairs at once"
            " (Bonferroni): each is wider than it would be alone."
        )


def _tokenizers(candidates: Sequence[Candidate]) -> Iterator[str]:
    known = {
        candidate.name: candidate.characters.tokens_per_character
        for candidate in candidates
        if candidate.characters.tokens_per_character
    }
    values = [value for value in known.values() if value]
    if len(values) < 2 or max(values) < _TOKENS_APART * min(values):
        return
    told = ", ".join(f"{name} {1 / value:.3g}" for name, value in known.items() if value)
    yield (
        f"Tokens are not the same unit here (characters a token: {told}): compare characters a"
        " second and cost a request, not tokens a second."
    )


def _lengths(candidates: Sequence[Candidate]) -> Iterator[str]:
    means = {
        candidate.name: candidate.characters.total / candidate.requests.ok
        for candidate in candidates
        if candidate.requests.ok and candidate.characters.total
    }
    if len(means) < 2 or max(means.values()) < _LENGTHS_APART * min(means.values()):
        return
    told = ", ".join(f"{name} {value:,.0f}" for name, value in means.items())
    yield (
        f"Answers differ in length (characters on average: {told}): whole answers take and cost"
        " more for that alone."
    )


def _winners(found: Difference, a_wins: bool) -> tuple[float, Interval | None]:
    """The winner's value over the other's, and the interval of that."""
    assert found.ratio
    limits = None if isinstance(found.ratio_ci95, UnsetType) else found.ratio_ci95
    if a_wins:
        return found.ratio, limits
    turned = (1.0 / limits[1], 1.0 / limits[0]) if limits and limits[0] > 0 else None
    return 1.0 / found.ratio, turned


def _percents(low: float, high: float) -> str:
    return f"95 % interval {_two(100 * low)} to {_two(100 * high)} %"


def _two(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _ms(value: float) -> str:
    return f"{_short(value)} ms"


def _short(value: float) -> str:
    """About three digits, without noughts at the end and without an exponent."""
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    decimals = 2 - floor(log10(abs(value)))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")
