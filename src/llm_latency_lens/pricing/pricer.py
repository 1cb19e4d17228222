"""From records to dollars, for one run; and the prices that were used, to be kept with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from ..record import Record, Status
from .book import Ask, Find
from .money import ZERO
from .price import Price

PROVIDER = "provider"
"""The source of a cost that the provider itself sent."""

_MINUTE_NS = 60_000_000_000
_SMALLEST = Decimal("1e-12")

_Key = tuple[str | None, str, str, str | None, str | None]
"""Arm, provider, model, the model that answered, the tier."""


class Kept(msgspec.Struct, frozen=True):
    """A price that was used, from a time on; None where none was known."""

    arm: str | None
    provider: str
    model: str
    answered: str | None
    tier: str | None
    since_minute: int
    """Minutes since the Unix epoch: no list changes a price within one."""
    price: Price | None


@dataclass(slots=True)
class _Held:
    """How long a server was held, and by how much work."""

    begin_ns: int
    end_ns: int
    work_ns: int = 0
    """The sum of the requests' own times, which overlap."""


@dataclass(slots=True)
class Pricer:
    """Says what requests cost. `find` is asked once for each minute of the run.

    `urls` is where they go, by the arm of an experiment; an arm without its own goes where None
    does.

    `by_the_second` is for prices of a server's time: then `observe` must see every record before
    `price` sees the first. The server is held from the first start to the last end, and that time
    is shared out by the requests' own times, so that the shares add up to it.
    """

    find: Find
    urls: Mapping[str | None, str]
    batch: bool = False
    by_the_second: bool = False
    _found: dict[tuple[_Key, int], Price | None] = field(default_factory=dict)
    _held: dict[str, _Held] = field(default_factory=dict)

    def price(self, record: Record) -> Record:
        """The record with what it cost and who says so."""
        record.cost_source, record.cost_usd = self.charge(record)
        price = None if record.billed_usd is not None else self._price_of(record)
        if price and price.per_second is not None and record.cost_usd is not None:
            record.cost_usd += self._share(record, price)
        return record

    def charge(self, record: Record) -> tuple[str | None, Decimal | None]:
        """(source, dollars) of a request, without a server's time.

        The provider's own bill counts before any price. A request that failed is charged for where
        its usage was reported, since nobody else knows whether it was.
        """
        if record.billed_usd is not None:
            return PROVIDER, record.billed_usd
        price = self._price_of(record)
        if price is None:
            return None, None
        if price.is_by_the_second:
            return price.source, ZERO if record.start_ns is not None else None
        counted = record.usage.output is not None or record.usage.input is not None
        if record.status is not Status.OK and not counted:
            return price.source, None
        return price.source, price.cost(record.usage, record.operation)

    def observe(self, record: Record) -> None:
        """Take note of how long a server was held for a request."""
        price = self._price_of(record)
        begin, end = record.start_ns, record.end_ns
        if price is None or price.per_second is None or begin is None or end is None:
            return
        held = self._held.setdefault(price.server, _Held(begin, end))
        held.begin_ns, held.end_ns = min(held.begin_ns, begin), max(held.end_ns, end)
        held.work_ns += end - begin

    def kept(self) -> list[dict[str, Any]]:
        """The prices that were used, for `kept_prices`; one that did not change is there once."""
        found: list[Kept] = []
        order = sorted(self._found.items(), key=lambda item: (str(item[0][0]), item[0][1]))
        for (key, minute), price in order:
            last = found[-1] if found else None
            if last and last.price == price and _key(last) == key:
                continue
            found.append(Kept(*key, minute, price))
        return [msgspec.to_builtins(one) for one in found]

    def _price_of(self, record: Record) -> Price | None:
        if record.start_unix_ns is None:
            return None
        key = (
            record.arm,
            record.provider,
            record.model,
            record.response_model,
            record.service_tier,
        )
        place = (key, record.start_unix_ns // _MINUTE_NS)
        try:
            return self._found[place]
        except KeyError:
            found = self._found[place] = self.find(self._ask(key, place[1]))
            return found

    def _ask(self, key: _Key, minute: int) -> Ask:
        arm, provider, model, answered, tier = key
        url = self.urls.get(arm, self.urls.get(None, ""))
        at = datetime.fromtimestamp(60 * minute, UTC)
        return Ask(provider, model, url, at, answered, tier, self.batch, arm)

    def _share(self, record: Record, price: Price) -> Decimal:
        """This request's part of the time for which the server is paid."""
        held, own_ns = self._held.get(price.server), record.e2e_ns
        if held is None or not own_ns or price.per_second is None:
            return ZERO
        whole = price.per_second * (held.end_ns - held.begin_ns)
        return (whole * own_ns / held.work_ns).scaleb(-9).quantize(_SMALLEST)


def kept_prices(kept: Iterable[Mapping[str, Any]], otherwise: Find) -> tuple[Find, bool]:
    """Prices as a run kept them, and whether one is by the second; `otherwise` is asked for a
    request that the run knows no price of, not even that there is none."""
    table: dict[_Key, list[Kept]] = {}
    for one in msgspec.convert(list(kept), list[Kept], strict=False):
        table.setdefault(_key(one), []).append(one)

    def find(ask: Ask) -> Price | None:
        known = table.get((ask.arm, ask.provider, ask.model, ask.answered, ask.tier))
        if known is None:
            return otherwise(ask)
        minute = int(ask.at.timestamp()) // 60
        before = [one for one in known if one.since_minute <= minute]
        return (before[-1] if before else known[0]).price

    prices = [one.price for known in table.values() for one in known]
    return find, any(price and price.per_second is not None for price in prices)


def _key(kept: Kept) -> _Key:
    return kept.arm, kept.provider, kept.model, kept.answered, kept.tier
