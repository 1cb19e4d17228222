"""Whatever sends requests inside a client: found by its type, wherever the client holds it.

SDKs differ in where they keep their HTTP client, and each version may move it. So the objects that
a client refers to are searched, a few steps deep, for the types that are known to send.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator
from typing import Any
from weakref import ref

from ...errors import UsageError
from .begin import Scope, scope

_SENDERS = {
    ("httpx", "Client"): "send",
    ("httpx", "AsyncClient"): "send",
    ("httpx2", "Client"): "send",
    ("httpx2", "AsyncClient"): "send",
    ("aiohttp", "ClientSession"): "_request",
    ("requests", "Session"): "send",
    ("urllib3", "PoolManager"): "urlopen",
    ("botocore", "URLLib3Session"): "send",
    # Its aiohttp session is made at the first asynchronous call, one for each event loop.
    ("google", "BaseApiClient"): "_async_request_once",
}
"""By the package and the name of a class: the method through which all goes."""

_SCOPES, _BEFORE = "_latency_lens_scopes", "_latency_lens_before"
_DEEPEST = 6
_MOST = 5_000
_LEAVES = (str, bytes, int, float, complex, bool, type(None), type)


class Sender:
    """Something that sends requests, and the method of it through which all of them go."""

    __slots__ = ("_name", "_owner")

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = ref(owner)
        self._name = name

    def enter(self, about: Scope) -> None:
        """Have all that it sends be in this scope too."""
        if (owner := self._owner()) is not None:
            within = vars(owner).get(self._name)
            if not hasattr(within, _SCOPES):
                within = _scoped(getattr(owner, self._name), within)
                vars(owner)[self._name] = within
            getattr(within, _SCOPES).append(about)

    def leave(self, about: Scope) -> None:
        """Take the scope away again; what was its own method is that again after the last."""
        if (owner := self._owner()) is None:
            return
        within = vars(owner).get(self._name)
        scopes = getattr(within, _SCOPES, [])
        if about in scopes:
            scopes.remove(about)
        if within is not None and hasattr(within, _SCOPES) and not scopes:
            del vars(owner)[self._name]
            if (before := getattr(within, _BEFORE)) is not None:
                vars(owner)[self._name] = before


def senders_of(client: Any) -> list[Sender]:
    """All that sends requests for the client. Raises UsageError for none."""
    found = list(_search(client))
    if not found:
        raise UsageError(
            f"instrument: no HTTP client was found in {type(client).__qualname__}: give an SDK's"
            " client or one of httpx, aiohttp or requests; watch() without a client sees them all"
        )
    return found


def _scoped(original: Any, before: Any) -> Any:
    """The method, within the scopes that are added to it."""
    scopes: list[Scope] = []
    within: Any

    if inspect.iscoroutinefunction(original):

        async def within(*args: Any, **kwargs: Any) -> Any:
            token = scope.set((*scope.get(), *scopes))
            try:
                return await original(*args, **kwargs)
            finally:
                scope.reset(token)
    else:

        def within(*args: Any, **kwargs: Any) -> Any:
            token = scope.set((*scope.get(), *scopes))
            try:
                return original(*args, **kwargs)
            finally:
                scope.reset(token)

    setattr(within, _SCOPES, scopes)
    setattr(within, _BEFORE, before)
    return within


def _search(client: Any) -> Iterator[Sender]:
    seen: set[int] = set()
    queue = deque([(client, 0)])
    while queue and len(seen) < _MOST:
        item, depth = queue.popleft()
        if id(item) in seen or isinstance(item, _LEAVES) or inspect.ismodule(item):
            continue
        seen.add(id(item))
        if name := _method(item):
            yield Sender(item, name)
        if depth < _DEEPEST:
            queue.extend((part, depth + 1) for part in _parts(item))


def _method(item: Any) -> str | None:
    """The method by which an object of a known type sends."""
    for base in type(item).__mro__:
        package = base.__module__.partition(".")[0]
        name = _SENDERS.get((package, base.__name__))
        if name and hasattr(item, name) and hasattr(item, "__dict__"):
            return name
    return None


def _parts(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    else:
        yield from getattr(item, "__dict__", {}).values()
