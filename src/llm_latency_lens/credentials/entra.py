"""Microsoft Entra ID: a token for Azure OpenAI, given or fetched by Azure's own library.

`AZURE_OPENAI_AD_TOKEN` holds a token, as the openai package reads it. Without it, and without an
API key, `azure-identity` is asked: environment, workload identity, managed identity, Azure's
command line, in its own order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..clock import Clock
from ..errors import UsageError
from ..request import Request
from .renewal import Renewal, Token

SCOPE = "https://cognitiveservices.azure.com/.default"
VARIABLE = "AZURE_OPENAI_AD_TOKEN"
_KEY = "AZURE_OPENAI_API_KEY"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class EntraIdentity:
    """Whoever the token says; see `targets.Identity`."""

    renewal: Renewal
    secrets: list[bytes]

    def authorize(self, request: Request) -> Request:
        return self.renewal.bearer(request)

    def close(self) -> None:
        self.renewal.close()


def entra(environ: Mapping[str, str], clock: Clock | None = None) -> EntraIdentity:
    """Who one is to Azure. Raises UsageError where nothing says so."""
    given = environ.get(VARIABLE)
    fetch = (lambda: Token(given)) if given else _fetcher()
    secrets: list[bytes] = []
    return EntraIdentity(Renewal(fetch, secrets, clock), secrets)


def _fetcher() -> Callable[[], Token]:
    try:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise UsageError(
            f"no key for azure: set {_KEY} or {VARIABLE}, or let Azure say who you are:"
            " pip install 'llm-latency-lens[azure]'"
        ) from None
    credential = DefaultAzureCredential()

    def fetch() -> Token:
        try:
            found = credential.get_token(SCOPE)
        except ClientAuthenticationError as error:
            reason = " ".join(str(error).split())
            reason = reason if len(reason) <= _LONGEST else reason[:_LONGEST] + "…"
            raise UsageError(
                f"no key for azure: set {_KEY} or {VARIABLE}, or sign in with `az login` ({reason})"
            ) from None
        return Token(found.token, float(found.expires_on))

    return fetch
