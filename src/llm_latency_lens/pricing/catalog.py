"""The public price list: what `genai-prices` knows, asked by address, model and time.

That package finds the model behind a name, the price of a date or an hour, and the variant of a
tier or of batch processing; here its answer becomes a `Price`. It loads when it is first asked: it
takes 0.12 s of CPU and 30 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .money import ZERO
from .price import Kind, Price, Rate

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_LISTS = {
    "openai-responses": "openai",
    "gemini": "google",
    "vertex": "google",
    "bedrock": "aws",
    "bedrock-invoke": "aws",
    "xai": "x-ai",
}
"""Our names of providers that have a list under another name."""
_HOSTS = {"api.together.ai": "together"}
"""Hosts that the package does not know (togethercomputer/openapi, openapi.yaml, since 2026-04)."""
_ROUTER = "router.huggingface.co"
_ASKED_FIRST = frozenset({"aws", "openrouter"})
"""Lists that tell apart by what was asked: a region's prefix, a route; answers leave that out."""
_STANDARD = frozenset({"auto", "default", "standard", "on_demand", "on-demand", "ondemand"})
_SAME_PRICE = frozenset({("groq", "flex")})  # console.groq.com/docs/flex-processing
_KINDS: Mapping[str, Kind] = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "cached_audio",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "audio_output",
}
_SEARCHES = ("web_searches_kcount", "rerank_searches_kcount")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose price, and under which conditions.

    `list_name` is one of the package's providers, `models` are names to look up, the best first.
    """

    list_name: str
    models: tuple[str, ...]
    at: datetime
    tier: str | None = None
    batch: bool = False


class Catalog:
    """Prices of all the providers that the package knows. `source` says which edition it is."""

    def __init__(self, providers: list[Provider], source: str) -> None:
        from genai_prices.data_snapshot import DataSnapshot

        self.source = source
        self._snapshot: DataSnapshot = DataSnapshot(providers, from_auto_update=False)

    def price(self, wanted: Wanted) -> Price | None:
        """The first of the models that is known; None where none is, or not for these conditions.

        A model whose list has no price is not for nothing, unless its name ends in `:free`.
        """
        for name in wanted.models:
            try:
                found = self._snapshot.find_provider_model(name, None, wanted.list_name, None)
            except LookupError:
                continue
            return _price(*found, name, wanted, self.source)
        return None

    def list_of(self, name: str) -> str | None:
        """The list that a provider's name means, in this program's words or the package's own."""
        wanted = _LISTS.get(name, name)
        return wanted if any(one.id == wanted for one in self._snapshot.providers) else None

    def list_at(self, url: str) -> str | None:
        """The list of whoever is at that address; None for a server that nobody knows."""
        if host := _HOSTS.get(urlsplit(url).hostname or ""):
            return host
        try:
            return self._snapshot.find_provider(None, None, url).id
        except LookupError:
            return None

    def models(self, list_name: str) -> Iterator[tuple[str, str]]:
        """(id, name) of each model of a list."""
        for provider in self._snapshot.providers:
            if provider.id == list_name:
                yield from ((model.id, model.name or "") for model in provider.models)

    def lists(self) -> list[tuple[str, str, int]]:
        """(id, name, models) of each provider."""
        return [(one.id, one.name, len(one.models)) for one in self._snapshot.providers]


def is_public(url: str) -> bool:
    """Whether a price list could be for that address: no number, no machine of one's own."""
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal"))
    return False


def names(list_name: str, asked: str, answered: str | None) -> tuple[str, ...]:
    """Under which names to look a model up, the best first.

    What answered is the better name of an alias, and the only one of a deployment. A resource's
    name (ARN, `models/...`) counts by its last part.
    """
    order = (asked, answered) if list_name in _ASKED_FIRST else (answered, asked)
    return tuple(dict.fromkeys(name for one in order if one for name in _short(one)))


def routed(url: str, model: str) -> tuple[str, str] | None:
    """(list, model) of a request to Hugging Face's router, which says whom it asks in the model's
    name (`openai/gpt-oss-120b:groq`); None elsewhere, and where it is left to choose."""
    name, colon, whom = model.rpartition(":")
    if urlsplit(url).hostname != _ROUTER or not colon:
        return None
    return f"huggingface_{whom}", name


