"""Sending over HTTP, and what becomes of an answer."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from .._version import __version__
from ..errors import SinkError
from .address import Address

_TIMEOUT_S = 5.0
_LONGEST = 200
_MAY_PASS = (408, 425, 429)


class Receiver:
    """One HTTP server that is sent to again and again, by one thread.

    A token goes as `scheme token`; user and password as basic authentication.
    """

    def __init__(
        self, address: Address, headers: Mapping[str, str], *, scheme: str = "Bearer"
    ) -> None:
        self._url = address.url
        auth = None
        if address.user is not None:
            auth = httpx2.BasicAuth(address.user, address.password or "")
        told = {"User-Agent": f"latency-lens/{__version__}", **headers}
        if address.token is not None:
            told["Authorization"] = f"{scheme} {address.token}"
        self._client = httpx2.Client(
            timeout=_TIMEOUT_S,
            auth=auth,
            headers=told,
            # Certificates take 20 ms to load; redirects, which could lead to TLS, are not followed.
            verify=address.url.startswith("https:"),
        )

    def send(
        self,
        path: str,
        body: bytes,
        *,
        method: str = "POST",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """The answer's body. Raises `SinkError` with the server's own words, one line."""
        try:
            answer = self._client.request(method, self._url + path, content=body, params=params)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise SinkError(" ".join(reason.split())[:_LONGEST], later=True) from None
        if not answer.is_success:
            said = " ".join(answer.text.split())[:_LONGEST]
            status = answer.status_code
            later = status >= 500 or status in _MAY_PASS
            raise SinkError(f"HTTP {status}{f': {said}' if said else ''}", later=later)
        return answer.content

    def close(self) -> None:
        self._client.close()
