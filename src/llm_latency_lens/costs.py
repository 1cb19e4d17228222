"""What a run may cost, before it is sent and while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .engine.budget import Budget
from .engine.load import Load, max_cost, most_requests
from .errors import UsageError
from .metrics.cost import GUIDE
from .pricing import ASSUMED_OUTPUT, ZERO, Ask, Book, Estimate, Price, Pricer, bound, tokens_of
from .providers import decode
from .record import Record
from .request import Operation, Prompt, Request
from .store.prices import address_of
from .store.understand import CountTokens, counted
from .timeline import Timeline


def price_of(book: Book, config: Mapping[str, Any], at: datetime) -> Price | None:
    """The price of the requests that a run's settings describe, as far as it is known before."""
    tier = (config.get("extra_body") or {}).get("service_tier")
    return book.find(
        Ask(
            config["provider"],
            config["model"],
            address_of(config),
            at,
            tier=tier if isinstance(tier, str) else None,
            batch=bool(config.get("batch_prices")),
        )
    )


def estimate(
    price: Price,
    prompts: Sequence[Prompt],
    load: Load,
    config: Mapping[str, Any],
    count: CountTokens | None = None,
) -> Estimate | None:
    """The most that a run can cost; None where the price does not cover its requests.

    Tokens of prompts are counted by `count`, else a quarter of their characters.
    """
    operation = Operation(config["operation"])
    sizes = [(_size(prompt, count), _limit(prompt, config)) for prompt in prompts]
    costs = [bound(price, size, limit or ASSUMED_OUTPUT, operation) for size, limit in sizes]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return None
    chat = operation is Operation.CHAT
    return Estimate(
        price=price,
        requests=most_requests(load),
        input_tokens=-(-sum(size for size, _ in sizes) // len(sizes)),
        output_tokens=max(limit or ASSUMED_OUTPUT for _, limit in sizes) if chat else 0,
        assumed=chat and any(limit is None for _, limit in sizes),
        per_request=sum(known, ZERO) / len(known),
        duration_s=load.get("duration_s"),
    )


def budget_of(
    load: Load,
    price: Price | None,
    pricer: Pricer,
    config: Mapping[str, Any],
    count: CountTokens | None = None,
) -> Budget | None:
    """What holds the run to its `max_cost`. Raises UsageError where no price is known."""
    limit = max_cost(load)
    if limit is None:
        return None
    return _budget(limit, {None: _needed(price, config)}, pricer, count)


def budget_of_arms(
    load: Load,
    book: Book,
    pricer: Pricer,
    config: Mapping[str, Any],
    count: CountTokens | None = None,
) -> Budget | None:
    """The same for an experiment: each of the `arms` in `config` has a price of its own."""
    limit = max_cost(load)
    if limit is None:
        return None
    now = datetime.now(UTC)
    arms = {arm: {**config, **own} for arm, own in config["arms"].items()}
    prices = {arm: _needed(price_of(book, own, now), own) for arm, own in arms.items()}
    return _budget(limit, prices, pricer, count)


def _needed(price: Price | None, config: Mapping[str, Any]) -> Price:
    if price is None or _most(price, Operation(config["operation"]), b"", None) is None:
        raise UsageError(
            f"no price known for {config['provider']}/{config['model']}, and without one --max-cost"
            f" cannot be held: add one with --prices FILE ({GUIDE})"
        )
    return price


def _budget(
    limit: Decimal,
    prices: Mapping[str | None, Price],
    pricer: Pricer,
    count: CountTokens | None,
) -> Budget:
    """`prices` are by arm; servers that are paid by the second are all held at once."""

    def at_most(request: Request) -> Decimal:
        price = prices[request.arm if request.arm in prices else None]
        return _most(price, request.operation, request.body, request.max_tokens) or ZERO

    def cost(timeline: Timeline) -> Decimal | None:
        record = counted(decode(timeline), count)
        return ZERO if _is_refused(record) else pricer.charge(record)[1]

    seconds = [price.per_second for price in prices.values() if price.per_second is not None]
    return Budget(limit, at_most, cost, sum(seconds, ZERO) if seconds else None)


def _is_refused(record: Record) -> bool:
    """It reached nobody, or nobody answered it: a run is not ended for what nobody charges."""
    status = record.error.http_status if record.error else None
    refused = status is not None and status >= 400 and not len(record.events)
    return refused or record.start_ns is None


def _most(
    price: Price, operation: Operation, body: bytes, max_tokens: int | None
) -> Decimal | None:
    return bound(price, tokens_of(len(body)), max_tokens or ASSUMED_OUTPUT, operation)


def _size(prompt: Prompt, count: CountTokens | None) -> int:
    parts = (prompt.text, *prompt.documents)
    return sum(map(count, parts)) if count else tokens_of(sum(map(len, parts)))


def _limit(prompt: Prompt, config: Mapping[str, Any]) -> int | None:
    own = prompt.max_tokens
    limit: int | None = config.get("max_tokens") if own is None else own
    return limit
