"""Whether a target can be asked as it is configured: looked at before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

from .. import providers
from ..errors import UsageError
from ..metrics.cost import GUIDE
from ..pricing import Book
from ..transport import HttpTransport, Network
from .config import TargetConfig
from .keys import Key
from .pricing import Charges
from .probing import network_of, target_of


def check_target(
    config: TargetConfig, environ: Mapping[str, str], book: Book | None, *, held: bool
) -> None:
    """Raise UsageError for an address that is none, a key or a file that is missing, and a limit of
    costs (`held`: one for all targets) where no price is known."""
    if config.base_url is not None:
        parts = urlsplit(config.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("base_url must begin with http:// or https:// and a host")
    target = target_of(config, Key(config, environ).now(), environ)
    providers.get(config.provider).dialect(target.operation)
    request = providers.get(config.provider).build(target, config.prompts[0])
    _transport(network_of(config)).check(request.url)
    if config.aws_profile and target.api_key:
        raise UsageError("aws_profile is for a provider at AWS, asked without an API key")
    if book and (held or config.max_cost_usd_per_day is not None):
        now_ns = round(datetime.now(UTC).timestamp() * 1e9)
        if Charges(book, target).at_most(request, now_ns) is None:
            raise UsageError(
                f"no price known for {config.provider}/{config.model}, and without one"
                f" max_cost_usd_per_day cannot be held: add one with prices ({GUIDE})"
            )


@lru_cache(maxsize=8)
def _transport(network: Network) -> HttpTransport:
    """One for all targets that go the same way: certificates take milliseconds to load."""
    return HttpTransport(network)