@cache
def bundled() -> Catalog:
    """The prices that are installed with this program."""
    import genai_prices
    from genai_prices.data import providers

    return Catalog(providers, f"genai-prices {genai_prices.__version__}")


def installed_version() -> str:
    """The version of the installed prices."""
    import genai_prices

    return genai_prices.__version__


def read_published(data: bytes, source: str) -> Catalog:
    """The prices of the JSON document that the package's authors publish.

    Raises ValueError for anything else, also for one that only a newer package can read.
    """
    from genai_prices.types import Provider
    from pydantic import ConfigDict, TypeAdapter

    raw = json.loads(data, parse_float=Decimal)
    if not isinstance(raw, list) or not raw:
        raise ValueError("not a list of providers")
    config = ConfigDict(arbitrary_types_allowed=True)
    try:
        for provider in raw:
            for model in provider["models"]:
                _type_prices(model)
        providers = TypeAdapter(list[Provider], config=config).validate_python(raw)
    except (KeyError, TypeError, ArithmeticError, ValueError) as error:
        raise ValueError(f"not the prices that genai-prices publishes: {error!r}") from None
    return Catalog(providers, source)


def _type_prices(model: dict[str, Any]) -> None:
    """Turn the tables of prices of a model into what the package takes them as."""
    whole = isinstance(model["prices"], dict)
    if whole:
        model["prices"] = _model_price(model["prices"])
    conditional = () if whole else model["prices"]
    for entry in (*conditional, *(model.get("price_variants") or ())):
        entry["prices"] = _model_price(entry["prices"])


def _model_price(table: Mapping[str, Any]) -> ModelPrice:
    from genai_prices.types import ModelPrice, Tier, TieredPrices

    def one(value: Any) -> Decimal | TieredPrices:
        if isinstance(value, dict):
            tiers = [Tier(int(tier["start"]), Decimal(tier["price"])) for tier in value["tiers"]]
            return TieredPrices(Decimal(value["base"]), tiers)
        return Decimal(value)

    return ModelPrice(**{key: one(value) for key, value in table.items() if value is not None})


def _price(
    provider: Provider, model: ModelInfo, name: str, wanted: Wanted, source: str
) -> Price | None:
    context = _context(provider.id, wanted)
    own = any(model is one for one in provider.models)
    if context and not (own and _has_variant(model, context, wanted.at)):
        return None
    return _as_price(model.get_prices(wanted.at, context or None), name, source)


def _context(list_name: str, wanted: Wanted) -> dict[str, str]:
    """What the package calls the conditions of a request; nothing for the usual ones."""
    context = {}
    tier = (wanted.tier or "").lower()
    if wanted.batch or tier == "batch":
        context["processing"] = "batch"
    elif tier and tier not in _STANDARD and (list_name, tier) not in _SAME_PRICE:
        # Anthropic's fast mode is a speed, everybody else's is a tier.
        context["speed" if list_name == "anthropic" else "service_tier"] = tier
    return context


def _has_variant(model: ModelInfo, context: Mapping[str, str], at: datetime) -> bool:
    """Whether the list has prices for these conditions: else the package gives the usual ones."""
    return any(
        variant.when.items() <= context.items()
        and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def _as_price(found: ModelPrice, name: str, source: str) -> Price | None:
    listed = {key: value for key, value in found.__dict__.items() if value is not None}
    if not listed:
        return _free(source) if name.endswith(":free") else None
    per_search = next((listed[key] for key in _SEARCHES if key in listed), None)
    price = Price(
        source=source,
        rates={kind: _rate(listed[key]) for key, kind in _KINDS.items() if key in listed},
        per_request=_thousandth(listed.get("requests_kcount")),
        per_search=_thousandth(per_search),
    )
    return None if price == Price(source=source) else price


def _free(source: str) -> Price:
    return Price(source=source, rates={"input": Rate(ZERO), "output": Rate(ZERO)})


def _rate(listed: Any) -> Rate:
    """Dollars for a million tokens, with or without tiers."""
    if isinstance(listed, Decimal):
        return Rate(listed)
    return Rate(listed.base, tuple((tier.start, tier.price) for tier in listed.tiers))


def _thousandth(listed: Any) -> Decimal | None:
    return None if listed is None else _rate(listed).base.scaleb(-3)


def _short(name: str) -> Iterable[str]:
    named = name.startswith(("arn:", "models/", "publishers/", "projects/"))
    return (name.rpartition("/")[2],) if named else (name,)
