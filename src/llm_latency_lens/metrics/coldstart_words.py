"""What a cold-start experiment says, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UnsetType

from .coldstart import Caching, Connecting, Design, Idling, Part, span
from .comparison import Difference
from .facts import percent
from .intervals import fewest

_SOURCES = {"connection": "connection", "model": "model load", "prompt_cache": "prompt cache"}


def sentence(
    design: Design,
    parts: Sequence[Part],
    connection: Connecting,
    model: Sequence[Idling],
    cache: Caching | UnsetType,
) -> str:
    """Where the cold start comes from, and how long idling may last before it comes back."""
    told = [_sum(parts, _asked(connection, model, cache), design)]
    if model:
        told.append(_idle(model, design))
    return " ".join(told)


def _asked(
    connection: Connecting, model: Sequence[Idling], cache: Caching | UnsetType
) -> Iterator[Difference]:
    found = [connection.cost_ms, *(idling.ttft_ms for idling in model)]
    if not isinstance(cache, UnsetType):
        found.append(cache.ttft_ms)
    yield from (one for one in found if isinstance(one, Difference))


def _sum(parts: Sequence[Part], asked: Iterator[Difference], design: Design) -> str:
    if parts:
        named = ", ".join(
            f"{_SOURCES[part.source]} {_ms(part.ms)} ({percent(part.share)})" for part in parts
        )
        return f"A cold start costs {_ms(sum(part.ms for part in parts))} here: {named}."
    sure = [one for one in asked if one.distinct is not None]
    if not sure:
        return f"Where a cold start comes from {_too_few(design)}."
    return f"No cold start can be told from {design.repeat:,} requests of each kind."


def _idle(model: Sequence[Idling], design: Design) -> str:
    before = None
    for idling in model:
        found = idling.ttft_ms
        if not isinstance(found, Difference) or found.distinct is None:
            if before is None:
                return f"How long idling may last {_too_few(design, len(model))}."
            break
        if found.distinct and found.difference > 0:
            after = f"after {span(idling.idle_s)} idle it is back"
            if before is None:
                return f"{after[0].upper()}{after[1:]}, the shortest gap that was tried."
            return f"Idling for {span(before)} makes no difference that can be told; {after}."
        before = idling.idle_s
    assert before is not None
    return f"Idling for up to {span(before)} makes no difference that can be told."


def _too_few(design: Design, comparisons: int = 1) -> str:
    needed = fewest(0.5, (1.0 - design.confidence) / comparisons)
    return (
        f"cannot be told from {design.repeat:,} requests of each kind ({needed} or more are"
        " needed: --repeat)"
    )


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if abs(value) >= 10 else f"{value:.2g} ms"
