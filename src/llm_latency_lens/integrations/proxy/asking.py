"""Which requests are calls to a model, and by whose decoder they are read."""

from __future__ import annotations

from ...providers import PROVIDERS, compatible
from ..sdk.recognise import recognise

_GENERIC = ("openai", "vllm")
"""What a path of OpenAI's format is taken for where the host tells nothing."""
_LIKE_OPENAI = frozenset(row.name for row in compatible.ROWS)


def hint_for(method: str, url: str, provider: str | None) -> tuple[bool, str | None]:
    """Whether a model is asked, and the provider that decides how the answer is read, where that is
    not the address.

    `provider` is the user's word for the whole server. It stands for paths that nobody knows, and
    for OpenAI's format where it is a server of that; a path of another format keeps its own.
    """
    ask = recognise(method, url)
    if ask is None:
        return method == "POST" and provider is not None, provider
    speaks = provider in _LIKE_OPENAI or provider not in PROVIDERS
    fits = provider is not None and ask.provider in _GENERIC and speaks
    return True, provider if fits else None
