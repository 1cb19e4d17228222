"""Wire formats: a request out, bytes in, a record back. All of it is pure.

`PROVIDERS` is the table of those that are known; each format's rows stand in its own file. Another
package can add one by an entry point in the group `llm_latency_lens.providers`, named like the
provider and leading to a `Provider`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from ..errors import UsageError
from ..record import Record
from ..timeline import Timeline
from . import (
    anthropic_messages,
    azure,
    bedrock_converse,
    bedrock_invoke,
    cohere_chat,
    compatible,
    google_gemini,
    llamacpp_completion,
    ollama_chat,
    openai_responses,
)
from .provider import Auth, Build, Dialect, Provider

__all__ = [
    "ENTRY_POINTS",
    "PROVIDERS",
    "Auth",
    "Build",
    "Dialect",
    "Provider",
    "decode",
    "get",
    "names",
]

ENTRY_POINTS = "llm_latency_lens.providers"

_ROWS = (
    *compatible.ROWS,
    *openai_responses.ROWS,
    *azure.ROWS,
    *anthropic_messages.ROWS,
    *google_gemini.ROWS,
    *bedrock_converse.ROWS,
    *bedrock_invoke.ROWS,
    *cohere_chat.ROWS,
    *ollama_chat.ROWS,
    *llamacpp_completion.ROWS,
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.name: row for row in _ROWS})


def names() -> list[str]:
    """The names of all providers: the table's, then those of installed packages."""
    from importlib.metadata import entry_points

    added = entry_points(group=ENTRY_POINTS).names
    return [*PROVIDERS, *sorted(added - PROVIDERS.keys())]


@lru_cache(maxsize=64)
def get(name: str) -> Provider:
    """The provider of that name: built in, or from an installed package.

    Raises UsageError that names the close matches and lists all.
    """
    if found := PROVIDERS.get(name):
        return found
    from importlib.metadata import entry_points

    added = entry_points(group=ENTRY_POINTS)
    for point in added:
        if point.name == name:
            return _load(name, point.load)
    from difflib import get_close_matches

    known = sorted({*PROVIDERS, *added.names})
    close = get_close_matches(name.lower(), known)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(f"no provider named '{name}': {hint}known are {', '.join(known)}")


def _load(name: str, load: Callable[[], object]) -> Provider:
    try:
        provider = load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"provider '{name}' cannot be loaded: {error}") from error
    if not isinstance(provider, Provider):
        raise UsageError(f"provider '{name}': its entry point does not lead to a Provider")
    return provider


def decode(timeline: Timeline) -> Record:
    """Understand a captured request by the decoder of the provider that it was sent to."""
    return get(timeline.provider).dialect(timeline.operation).decode(timeline)
