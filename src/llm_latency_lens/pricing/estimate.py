"""What a request can cost at most, before anybody knows what it will."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from ..record import Usage
from ..request import Operation
from .money import ZERO, dollars
from .price import Price

ASSUMED_OUTPUT = 1000
"""Tokens of an answer where nobody limits them."""
_BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run can cost at most. `requests` is None where only time ends the run.

    `input_tokens` are a request's on average, `output_tokens` the most that may come back, and
    `assumed` whether that is only assumed; `per_request` is without the server's time.
    """

    price: Price
    requests: int | None
    input_tokens: int
    output_tokens: int
    assumed: bool
    per_request: Decimal
    duration_s: float | None = None

    @property
    def total(self) -> Decimal | None:
        """Dollars in all; None where the number of requests or the time is not known before."""
        if self.price.is_by_the_second:
            tokens: Decimal | None = ZERO
        else:
            tokens = None if self.requests is None else self.requests * self.per_request
        second = self.price.per_second
        if second is None or tokens is None:
            return tokens
        return None if self.duration_s is None else tokens + second * Decimal(str(self.duration_s))

    @property
    def words(self) -> str:
        """The estimate as one line for a person."""
        price = self.price
        parts = []
        if price.rates:
            limit = f"{self.output_tokens:,} out"
            limit = f"{limit} (assumed: --max-tokens limits it)" if self.assumed else limit
            parts.append(f"about {self.input_tokens:,} tokens in and up to {limit} a request")
        if price.per_second is not None:
            parts.append(f"{dollars(price.per_second * 3600)} an hour of the server")
        told = "; ".join([*parts, f"by {price.source}"])
        if (total := self.total) is not None:
            many = "" if self.requests is None else f" for {self.requests:,} requests"
            return f"This run will cost up to about {dollars(total)}{many}: {told}"
        if price.is_by_the_second:
            return f"This run will cost as much as its time: {told}"
        return f"Each request will cost up to about {dollars(self.per_request)}: {told}"


def tokens_of(size: int) -> int:
    """About how many tokens so many characters or bytes of a prompt are."""
    return -(-size // _BYTES_A_TOKEN)


def bound(
    price: Price, input_tokens: int, output_tokens: int, operation: Operation = Operation.CHAT
) -> Decimal | None:
    """The most that a request of these sizes costs, all of its input written to a cache, all of its
    output thought; None where the price does not cover such a request."""
    if operation is not Operation.CHAT:
        output_tokens = 0
    searches = 1 if operation is Operation.RERANK else None
    usage = Usage(input_tokens, output_tokens, searches=searches)
    usages = (
        usage,
        replace(usage, cache_write=input_tokens),
        replace(usage, reasoning=output_tokens),
    )
    costs = (price.cost(one, operation) for one in usages)
    return max((cost for cost in costs if cost is not None), default=None)
