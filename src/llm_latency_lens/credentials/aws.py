"""AWS: keys for Bedrock, found by AWS's own library, and the signature by them.

`botocore` finds who one is, in its own order: the environment, a role that a profile assumes, web
identity, single sign-on, the profile's own keys, a process, a container's role, the machine's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..clock import SECOND_NS, Clock, SystemClock
from ..errors import UsageError
from ..request import Authorize, Request
from .renewal import LOOK_S, Renewal, Token
from .sigv4 import Keys, sign

BEARER = "AWS_BEARER_TOKEN_BEDROCK"
SERVICE = "bedrock"
"""Under this name requests to Bedrock's runtime are signed, though its host has another."""

_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEPT_NS = 60 * SECOND_NS
_MOST_KEPT = 4096
_LONGEST = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AwsIdentity:
    """Whoever AWS's library found, or whose token was given; see `targets.Identity`."""

    region: str
    authorize: Authorize
    secrets: list[bytes]
    renewal: KeyRing | Renewal

    def close(self) -> None:
        self.renewal.close()


class Signer:
    """Signs by one set of keys. The same request signed again within a minute is the same: its
    body need not be hashed once more."""

    def __init__(self, keys: Keys, region: str, clock: Clock) -> None:
        self.keys = keys
        self._region = region
        self._clock = clock
        self._since_ns = 0
        self._signed: dict[Request, Request] = {}

    def sign(self, request: Request) -> Request:
        """The request with its signature; one that the user proves otherwise stays as it is."""
        now_ns = self._clock.realtime_ns()
        if not 0 <= now_ns - self._since_ns < _KEPT_NS or len(self._signed) >= _MOST_KEPT:
            self._signed.clear()
            self._since_ns = now_ns
        found = self._signed.get(request)
        if found is None:
            proven = any(name.lower() == "authorization" for name, _ in request.headers)
            found = request if proven else sign(request, self.keys, self._region, SERVICE, now_ns)
            self._signed[request] = found
        return found


class KeyRing:
    """Signs by the newest keys of `fetch`, which raises UsageError where it cannot give any.

    Keys that do not last are asked for now and then in a thread, since that may take its time;
    `fetch` itself knows when it is time for new ones. All are added to `secrets`.
    """

    def __init__(
        self,
        fetch: Callable[[], Keys],
        region: str,
        secrets: list[bytes],
        clock: Clock,
        *,
        lasting: bool,
    ) -> None:
        self._fetch = fetch
        self._region = region
        self._secrets = secrets
        self._clock = clock
        self._over = threading.Event()
        self._signer = self._taken(fetch())
        if not lasting:
            threading.Thread(target=self._look, name="AWS key renewal", daemon=True).start()

    def sign(self, request: Request) -> Request:
        return self._signer.sign(request)

    def renew_if_due(self) -> None:
        """Take the next keys when there are any."""
        try:
            keys = self._fetch()
        except UsageError as error:
            _log.warning("the AWS keys could not be renewed: %s", error)
            return
        if keys != self._signer.keys:
            self._signer = self._taken(keys)

    def close(self) -> None:
        """No keys are fetched any more."""
        self._over.set()

    def _taken(self, keys: Keys) -> Signer:
        self._secrets += [one.encode() for one in (keys.secret_key, keys.token) if one]
        return Signer(keys, self._region, self._clock)

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.renew_if_due()


def aws(
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    region: str | None = None,
    clock: Clock | None = None,
) -> AwsIdentity:
    """Who one is to AWS, and in which region. Raises UsageError where nothing says so.

    The library reads the environment of the process itself; `environ` tells what is decided here.
    """
    region = region or next((found for name in _REGIONS if (found := environ.get(name))), None)
    secrets: list[bytes] = []
    if (given := environ.get(BEARER)) and not profile:
        renewal = Renewal(lambda: Token(given), secrets, clock)
        return AwsIdentity(region or _Library(None).region(), renewal.bearer, secrets, renewal)
    library = _Library(profile)
    region = region or library.region()
    fetch, lasting = library.keys()
    ring = KeyRing(fetch, region, secrets, clock or SystemClock(), lasting=lasting)
    return AwsIdentity(region, ring.sign, secrets, ring)


class _Library:
    """botocore, asked as one profile, or as whomever the environment names."""

    def __init__(self, profile: str | None) -> None:
        try:
            from botocore import credentials, exceptions, session
        except ImportError:
            raise UsageError(
                "Bedrock wants a signature by AWS keys: pip install 'llm-latency-lens[aws]'"
            ) from None
        self._renewed = credentials.RefreshableCredentials
        self._expected = (
            exceptions.BotoCoreError,
            exceptions.ClientError,
            OSError,
            RuntimeError,
            ValueError,
        )
        self._session = session.Session(profile=profile)

    def region(self) -> str:
        """The region of the profile."""
        found = self._try(lambda: self._session.get_config_variable("region"))
        if not found:
            raise UsageError(
                "Bedrock needs a region: give --region, set AWS_REGION, or name one in the profile"
            )
        return str(found)

    def keys(self) -> tuple[Callable[[], Keys], bool]:
        """What gives the newest keys, and whether they are always the same."""
        found = self._try(self._session.get_credentials)
        if found is None:
            raise UsageError(
                f"no AWS keys: AWS_ACCESS_KEY_ID and {BEARER} are not set, no profile in ~/.aws"
                " has any, and no container and no machine gives any; try `aws configure`"
            )

        def fetch() -> Keys:
            frozen = self._try(found.get_frozen_credentials)
            return Keys(frozen.access_key, frozen.secret_key, frozen.token)

        return fetch, not isinstance(found, self._renewed)

    def _try(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except self._expected as error:
            reason = " ".join(str(error).split())
            reason = reason if len(reason) <= _LONGEST else reason[:_LONGEST] + "…"
            raise UsageError(f"no AWS keys: {reason}") from None
