"""`latency-lens prices`: what things cost, and who says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import RunError, UsageError
from .options import Listing, Shape
from .world import Call, World

if TYPE_CHECKING:
    from ..pricing import Price, Rate

EXAMPLES = """\
latency-lens prices
latency-lens prices list anthropic
latency-lens prices show openai/gpt-4o-mini
latency-lens prices update"""

_Row = tuple[str, ...]


def prices(call: Call, *, listing: Listing, shape: Shape) -> int:
    """Show what models cost, by the list that comes with this program or a newer one.

    `update` fetches the list that the authors of genai-prices publish; it is used from then on,
    until a newer release of the package is installed. Without a network nothing changes.
    """
    if listing.action == "update":
        return _update(listing, shape, call.world)
    if listing.action == "show":
        return _show(listing, shape, call.world)
    return _list(listing, shape, call.world)


def _list(listing: Listing, shape: Shape, world: World) -> int:
    from ..store.prices import current_catalog

    catalog = current_catalog()
    if listing.of is None:
        known = catalog.lists()
        if shape.json:
            rows = [{"provider": name, "title": title, "models": n} for name, title, n in known]
            return _print_json({"source": catalog.source, "providers": rows}, world)
        table = [(name, title, f"{n:,}") for name, title, n in known]
        return _print_table([("PROVIDER", "NAME", "MODELS"), *table], catalog.source, world)
    found = catalog.list_of(listing.of)
    if found is None:
        raise UsageError(f"no list of prices for {listing.of}: `latency-lens prices` names them")
    models = list(catalog.models(found))
    if shape.json:
        named = [{"model": model, "title": title} for model, title in models]
        return _print_json({"source": catalog.source, "models": named}, world)
    return _print_table([("MODEL", "NAME"), *models], catalog.source, world)


def _show(listing: Listing, shape: Shape, world: World) -> int:
    from ..pricing import Ask
    from ..store.prices import open_book

    provider, slash, model = (listing.of or "").partition("/")
    if not slash or not model:
        raise UsageError("say whose prices to show: latency-lens prices show PROVIDER/MODEL")
    price = open_book(listing.prices).find_named(Ask(provider, model, "", datetime.now(UTC)))
    if price is None:
        raise UsageError(f"no price known for {listing.of}: add one with --prices FILE")
    if shape.json:
        return _print_json({"provider": provider, "model": model, **_described(price)}, world)
    return _print_table([("DOLLARS", "FOR"), *_priced(price)], price.source, world)


def _update(listing: Listing, shape: Shape, world: World) -> int:
    from ..store.prices import keep_fetched

    fetched = _fetch(listing)
    try:
        catalog = fetched.catalog()
    except ValueError as error:
        raise RunError(f"what came is no list of prices that can be read: {error}") from None
    path = keep_fetched(fetched)
    models = sum(n for _, _, n in catalog.lists())
    if shape.json:
        return _print_json({"source": catalog.source, "models": models, "file": str(path)}, world)
    world.out.write(f"{catalog.source}: {models:,} models, kept in {path}\n")
    return 0


def _fetch(listing: Listing) -> Any:
    """What was published. Raises RunError when nothing comes."""
    import httpx2
    import msgspec
    from genai_prices.update_prices import DEFAULT_UPDATE_URL

    from ..pricing.catalog import installed_version
    from ..store.prices import Fetched

    url = listing.url or DEFAULT_UPDATE_URL
    try:
        answer = httpx2.get(url, timeout=listing.timeout, follow_redirects=True)
        answer.raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise RunError(f"no prices came from {url}: {reason}; the known ones stay") from None
    return Fetched(datetime.now(UTC), installed_version(), msgspec.Raw(answer.content))


def _priced(price: Price) -> Iterator[_Row]:
    """A line for each price, in plain decimals."""
    for kind, rate in price.rates.items():
        what = f"a million tokens of {kind.replace('_', ' ')}"
        yield _plain(rate.base), what
        for above, dearer in rate.tiers:
            yield _plain(dearer), f"{what}, in requests above {above:,} of input"
    for amount, what in (
        (price.per_request, "a request"),
        (price.per_search, "a search"),
        (price.per_second, "a second of the server"),
    ):
        if amount is not None:
            yield _plain(amount), what


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _described(price: Price) -> dict[str, Any]:
    return {
        "source": price.source,
        "per_million_tokens": {kind: _rate(rate) for kind, rate in price.rates.items()},
        "per_request": price.per_request,
        "per_search": price.per_search,
        "per_second": price.per_second,
    }


def _rate(rate: Rate) -> Any:
    if not rate.tiers:
        return rate.base
    above = [{"input_tokens": tokens, "price": dearer} for tokens, dearer in rate.tiers]
    return {"base": rate.base, "above": above}


def _print_json(told: dict[str, Any], world: World) -> int:
    import msgspec

    from ..metrics.schema import encode

    world.out.write(msgspec.json.format(encode(told), indent=2).decode() + "\n")
    return 0


def _print_table(rows: list[_Row], source: str, world: World) -> int:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        world.out.write("  ".join(cells).rstrip() + "\n")
    world.out.write(f"\nBy {source}, in dollars\n")
    return 0


VERB = prices
