"""Sending to one receiver: again and again until it has taken what it is to hear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from random import Random
from urllib.parse import quote, urlsplit

from ...errors import SinkError
from ..config import ReceiverConfig
from .book import Book
from .due import News, messages
from .forms import Post, post
from .silences import Silence

_log = logging.getLogger(__name__)

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
REFUSED_WAIT_S = 3600.0
"""How long a receiver that refuses is left alone, at most: somebody may mend it."""
_HIDDEN = "***"

Send = Callable[[ReceiverConfig, Post], None]
"""Sends one request, in a thread. Raises SinkError."""


def send(receiver: ReceiverConfig, request: Post) -> None:
    """One request over HTTP; the error names nothing that could be secret."""
    from ...sinks.address import Address
    from ...sinks.http import Receiver

    # It logs each URL, and that of a webhook is a secret.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    url = receiver.url.reveal()
    headers = {**dict(receiver.headers), **request.headers}
    client = Receiver(Address(receiver.kind, url.rstrip("/"), receiver.name), headers)
    try:
        client.send(request.path, request.body)
    finally:
        client.close()


class Delivery:
    """`error` says why the last attempt failed, `failing_since` (unix seconds) since when."""

    def __init__(self, receiver: ReceiverConfig, book: Book, send: Send, seed: int = 0) -> None:
        self.receiver = receiver
        self.error: str | None = None
        self.failing_since: float | None = None
        self.waiting = 0
        """Incidents that could not be told."""
        self._book = book
        self._send = send
        self._random = Random(f"{seed} {receiver.name}")
        self._failures = 0
        self._next_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def tend(self, silences: Iterable[Silence], now_unix_s: float, steady_s: float) -> None:
        """Begin to send what is ripe, unless it is being sent or the receiver needs a rest."""
        if (self._task and not self._task.done()) or steady_s < self._next_s:
            return
        ripe = messages(self._book, self.receiver, silences, now_unix_s)
        if ripe:
            self._task = asyncio.create_task(self._deliver(ripe, now_unix_s, steady_s))

    async def settle(self) -> None:
        """Wait for what is being sent."""
        if self._task:
            await self._task

    async def _deliver(self, ripe: list[list[News]], now_unix_s: float, steady_s: float) -> None:
        self.waiting = sum(map(len, ripe))
        for news in ripe:
            try:
                request = post(self.receiver, news, now_unix_s)
                await asyncio.to_thread(self._send, self.receiver, request)
            except SinkError as error:
                self._failed(error, now_unix_s, steady_s)
                return
            heard = {one.incident.id: one.heard(now_unix_s) for one in news}
            self._book.heard(self.receiver.name, heard)
            self.waiting -= len(news)
        self.error, self.failing_since, self._failures = None, None, 0

    def _failed(self, error: SinkError, now_unix_s: float, steady_s: float) -> None:
        self.error = cleaned(str(error), self.receiver)
        if self.failing_since is None:
            self.failing_since = now_unix_s
            _log.warning("%s takes no alerts: %s", self.receiver.name, self.error)
        most = LONGEST_WAIT_S if error.later else REFUSED_WAIT_S
        wait_s = min(most, FIRST_WAIT_S * 2.0 ** min(self._failures, 20))
        self._next_s = steady_s + wait_s * self._random.uniform(0.75, 1.0)
        self._failures += 1


def cleaned(text: str, receiver: ReceiverConfig) -> str:
    """The text without what only the receiver and its owner know."""
    url = receiver.url.reveal()
    parts = urlsplit(url)
    secrets = [url, parts.path, parts.query, parts.username or "", parts.password or ""]
    secrets += [part for part in parts.path.split("/") if len(part) > 7]
    secrets += [value for _, value in receiver.headers]
    if receiver.secret:
        secrets.append(receiver.secret.reveal())
    for secret in sorted(filter(lambda one: len(one) > 3, secrets), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN).replace(quote(secret, safe=""), _HIDDEN)
    return text
