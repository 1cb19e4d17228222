"""The blueprint of one call: what is asked (`Target`, `Prompt`), what is sent (`Request`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]
"""One chat message as the provider's API has it, e.g. ``{"role": "user", "content": "Hi"}``."""


class Secret:
    """A string that does not print: `reveal()` is the only way to its text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret('')"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Secret is not pickled: keys do not leave the process")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one request says: the conversation, and how many tokens may come back.

    `max_tokens` overrides the target's for this prompt alone; `tag` names the prompt in results.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    tag: str | None = None

    @classmethod
    def of(cls, text: str) -> Prompt:
        """A single user message."""
        return cls(({"role": "user", "content": text},))


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask and how: everything about a call that does not change from prompt to prompt."""

    provider: str
    model: str
    base_url: str
    api_key: Secret | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be sent.

    `url` is absolute. `headers` hold secrets and therefore never print; the transport adds
    `host`, `content-length`, `accept-encoding: identity` and `x-client-request-id` (the timeline's
    id, so that a server's log can be joined to the run) and nothing else.
    """

    provider: str
    model: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"
    stream: bool = True
    max_tokens: int | None = None
    tag: str | None = None
