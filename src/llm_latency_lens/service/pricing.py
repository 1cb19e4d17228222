"""What the probes of one target cost, for weeks: today's prices, and no memory of last month's."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from ..clock import SECOND_NS
from ..pricing import ASSUMED_OUTPUT, ZERO, Ask, Book, Price, Pricer, bound, tokens_of
from ..record import Record
from ..request import Request, Target
from ..store.prices import address_of

_HOUR_NS = 3600 * SECOND_NS


class Charges:
    """Says what a target's probes cost, and what one can cost at most."""

    def __init__(self, book: Book, target: Target) -> None:
        self._book = book
        self._target = target
        place = {"base_url": target.base_url, "region": target.region, "project": target.project}
        self._url = address_of(place)
        self._hour = -1
        self._pricer = self._new_pricer()
        self.per_million: dict[str, float] = {}
        """Dollars for a million tokens, by their kind, at the time of the last probe."""

    def price(self, record: Record) -> Record:
        """The record with what it cost."""
        hour = (record.start_unix_ns or 0) // _HOUR_NS
        if hour != self._hour:  # a pricer remembers each minute of a run, and this one has no end
            self._hour, self._pricer = hour, self._new_pricer()
            price = self._price(hour * 3600)
            rates = price.rates.items() if price else ()
            self.per_million = {kind: float(rate.base) for kind, rate in rates}
        return self._pricer.price(record)

    def at_most(self, request: Request, now_unix_ns: int) -> Decimal | None:
        """The most that a request can cost; None where no price is known."""
        price = self._price(now_unix_ns // SECOND_NS)
        if price is None:
            return None if self._book.charges_at(self._url) else ZERO
        longest = request.max_tokens or ASSUMED_OUTPUT
        return bound(price, tokens_of(len(request.body)), longest, request.operation)

    def _price(self, unix_s: int) -> Price | None:
        at = datetime.fromtimestamp(unix_s, UTC)
        return self._book.find(Ask(self._target.provider, self._target.model, self._url, at))

    def _new_pricer(self) -> Pricer:
        return Pricer(self._book.find, {None: self._url}, by_the_second=self._book.is_by_the_second)


def came_to(record: Record, bound: Decimal) -> Decimal:
    """What a probe counts with in the day's sum: nothing where nobody answered it, and the most
    that it can have cost where nobody says."""
    if record.cost_usd is not None:
        return record.cost_usd
    status = record.error.http_status if record.error else None
    refused = status is not None and status >= 400 and not len(record.events)
    return ZERO if refused or record.start_ns is None else bound
