"""Calls of other clients, answered from what was recorded: for httpx, and the SDKs that use it.

A recorded timeline holds the answer's bytes as they came, its status and its headers, so that httpx
can be given it in place of its own transport's answer: at once, for the times that count are the
recorded ones. A request is known by method, path and body.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..metrics.context import Context, Health
from ..pricing import Prices
from ..providers import decode
from ..record import Record
from ..store import runs
from ..store.spool import Spool
from ..timeline import ErrorKind, Stage, Timeline
from .sdk.begin import Scope, scope
from .sdk.call import Call
from .sdk.patches import Patches, Taps
from .sdk.recognise import asks, recognise
from .sdk.sites import shown
from .sdk.understand import base_url_of, understood
from .sdk.watching import Seen, Understanding, scoped

EXPERIMENT = "watch"
_CODED = ("content-encoding", "content-length", "transfer-encoding")
"""Of a timeline's body these are undone."""


class Asked(NamedTuple):
    """What makes two requests the same."""

    method: str
    path: str
    sha256: str


def asked_of(method: str, url: str, body: object) -> Asked:
    """Of a JSON body the order and the spaces do not matter."""
    data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
    with suppress(ValueError):
        data = json.dumps(json.loads(data), sort_keys=True).encode()
    return Asked(method, urlsplit(url).path, hashlib.sha256(data).hexdigest())


def keep(folder: Path, context: Context, calls: Sequence[Call]) -> None:
    """Keep watched calls as a run, with what was asked. Raises StoreError."""
    context.config = {
        **context.config,
        "experiment": EXPERIMENT,
        "asked": [asked_of(call.method, call.url, call.asked) for call in calls],
        "base_urls": [base_url_of(call.url) for call in calls],
        "replayable": not any(call.framed for call in calls),
    }
    path = runs.create(context.id, folder)
    runs.write(path, runs.RunFile(context=context))
    spool = Spool(path / runs.TIMELINES)
    for number, call in enumerate(calls):
        tag = shown(call.site, os.getcwd())
        timeline = understood(call, number, f"call-{number}", tag)
        spool.open(timeline)
        spool.close(timeline)
    spool.finish()


class Kept(NamedTuple):
    """One recorded call."""

    timeline: Timeline
    base_url: str
    context: Context


def was_watched(run: runs.Run) -> bool:
    return run.file.context.config.get("experiment") == EXPERIMENT


def is_replayable(run: runs.Run) -> bool:
    """Whether all of it went by httpx."""
    return bool(run.file.context.config.get("replayable"))


def read(run: runs.Run) -> list[tuple[Asked, Kept]]:
    """What `keep` has kept. Raises StoreError."""
    context = run.file.context
    asked, urls = context.config["asked"], context.config["base_urls"]
    return [
        (Asked(*asked[one.index]), Kept(one, urls[one.index], context)) for one in run.timelines()
    ]


@dataclass(slots=True)
class Replay:
    """The recorded calls of a test that were not taken yet."""

    left: list[tuple[Asked, Kept]]
    missing: Callable[[Asked, bool], BaseException]
    """What is raised in the program for a request that was not recorded; whether another body was
    is known."""
    taken: list[Kept] = field(default_factory=list)

    @property
    def health(self) -> Health:
        """How the process fared that recorded the call taken last."""
        return self.taken[-1].context.health or Health()

    def take(self, asked: Asked) -> Kept:
        for number, (one, kept) in enumerate(self.left):
            if one == asked:
                del self.left[number]
                self.taken.append(kept)
                return kept
        raise self.missing(asked, any(one[:2] == asked[:2] for one, _ in self.left))


@dataclass(slots=True, eq=False)
class _Player:
    """One block in which is replayed; as a taker it marks the scope of its clients."""

    replay: Replay
    seen: Seen
    everything: bool

    def __call__(self, call: Call) -> None:
        pass


_players: list[_Player] = []


@contextmanager
def replaying(
    replay: Replay, clients: Sequence[Any], provider: str | None, prices: Prices | None
) -> Iterator[Seen]:
    """`watch`, with recorded answers in place of sent requests."""
    understanding = Understanding(prices)

    def understand(kept: Kept, number: int) -> Record:
        kept.timeline.index = number
        return understanding.price(decode(kept.timeline), kept.base_url)

    player = _Player(replay, Seen(understand), not clients)
    _players.append(player)
    _TAPS.acquire()
    try:
        with scoped(clients, Scope((player,), provider)):
            yield player.seen
    finally:
        _players.remove(player)
        _TAPS.release()


def _recorded(request: Any) -> Kept | None:
    """The answer to a request; None where it asks no model, or nobody replays what it asks."""
    scopes = scope.get()
    mine = [one for one in _players if one.everything or any(one in s.takers for s in scopes)]
    if not mine:
        return None
    hint = next((one.hint for one in reversed(scopes) if one.hint), None)
    url, body = str(request.url), getattr(request, "_content", None)
    ask = recognise(request.method, url, hint)
    if ask is None or not (hint or asks(ask, url, body)):
        return None
    kept = mine[-1].replay.take(asked_of(request.method, url, body))
    for player in mine:
        player.seen._take(kept)
    return kept


def _tap(module: ModuleType, patches: Patches) -> None:
    """Patch `httpx` or `httpx2`."""
    sync_base, async_base = module.SyncByteStream, module.AsyncByteStream

    class Stream(sync_base, async_base):  # type: ignore[misc, valid-type]
        """The body in the pieces in which it came; it breaks off where it did."""

        def __init__(self, timeline: Timeline) -> None:
            self._timeline = timeline

        def __iter__(self) -> Iterator[bytes]:
            yield from _pieces(self._timeline)
            failure = self._timeline.failure
            if failure is not None and failure.kind is not ErrorKind.CANCELLED:
                raise _error(module, self._timeline)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

    def answer(kept: Kept, request: Any) -> Any:
        timeline = kept.timeline
        if timeline.status is None:
            raise _error(module, timeline)
        headers = [(name, value) for name, value in timeline.headers if name not in _CODED]
        return module.Response(
            timeline.status, headers=headers, stream=Stream(timeline), request=request
        )

    def sync(original: Any) -> Any:
        def handle_request(self: Any, request: Any) -> Any:
            kept = _recorded(request)
            return original(self, request) if kept is None else answer(kept, request)

        return handle_request

    def asynchronous(original: Any) -> Any:
        async def handle_async_request(self: Any, request: Any) -> Any:
            kept = _recorded(request)
            return await original(self, request) if kept is None else answer(kept, request)

        return handle_async_request

    patches.replace(module.HTTPTransport, "handle_request", sync)
    patches.replace(module.AsyncHTTPTransport, "handle_async_request", asynchronous)


def _pieces(timeline: Timeline) -> Iterator[bytes]:
    begin = 0
    for end in timeline.ends:
        yield bytes(timeline.body[begin:end])
        begin = end


def _error(module: ModuleType, timeline: Timeline) -> Exception:
    """As httpx raises it."""
    failure = timeline.failure
    name = "RemoteProtocolError"
    if failure is not None and failure.kind is ErrorKind.TIMEOUT:
        name = "ReadTimeout"
    elif failure is not None and failure.stage is Stage.CONNECT:
        name = "ConnectError"
    made: Exception = getattr(module, name)("as recorded")
    return made


_TAPS = Taps({"httpx": _tap, "httpx2": _tap}, busy=lambda: False, stamps=False)
