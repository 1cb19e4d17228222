"""One API to speak to, as a row of the table of providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..errors import UsageError
from ..record import Decoder
from ..request import Operation, Prompt, Request, Target

Build = Callable[[Target, Prompt], Request]
Auth = Literal["key", "entra", "google", "aws"]
"""How one proves who asks: by a key alone, or, where no key is given, as that cloud has it."""


class Dialect(NamedTuple):
    """How one operation is asked for, and how its answer is read."""

    build: Build
    decode: Decoder


@dataclass(frozen=True, slots=True)
class Provider:
    """One API to speak to: where it is, how it is asked, how its answers are read.

    `build` and `decode` are those of chat, `also` those of other operations. `base_url` may hold
    `{region}` and `{project}`, which `build` fills in. Fields that end in `_env` are environment
    variables that its own SDK reads; the first that is set counts. `reports` are words for what
    its answers tell beside the text: `usage`, `cached` (input tokens from a cache), `reasoning`
    (tokens of it), `timings` (its own times), `cost` (what it charged).
    """

    name: str
    title: str
    base_url: str
    build: Build
    decode: Decoder
    key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    needs_key: bool = False
    small_model: str | None = None
    """A model of little cost, for a question whose answer does not matter."""
    reports: tuple[str, ...] = ("usage",)
    notes: str = ""
    also: Mapping[Operation, Dialect] = field(default_factory=dict)
    auth: Auth = "key"
    region_env: tuple[str, ...] = ()
    project_env: tuple[str, ...] = ()
    api_version_env: tuple[str, ...] = ()
    headers_env: tuple[tuple[str, str], ...] = ()
    """Headers that its own SDK sends, each with the variable in which it finds the value."""
    region: str | None = None
    """Where nothing else names one."""

    def dialect(self, operation: Operation) -> Dialect:
        """How this operation is asked for and read; UsageError where the provider lacks it."""
        if operation is Operation.CHAT:
            return Dialect(self.build, self.decode)
        if found := self.also.get(operation):
            return found
        offered = ", ".join([Operation.CHAT, *self.also])
        raise UsageError(f"{self.name} has no {operation} here: it has {offered}")
