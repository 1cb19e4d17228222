"""What a model costs, and what a request's tokens come to by it.

The kinds of tokens lie in each other as in `record.Usage`: what was read from a cache, written to
one, or is audio is part of the input; reasoning and audio are part of the output. A kind without a
price of its own is charged as the kind that holds it, which is how `genai-prices` has it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from ..record import Usage
from ..request import Operation
from .money import ZERO

Kind = Literal[
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "audio_input",
    "cached_audio",
    "output",
    "reasoning",
    "audio_output",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_Part = tuple[Kind, int]


class Rate(Struct, frozen=True, omit_defaults=True):
    """Dollars for a million tokens.

    A tier is (input tokens, dollars): it holds for all tokens of a request that has more input
    tokens than that, and the highest such tier counts. They stand in rising order.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def of(self, input_tokens: int) -> Decimal:
        """The rate of a request with so many input tokens."""
        found = self.base
        for above, price in self.tiers:
            if input_tokens <= above:
                break
            found = price
        return found

    def times(self, factor: Decimal) -> Rate:
        tiers = tuple((above, price * factor) for above, price in self.tiers)
        return Rate(self.base * factor, tiers)


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one model costs, at one time. `source` says who says so.

    `per_request` and `per_search` are dollars for one. `per_second` are dollars for a second of a
    server that is paid whether it is asked or not; `server` tells such servers apart.
    """

    source: str
    rates: Mapping[Kind, Rate] = {}
    per_request: Decimal | None = None
    per_search: Decimal | None = None
    per_second: Decimal | None = None
    server: str = ""

    @property
    def is_free(self) -> bool:
        """Whether nothing can ever cost anything by it."""
        singles = (self.per_request, self.per_search, self.per_second)
        dear = (price for rate in self.rates.values() for _, price in ((0, rate.base), *rate.tiers))
        return not any(singles) and not any(dear)

    @property
    def is_by_the_second(self) -> bool:
        """Whether only the server's time costs anything."""
        singles = (self.per_request, self.per_search)
        return self.per_second is not None and not self.rates and singles == (None, None)

    def times(self, factor: Decimal) -> Price:
        """The same with every price multiplied."""
        return replace(
            self,
            rates={kind: rate.times(factor) for kind, rate in self.rates.items()},
            per_request=_times(self.per_request, factor),
            per_search=_times(self.per_search, factor),
            per_second=_times(self.per_second, factor),
        )

    def cost(self, usage: Usage, operation: Operation = Operation.CHAT) -> Decimal | None:
        """Dollars for one request without the server's time.

        None where that cannot be said: tokens that have a price were not counted, tokens were
        counted that have none, or the counts contradict each other.
        """
        total = self.per_request or ZERO
        if self.per_search is not None:
            if usage.searches is None and operation is Operation.RERANK:
                return None
            total += self.per_search * (usage.searches or 0)
        if not self.rates:
            return total if self._is_whole(operation) else None
        parts = _parts(self.rates, usage, operation)
        if parts is None:
            return None
        micro, long = ZERO, usage.input or 0
        for kind, tokens in parts:
            if not tokens:
                continue
            rate = self.rates.get(kind)
            if rate is None:
                return None
            micro += rate.of(long) * tokens
        return total + micro.scaleb(-6)

    def _is_whole(self, operation: Operation) -> bool:
        """Whether it says what a request costs although it has no price for tokens."""
        if self.per_request is not None or self.per_second is not None:
            return True
        return self.per_search is not None and operation is Operation.RERANK


def _times(price: Decimal | None, factor: Decimal) -> Decimal | None:
    return None if price is None else price * factor


def _parts(
    rates: Mapping[Kind, Rate], usage: Usage, operation: Operation
) -> tuple[_Part, ...] | None:
    """Each token once, as the kind that it is charged for; None where that is unknown."""
    whole = usage.input if usage.billed_input is None else usage.billed_input
    output = usage.output if usage.billed_output is None else usage.billed_output
    if output is None and operation is not Operation.CHAT:
        output = 0
    if whole is None or output is None:
        return None
    parts = (*_input(rates, usage, whole), *_output(rates, usage, output))
    return None if any(tokens < 0 for _, tokens in parts) else parts


def _input(rates: Mapping[Kind, Rate], usage: Usage, whole: int) -> Iterator[_Part]:
    """What is left of the input comes last: it is below 0 where the parts are more than the whole.

    Nobody says how much of the cached input was audio: as little as the sums allow.
    """
    hour = _priced(rates, "cache_write_1h", usage.cache_write_1h)
    written = _priced(rates, "cache_write", usage.cache_write)
    if "cache_write" in rates:
        yield "cache_write", written - hour
    written = max(written, hour)
    cached = _priced(rates, "cached_input", usage.cached_input)
    audio = _priced(rates, "audio_input", usage.audio_input)
    both = max(0, written + cached + audio - whole) if cached and audio else 0
    yield "cache_write_1h", hour
    yield "cached_input", cached - both
    yield "audio_input", audio - both
    yield ("cached_audio" if "cached_audio" in rates else "cached_input"), both
    yield "input", whole - written - cached - audio + both


def _output(rates: Mapping[Kind, Rate], usage: Usage, whole: int) -> Iterator[_Part]:
    reasoning = _priced(rates, "reasoning", usage.reasoning)
    audio = _priced(rates, "audio_output", usage.audio_output)
    yield "reasoning", reasoning
    yield "audio_output", audio
    yield "output", whole - reasoning - audio


def _priced(rates: Mapping[Kind, Rate], kind: Kind, tokens: int | None) -> int:
    """So many tokens are charged under a price of their own."""
    return (tokens or 0) if kind in rates else 0
