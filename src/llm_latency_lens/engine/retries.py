"""How long to wait before a request is sent again."""

from __future__ import annotations

from ..clock import SECOND_NS
from ..record import RequestError
from ..timeline import ErrorKind

_RETRYABLE = {
    ErrorKind.RATE_LIMIT,
    ErrorKind.OVERLOADED,
    ErrorKind.SERVER,
    ErrorKind.NETWORK,
    ErrorKind.TIMEOUT,
}
_FIRST_NS = SECOND_NS // 2
_MOST_NS = 60 * SECOND_NS
_DOUBLES = 7


def backoff_ns(error: RequestError | None, attempt: int) -> int | None:
    """The wait after that attempt; None where another one would not help.

    Half a second, twice as long each time, and at least as long as the provider asks for, within
    a minute.
    """
    if error is None or error.kind not in _RETRYABLE:
        return None
    wait_ns = max(_FIRST_NS << min(attempt, _DOUBLES), int((error.retry_after_s or 0) * SECOND_NS))
    return min(wait_ns, _MOST_NS)
