"""What a user calls: `instrument` a client, `watch` the calls of a block."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload
from weakref import finalize

from ...pricing import Pricer, Prices
from ...providers import decode, get
from ...record import Record
from ...store.prices import open_book
from .begin import Scope, everything
from .call import Call, harmless
from .clients import senders_of
from .sites import shown
from .stacks import TAPS
from .understand import base_url_of, understood

C = TypeVar("C")
OnRecord = Callable[[Record], object]


class Seen(Sequence[Record]):
    """The calls that were watched, in the order in which they ended, each as a record.

    It grows while calls end. A record is decoded when it is asked for, and then kept. Its `tag` is
    where in the program the call was made, its `attempt` which of the SDK's own attempts it was.
    """

    def __init__(self, prices: Prices | None = None) -> None:
        self._calls: list[Call | Record] = []
        self._understand = _Understanding(prices)

    def _take(self, call: Call) -> None:
        self._calls.append(call)

    def __len__(self) -> int:
        return len(self._calls)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return [self._record(number) for number in range(*index.indices(len(self)))]
        return self._record(range(len(self))[index])

    def _record(self, number: int) -> Record:
        found = self._calls[number]
        if isinstance(found, Call):
            # The bytes of the call are let go.
            self._calls[number] = found = self._understand(found, number)
        return found

    def __repr__(self) -> str:
        return f"Seen({len(self)} calls)"


class _Understanding:
    """From a call to its record, with what it cost."""

    def __init__(self, prices: Prices | None) -> None:
        self._prices = prices
        self._folder = os.getcwd()
        self._book = open_book(prices) if prices is not None else None

    def __call__(self, call: Call, number: int) -> Record:
        tag = shown(call.site, self._folder)
        record = decode(understood(call, number, f"call-{number}", tag))
        self._book = self._book or open_book()
        return Pricer(self._book.find, {None: base_url_of(call.url)}).price(record)


class _Telling:
    """Tells a function of records, in a thread of its own: the call does not wait for it."""

    def __init__(self, tell: OnRecord, prices: Prices | None) -> None:
        self._tell = tell
        self._understand = _Understanding(prices)
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="latency-lens", daemon=True)
        self._thread.start()

    def take(self, call: Call) -> None:
        self._calls.put(call)

    def _work(self) -> None:
        number = 0
        while (call := self._calls.get()) is not None:
            self._one(call, number)
            number += 1

    @harmless
    def _one(self, call: Call, number: int) -> None:
        self._tell(self._understand(call, number))

    def close(self) -> None:
        """Come to an end with what has been taken."""
        self._calls.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()


class _Instrumented:
    """A client that is measured until `close`."""

    def __init__(self, client: Any, provider: str | None, telling: _Telling | None) -> None:
        self.senders = senders_of(client)
        self.telling = telling
        self.scope = Scope((telling.take,) if telling else (), provider)
        for sender in self.senders:
            sender.enter(self.scope)
        TAPS.acquire()

    def close(self) -> None:
        for sender in self.senders:
            sender.leave(self.scope)
        TAPS.release()
        if self.telling:
            self.telling.close()


_instrumented: dict[int, _Instrumented] = {}
"""By the id of the client, which is not kept alive."""


def instrument(
    client: C,
    *,
    provider: str | None = None,
    on_record: OnRecord | None = None,
    prices: Prices | None = None,
) -> C:
    """Measure the calls of a client from now on, and give the same client back.

    The client is that of an SDK, or one of httpx, aiohttp, requests or urllib3. `provider` says
    whose wire format it speaks, where the address does not. `on_record` is called with the record
    of each call that has ended, in another thread. Whatever a `watch()` sees has both too.
    Instrumenting a client again replaces what was said before. Raises UsageError for an unknown
    provider, and where no HTTP client is found in what is given.
    """
    if provider is not None:
        get(provider)
    senders_of(client)
    uninstrument(client)
    telling = _Telling(on_record, prices) if on_record else None
    _instrumented[id(client)] = _Instrumented(client, provider, telling)
    finalize(client, _forget, id(client))
    return client


def uninstrument(client: Any) -> None:
    """Leave a client as it was before `instrument`; nothing happens where it is so already.

    What `on_record` is still to be told is told first.
    """
    _forget(id(client))


def _forget(number: int) -> None:
    if (found := _instrumented.pop(number, None)) is not None:
        found.close()


@contextmanager
def watch(
    *clients: Any, provider: str | None = None, prices: str | Path | Prices | None = None
) -> Iterator[Seen]:
    """See the calls to language models that begin in a `with` block: a sequence of records.

    Without a client these are all calls of the process, in whatever thread or task, on httpx,
    aiohttp, requests and urllib3; with clients, theirs alone. `provider` says whose wire format
    the clients speak, where the address does not. A call that ends after the block is still added.
    Raises UsageError as `instrument` does, and for a mistake in the prices.
    """
    if provider is not None:
        get(provider)
    seen = Seen(prices)
    about = Scope((seen._take,), provider)
    senders = [sender for client in clients for sender in senders_of(client)]
    TAPS.acquire()
    try:
        if clients:
            for sender in senders:
                sender.enter(about)
        else:
            everything.append(seen._take)
        yield seen
    finally:
        for sender in senders:
            sender.leave(about)
        if not clients:
            everything.remove(seen._take)
        TAPS.release()
