"""Whether a call is measured, decided when it begins: who wants to know, and what it asks.

`everything` are those who want all calls of the process, the scope of the context those who want
what one client sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, NamedTuple

from .call import Call, Taker, harmless
from .recognise import asks, recognise
from .sites import call_site


class Scope(NamedTuple):
    """What is said of the calls of one client."""

    takers: tuple[Taker, ...] = ()
    hint: str | None = None


everything: list[Taker] = []
scope: ContextVar[tuple[Scope, ...]] = ContextVar("llm_latency_lens_scope", default=())


def is_idle() -> bool:
    """Nobody wants to know of anything just now."""
    return not everything and not scope.get()


@harmless
def begin(
    method: str,
    url: str,
    headers: Callable[[], Iterable[tuple[str, str]]],
    asked: Any,
    *,
    framed: bool,
) -> Call | None:
    """The call that begins now; None where nobody wants it or it asks no model.

    `headers` gives those of the request, of which only what they hold of keys is used, to blank
    it, and which attempt it is.
    """
    scopes = scope.get()
    takers = (*everything, *(taker for one in scopes for taker in one.takers))
    if not takers:
        return None
    hint = next((one.hint for one in reversed(scopes) if one.hint), None)
    ask = recognise(method, url, hint)
    if ask is None or not (hint or asks(ask, url, asked)):
        return None
    return Call(
        method,
        url,
        headers(),
        asked,
        framed=framed,
        hint=hint,
        site=call_site(),
        takers=tuple(dict.fromkeys(takers)),
    )
