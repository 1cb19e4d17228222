"""The blueprint of one call: what is asked (`Target`, `Prompt`), what is sent (`Request`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Message = Mapping[str, Any]
"""One chat message as the provider's API has it, e.g. ``{"role": "user", "content": "Hi"}``."""


class Operation(StrEnum):
    """What is asked for, by the names of OpenTelemetry's `gen_ai.operation.name` where it has one.

    Embeddings and rerank answer in one piece: they have no tokens to wait for, only an end.
    """

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"


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
    `documents` are what a rerank puts in order, with the messages as its query, or the texts that
    one request embeds, where these are more than one.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    tag: str | None = None
    documents: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Prompt:
        """A single user message."""
        return cls(({"role": "user", "content": text},))

    @property
    def text(self) -> str:
        """The text of all messages, a line break between two: what is embedded, or the query."""
        return "\n".join(filter(None, map(_text, self.messages)))


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask and how: everything about a call that does not change from prompt to prompt.

    `region`, `project` and `api_version` are for the clouds that put them into the address.
    """

    provider: str
    model: str
    base_url: str
    api_key: Secret | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    operation: Operation = Operation.CHAT
    region: str | None = None
    project: str | None = None
    api_version: str | None = None


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
    operation: Operation = Operation.CHAT
    arm: str | None = None
    """Which arm of an experiment this request belongs to."""


Authorize = Callable[[Request], Request]
"""Adds what proves who asks, where that is more than a key in a header: a token that is renewed, a
signature. Called just before a request is sent; must not wait for anything."""


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text", "") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str) and part)
    return content if isinstance(content, str) else ""
