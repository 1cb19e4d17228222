"""Whether a call is measured, decided when it begins: who wants to know, and what it asks.

`everything` are those who want all calls of the process, the scope of the context those who want
what one client sends, `claimers` those who say only then whether a call is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

from .call import Call, Taker, harmless
from .recognise import asks, recognise
from .sites import call_site


class Claimer(Protocol):
    """Who is asked of each call that begins."""

    def claim(self) -> Taker | None: ...


class Scope(NamedTuple):
    """What is said of the calls of one client."""

    takers: tuple[Taker, ...] = ()
    hint: str | None = None


everything: list[Taker] = []
claimers: WeakSet[Claimer] = WeakSet()
under_way: WeakSet[Call] = WeakSet()
"""Calls that have not ended; one that its program forgot is none."""
on_quiet: list[Callable[[], object]] = []
"""Told when none is under way any more."""
scope: ContextVar[tuple[Scope, ...]] = ContextVar("llm_latency_lens_scope", default=())


def is_idle() -> bool:
    """Nobody wants to know of anything just now."""
    return not everything and not claimers and not scope.get()


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
    if not takers and not claimers:
        return None
    hint = next((one.hint for one in reversed(scopes) if one.hint), None)
    ask = recognise(method, url, hint)
    if ask is None or not (hint or asks(ask, url, asked)):
        return None
    takers = (*takers, *(taker for claimer in list(claimers) if (taker := claimer.claim())))
    if not takers:
        return None
    call = Call(
        method,
        url,
        headers(),
        asked,
        framed=framed,
        hint=hint,
        site=call_site(),
        takers=(*dict.fromkeys(takers), _ended),
    )
    under_way.add(call)
    return call


def _ended(call: Call) -> None:
    under_way.discard(call)
    if not under_way:
        for tell in on_quiet:
            tell()
