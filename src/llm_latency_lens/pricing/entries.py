"""Private prices: entries that say whose requests they are for, and what those cost.

An entry is a table of the keys below. The first that fits a request counts; where none fits, the
public list does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from msgspec.structs import replace

from .price import KINDS, Kind, Price, Rate

_HOUR_S = Decimal(3600)
_FITS = ("provider", "model", "base_url")
_TEXTS = (*_FITS, "like", "source")
_RATES: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "cached_audio")
_SINGLES = ("per_request", "per_search", "per_second", "per_hour")
_KEYS = (*_TEXTS, *_RATES, "above", *_SINGLES, "discount_percent")
_TIER = "input_tokens"


class EntryError(ValueError):
    """What is wrong with an entry; `key` is where."""

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Entry:
    """One private price. `provider` and `model` are patterns with * and ?, `base_url` is how an
    address begins.

    With `listed`, the list's price holds but for what `price` says: the list of whoever is asked,
    or of `like`, `PROVIDER` or `PROVIDER/MODEL`. `factor` is what is left of each price.
    """

    price: Price
    provider: str = "*"
    model: str = "*"
    base_url: str = ""
    listed: bool = False
    like: str | None = None
    factor: Decimal = Decimal(1)

    def fits(self, provider: str, models: Iterable[str], url: str) -> bool:
        """Whether a request to this provider and address, for one of these models, is meant."""
        if not fnmatchcase(provider, self.provider) or not url.startswith(self.base_url):
            return False
        ends = not self.base_url or url[len(self.base_url) :][:1] in ("", "/", ":", "?")
        return ends and any(fnmatchcase(model.lower(), self.model) for model in models)

    def over(self, found: Price | None) -> Price | None:
        """What is charged; `found` is the list's price, for an entry that builds on it."""
        if not self.listed:
            return self.price.times(self.factor)
        return found and _laid_over(self.price, found).times(self.factor)


def read_entry(table: Mapping[str, Any], source: str, number: int) -> Entry:
    """The entry of a table; numbers may be decimals, whole numbers or texts.

    `source` is what results say of the price unless the entry says it itself; with `number` it
    tells servers apart that are paid by the second. Raises EntryError.
    """
    for key in table:
        if key not in _KEYS:
            raise EntryError(_unknown(key, _KEYS), key)
    texts = {key: _text(table[key], key) for key in _TEXTS if key in table}
    if not any(key in texts for key in _FITS):
        raise EntryError("says not whose price it is: give provider, model or base_url")
    price = _price(table, texts.get("source", source), f"{source} {number}")
    bare = price == Price(source=price.source)
    if bare and "discount_percent" not in table and "like" not in texts:
        raise EntryError("has no price: give input and output, per_request, per_second or like")
    listed = bare or "like" in texts
    if price.rates and "input" not in price.rates and not listed:
        raise EntryError("has prices for tokens, but none for input")
    return Entry(
        price,
        texts.get("provider", "*").lower(),
        texts.get("model", "*").lower(),
        texts.get("base_url", "").rstrip("/"),
        listed,
        texts.get("like"),
        _factor(table.get("discount_percent", 0)),
    )


def _laid_over(own: Price, found: Price) -> Price:
    """The list's price with what an entry says in its place."""
    said = {
        name: value
        for name in ("per_request", "per_search", "per_second")
        if (value := getattr(own, name)) is not None
    }
    rates = {**found.rates, **own.rates}
    return replace(found, source=own.source, server=own.server, rates=rates, **said)


def _price(table: Mapping[str, Any], source: str, server: str) -> Price:
    single = {key: _amount(table[key], key) for key in _SINGLES if key in table}
    if "per_second" in single and "per_hour" in single:
        raise EntryError("per_second and per_hour exclude each other", "per_hour")
    if "per_hour" in single:
        single["per_second"] = single.pop("per_hour") / _HOUR_S
    return Price(
        source=source,
        rates=dict(_rates(table)),
        server=server if "per_second" in single else "",
        **single,
    )


def _rates(table: Mapping[str, Any]) -> Iterator[tuple[Kind, Rate]]:
    tiers = sorted(_tiers(table.get("above", [])), key=lambda tier: tier[0])
    for kind in _RATES:
        higher = tuple((above, prices[kind]) for above, prices in tiers if kind in prices)
        if kind in table:
            yield kind, Rate(_amount(table[kind], kind), higher)
        elif higher:
            raise EntryError(
                f"above gives {kind} a price, but the entry itself gives none", "above"
            )


def _tiers(above: Any) -> Iterator[tuple[int, dict[str, Decimal]]]:
    """`above = [{input_tokens = 200000, input = 6}]`: other prices for longer requests."""
    if not isinstance(above, list) or not all(isinstance(tier, Mapping) for tier in above):
        raise EntryError("above must be a list of tables", "above")
    for tier in above:
        begin = tier.get(_TIER)
        if not isinstance(begin, int) or isinstance(begin, bool) or begin < 0:
            raise EntryError(f"above needs {_TIER}, a whole number", "above")
        for key in tier:
            if key != _TIER and key not in _RATES:
                raise EntryError(f"above: {_unknown(key, (_TIER, *_RATES))}", "above")
        yield begin, {key: _amount(tier[key], key) for key in _RATES if key in tier}


def _unknown(key: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(key, known, n=1)
    hint = f": did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
    return f"unknown key '{key}'{hint}"


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise EntryError(f"{key} must be a text", key)
    return value.strip()


def _amount(value: Any, key: str) -> Decimal:
    found = _number(value, key)
    if found < 0:
        raise EntryError(f"{key} cannot be negative: {value}", key)
    return found


def _number(value: Any, key: str) -> Decimal:
    try:
        # A float has come through Python: its shortest text is what was meant.
        found = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite():
        told = value if isinstance(value, Decimal) else repr(value)
        raise EntryError(f"{key} must be a number of dollars, not {told}", key)
    return found


def _factor(percent: Any) -> Decimal:
    """What a discount leaves; one below 0 is a surcharge."""
    found = _number(percent, "discount_percent")
    if found > 100:
        raise EntryError("discount_percent cannot be above 100", "discount_percent")
    return (100 - found).scaleb(-2)
