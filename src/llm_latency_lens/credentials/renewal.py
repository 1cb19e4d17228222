"""A token that is renewed beside a run, never within it.

`authorize` is on the way of every request, so it takes the token that is there. A thread looks now
and then whether it is time for the next one. Where that fails, the old token goes on as long as it
lasts, and a warning says why.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ..clock import SECOND_NS, Clock, SystemClock
from ..errors import UsageError
from ..request import Request

LOOK_S = 15.0
"""Seconds between two looks at the clock."""
MARGIN_S = 300.0
"""How long before its end a token is renewed."""

_log = logging.getLogger(__name__)


class Token(NamedTuple):
    """What proves who asks, and until when: seconds since 1970, None for a token without an end."""

    text: str
    expires_at: float | None = None


class Renewal:
    """The newest token of `fetch`, which raises UsageError where it cannot give one.

    The first is fetched at once. Each is added to `secrets`, what must never be kept.
    """

    def __init__(
        self, fetch: Callable[[], Token], secrets: list[bytes], clock: Clock | None = None
    ) -> None:
        self._fetch = fetch
        self._secrets = secrets
        self._clock = clock or SystemClock()
        self._over = threading.Event()
        self._take()
        if self._token.expires_at is not None:
            threading.Thread(target=self._look, name="token renewal", daemon=True).start()

    def bearer(self, request: Request) -> Request:
        """The request with the token in its header; a header that the user gave stays."""
        if any(name.lower() == "authorization" for name, _ in request.headers):
            return request
        return replace(request, headers=(*request.headers, self._header))

    def renew_if_due(self) -> None:
        """Fetch the next token when this one ends soon."""
        ends, now = self._token.expires_at, self._clock.realtime_ns() / SECOND_NS
        if ends is None or now < ends - MARGIN_S:
            return
        try:
            self._take()
        except UsageError as error:
            _log.warning("the token could not be renewed: %s", error)

    def close(self) -> None:
        """No token is fetched any more."""
        self._over.set()

    def _take(self) -> None:
        self._token = token = self._fetch()
        self._secrets.append(token.text.encode())
        self._header = ("authorization", f"Bearer {token.text}")

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.renew_if_due()
