"""Tokens to money: which price holds, what a request costs by it, what a run may cost.

Only `files` touches the disk. Prices are the public list's (`catalog`) and the user's (`entries`);
sums are decimals.
"""

from __future__ import annotations

from .book import Ask, Book, Find
from .entries import Entry
from .estimate import ASSUMED_OUTPUT, Estimate, bound, tokens_of
from .files import Prices, read_prices
from .money import CURRENCY, ZERO, dollars
from .price import KINDS, Price, Rate
from .pricer import PROVIDER, Pricer, kept_prices

__all__ = [
    "ASSUMED_OUTPUT",
    "CURRENCY",
    "KINDS",
    "PROVIDER",
    "ZERO",
    "Ask",
    "Book",
    "Entry",
    "Estimate",
    "Find",
    "Price",
    "Pricer",
    "Prices",
    "Rate",
    "bound",
    "dollars",
    "kept_prices",
    "read_prices",
    "tokens_of",
]
