"""What a user calls: `instrument` a client, `watch` the calls of a block."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import finalize

from ...pricing import Pricer, Prices
from ...providers import decode, get
from ...record import Record
from ...sinks import frames
from ...sinks.frames import Kind
from ...store.prices import open_book
from .begin import Scope, everything
from .call import Call, Taker, harmless
from .clients import senders_of
from .sites import shown
from .stacks import TAPS
from .understand import base_url_of, understood

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

C = TypeVar("C")
OnRecord = Callable[[Record], object]
Understand = Callable[[Any, int], Record]
"""From a call, and which one it is, to its record."""


class Seen(Sequence[Record]):
    """The calls that were watched, in the order in which they ended, each as a record.

    It grows while calls end. A record is decoded when it is asked for, and then kept. Its `tag` is
    where in the program the call was made, its `attempt` which of the SDK's own attempts it was.
    """

    def __init__(self, understand: Understand) -> None:
        self._calls: list[Any] = []
        self._understand = understand

    def _take(self, call: Any) -> None:
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
        if isinstance(found, Record):
            return found
        # The bytes of the call are let go.
        self._calls[number] = record = self._understand(found, number)
        return record

    def to_arrow(self, table: Kind = "requests", *, keep_text: bool = False) -> pa.Table:
        """One row a call, or one a content event (`table="tokens"`): see `Trial.to_arrow`."""
        return frames.arrow(list(self), table, keep_text=keep_text)

    def to_pandas(self, table: Kind = "requests", *, keep_text: bool = False) -> pd.DataFrame:
        """The same for pandas."""
        return frames.pandas(list(self), table, keep_text=keep_text)

    def to_polars(self, table: Kind = "requests", *, keep_text: bool = False) -> pl.DataFrame:
        """The same for Polars."""
        return frames.polars(list(self), table, keep_text=keep_text)

    def __repr__(self) -> str:
        return f"Seen({len(self)} calls)"

    def _repr_html_(self) -> str:
        # Charts load numpy, which a watched program need not have loaded.
        from ...report.html.shown import calls

        return calls(list(self))


class Understanding:
    """From a call to its record, with what it cost."""

    def __init__(self, prices: Prices | None) -> None:
        self._prices = prices
        self._folder = os.getcwd()
        self._book = open_book(prices) if prices is not None else None

    def __call__(self, call: Call, number: int) -> Record:
        tag = shown(call.site, self._folder)
        record = decode(understood(call, number, f"call-{number}", tag))
        return self.price(record, base_url_of(call.url))

    def price(self, record: Record, base_url: str = "") -> Record:
        self._book = self._book or open_book()
        return Pricer(self._book.find, {None: base_url}).price(record)


class Telling:
    """Has a function work off what is taken, in a thread of its own: no call waits for it."""

    def __init__(self, work: Callable[[Any], object]) -> None:
        self._one = harmless(work)
        self._taken: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="latency-lens", daemon=True)
        self._thread.start()

    def take(self, call: object) -> None:
        self._taken.put(call)

    def _work(self) -> None:
        while (one := self._taken.get()) is not None:
            self._one(one)

    def close(self, *, wait: bool = True) -> None:
        """Come to an end with what has been taken."""
        self._taken.put(None)
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()


def _tells(tell: OnRecord, prices: Prices | None) -> Telling:
    """Tells a function of the record of each call."""
    understand, numbers = Understanding(prices), count()
    return Telling(lambda call: tell(understand(call, next(numbers))))


class _Instrumented:
    """A client that is measured until `close`."""

    def __init__(self, client: Any, provider: str | None, telling: Telling | None) -> None:
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
    telling = _tells(on_record, prices) if on_record else None
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
    seen = Seen(Understanding(prices))
    with watching(seen._take, clients, provider):
        yield seen


@contextmanager
def watching(take: Taker, clients: Sequence[Any], provider: str | None) -> Iterator[None]:
    """Have `take` told of the calls that begin in the block."""
    if provider is not None:
        get(provider)
    TAPS.acquire()
    try:
        with scoped(clients, Scope((take,), provider)):
            if not clients:
                everything.append(take)
            yield
    finally:
        if not clients:
            everything.remove(take)
        TAPS.release()


@contextmanager
def scoped(clients: Sequence[Any], about: Scope) -> Iterator[None]:
    """Have what these clients send in the block be in a scope. Raises UsageError."""
    senders = [sender for client in clients for sender in senders_of(client)]
    for sender in senders:
        sender.enter(about)
    try:
        yield
    finally:
        for sender in senders:
            sender.leave(about)
