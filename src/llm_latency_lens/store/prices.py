"""Prices on the disk: the list that was fetched, and the prices that a run was reckoned with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from ..errors import StoreError
from ..metrics.context import Context
from ..pricing import Book, Pricer, Prices, kept_prices, read_prices
from ..pricing.catalog import Catalog, bundled, installed_version, read_published
from .runs import Run, home, write, write_private

_FETCHED = "genai-prices.json"

_log = logging.getLogger(__name__)


class Fetched(msgspec.Struct, frozen=True):
    """A list as it was published on a day, and the version of the package that was installed."""

    fetched_at: datetime
    package: str
    prices: msgspec.Raw

    def catalog(self) -> Catalog:
        """Raises ValueError for what this version of the package cannot read."""
        source = f"genai-prices of {self.fetched_at:%Y-%m-%d}"
        return read_published(bytes(self.prices), source)


def open_book(prices: Prices | None = None) -> Book:
    """The user's prices over the public ones. Raises UsageError for a mistake in them."""
    book = Book(current_catalog, read_prices(prices) if prices is not None else ())
    book.check()
    return book


def current_catalog() -> Catalog:
    """The public list: the one that was fetched, else the one that is installed.

    A newer release of the package replaces what was fetched with the older one. Raises StoreError
    for a file that cannot be read.
    """
    path = fetched_path()
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return bundled()
    return _read(path, stamp) or bundled()


def fetched_path() -> Path:
    """Where a list is kept that was fetched."""
    return home() / _FETCHED


def keep_fetched(fetched: Fetched) -> Path:
    """Keep a list, whole or not at all. Raises StoreError."""
    path = fetched_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}") from None
    write_private(path, msgspec.json.encode(fetched))
    return path


@cache
def _read(path: Path, _stamp: int) -> Catalog | None:
    """None where the package is another than when this was fetched."""
    try:
        fetched = msgspec.json.decode(path.read_bytes(), type=Fetched)
        return fetched.catalog() if fetched.package == installed_version() else None
    except (OSError, ValueError) as error:  # msgspec's own are ValueErrors too
        hint = "`latency-lens prices update` writes it anew"
        raise StoreError(f"{path}: {error} ({hint})") from None


def pricer_of(context: Context, book: Book, *, anew: bool = False) -> Pricer:
    """What says the costs of a run: by the prices that were kept with it, or `anew` by the book."""
    config = context.config
    batch = bool(config.get("batch_prices"))
    if context.prices is None or anew:
        return Pricer(book.find, _addresses(config), batch, book.is_by_the_second)
    find, by_the_second = kept_prices(context.prices, book.find)
    return Pricer(find, _addresses(config), batch, by_the_second)


def _addresses(config: Mapping[str, Any]) -> dict[str | None, str]:
    """By arm: an experiment's `arms` say what each has in place of what all have."""
    found: dict[str | None, str] = {None: address_of(config)}
    for arm, own in (config.get("arms") or {}).items():
        found[arm] = address_of({**config, **own})
    return found


def address_of(config: Mapping[str, Any]) -> str:
    """Where the requests of a run went, as far as a price depends on it.

    A socket file leads to whoever listens there, whatever the address says.
    """
    if config.get("unix_socket"):
        return ""
    url = str(config.get("base_url") or "")
    for name in ("region", "project"):
        url = url.replace(f"{{{name}}}", str(config.get(name) or name))
    return url


def keep_prices(run: Run, pricer: Pricer) -> None:
    """Keep the prices with the run, so that it costs the same whenever it is read."""
    run.file.context.prices = pricer.kept()
    try:
        write(run.path, run.file)
    except StoreError as error:
        _log.warning("%s: the run will be priced anew when it is read", error)
