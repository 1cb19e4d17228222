"""Which price holds for a request: the user's own, else the public list's, else none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import structs

from ..errors import UsageError
from .catalog import Catalog, Wanted, is_public, names, routed
from .entries import Entry
from .price import Price

GUIDE = "docs/how-to/cost.md"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a price depends on.

    `url` is where the request goes, empty where it does not go to an address of the network.
    `answered` is the model's name in the answer, `tier` the service tier that answered, `arm` the
    arm of an experiment, by which only a run's kept prices are told apart.
    """

    provider: str
    model: str
    url: str
    at: datetime
    answered: str | None = None
    tier: str | None = None
    batch: bool = False
    arm: str | None = None


Find = Callable[[Ask], Price | None]


@dataclass(frozen=True, slots=True)
class Book:
    """The user's entries over the public list, which is loaded when it is needed."""

    catalog: Callable[[], Catalog]
    entries: tuple[Entry, ...] = ()

    def find(self, ask: Ask) -> Price | None:
        """The price of a request; None where none is known."""
        models = (ask.model, *((ask.answered,) if ask.answered else ()))
        for entry in self.entries:
            if entry.fits(ask.provider, models, ask.url):
                return entry.over(self._like(ask, entry.like) if entry.listed else None)
        return self._listed(ask)

    def find_named(self, ask: Ask) -> Price | None:
        """The price of a provider's model wherever that provider usually is."""
        name = ask.provider
        for entry in self.entries:
            if entry.fits(name, (ask.model,), ask.url):
                return entry.over(self._like(ask, entry.like or name) if entry.listed else None)
        return self._like(ask, name)

    def check(self) -> None:
        """Raise UsageError for an entry that builds on a list that there is not."""
        for entry in self.entries:
            name = (entry.like or "").partition("/")[0]
            if name and self.catalog().list_of(name) is None:
                raise UsageError(f"prices: like = '{entry.like}' names no known list of prices")

    def charges_at(self, url: str) -> bool:
        """Whether what is sent there may well cost money."""
        return bool(self.entries) or is_public(url)

    @property
    def is_by_the_second(self) -> bool:
        """Whether a price in it depends on how long a server is held."""
        return any(entry.price.per_second is not None for entry in self.entries)

    def _listed(self, ask: Ask) -> Price | None:
        """By the list of whoever is at the address, else of whom the provider's name means.

        What is priced by the name alone says so in its source: a gateway may charge otherwise, and
        a server of one's own nothing.
        """
        if is_public(ask.url):
            if found := routed(ask.url, ask.model):
                name, model = found
                return self._look_up(name, replace(ask, model=model))
            if at := self.catalog().list_at(ask.url):
                return self._look_up(at, ask)
        price = self._like(ask, ask.provider)
        if price is None:
            return None
        return structs.replace(price, source=f"{price.source}, as at {ask.provider}")

    def _like(self, ask: Ask, like: str | None) -> Price | None:
        """The price of an entry that says whose list holds, whatever the address."""
        if like is None:
            return self._listed(ask)
        provider, _, model = like.partition("/")
        name = self.catalog().list_of(provider)
        if name is None:
            return None
        return self._look_up(name, replace(ask, model=model, answered=None) if model else ask)

    def _look_up(self, list_name: str, ask: Ask) -> Price | None:
        models = names(list_name, ask.model, ask.answered)
        return self.catalog().price(Wanted(list_name, models, ask.at, ask.tier, ask.batch))
