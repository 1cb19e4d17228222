"""Google Cloud: tokens for Vertex AI, fetched by Google's own library.

`google-auth` finds who one is, in its own order: the file that `GOOGLE_APPLICATION_CREDENTIALS`
names (a service account, workload identity of another cloud, an impersonation), the user of
`gcloud auth application-default login`, the machine itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from ..clock import Clock
from ..errors import UsageError
from ..request import Request
from .renewal import Renewal, Token

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class GoogleIdentity:
    """Whoever Google's library found; see `targets.Identity`."""

    renewal: Renewal
    secrets: list[bytes]
    project: str | None
    """The project that goes with the credentials, or that the environment names."""
    quota_project: str | None = None
    """Whose quota is used, where the credentials say that it is another's."""

    def authorize(self, request: Request) -> Request:
        request = self.renewal.bearer(request)
        if self.quota_project is None:
            return request
        header = ("x-goog-user-project", self.quota_project)
        return replace(request, headers=(*request.headers, header))

    def close(self) -> None:
        self.renewal.close()


def google(environ: Mapping[str, str], clock: Clock | None = None) -> GoogleIdentity:
    """Who one is to Google Cloud. Raises UsageError where nothing says so.

    The library reads the environment of the process itself; `environ` only tells what to advise.
    """
    found, project, fetch = _found(environ)
    secrets: list[bytes] = []
    renewal = Renewal(fetch, secrets, clock)
    return GoogleIdentity(renewal, secrets, project, found.quota_project_id)


def _found(environ: Mapping[str, str]) -> tuple[Any, str | None, Callable[[], Token]]:
    """The credentials, their project, and what fetches a token by them."""
    try:
        import google.auth as library
        from google.auth import exceptions
        from google.auth.transport.requests import Request as Transport
    except ImportError:
        raise UsageError(
            "Vertex AI wants a token of Google Cloud: pip install 'llm-latency-lens[google]'"
        ) from None
    transport = Transport()
    advice = (
        f"check the file that {VARIABLE} names"
        if environ.get(VARIABLE)
        else f"run `gcloud auth application-default login`, or let {VARIABLE} name a file"
    )

    def failed(error: Exception) -> UsageError:
        reason = " ".join(str(error.args[0] if error.args else error).split())
        reason = reason if len(reason) <= _LONGEST else reason[:_LONGEST] + "…"
        return UsageError(f"no token for Vertex AI: {advice} ({reason})")

    expected = (exceptions.GoogleAuthError, OSError, ValueError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a user's quota: the API itself says it better
            found: tuple[Any, str | None] = library.default(scopes=[SCOPE], request=transport)
    except expected as error:
        raise failed(error) from None
    credentials, project = found

    def fetch() -> Token:
        try:
            credentials.refresh(transport)
        except expected as error:
            raise failed(error) from None
        ends = credentials.expiry  # UTC, but it does not say so
        return Token(credentials.token, ends and ends.replace(tzinfo=UTC).timestamp())

    return credentials, project, fetch
