"""From settings and the environment to whom one asks: address, key, region, and who one is.

Making a target sends nothing and asks nobody. What has to be fetched, a cloud's token or its keys,
is fetched when a capture begins, by `opened`, and renewed beside it until it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from . import providers
from .engine.scrub import find_secrets
from .errors import UsageError
from .providers import Provider
from .request import Authorize, Prompt, Request, Secret, Target
from .workload import Workload, authorized, cycle

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_NAMED = {
    "aws": ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"),
    "google": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "entra": ("AZURE_OPENAI_AD_TOKEN",),
}
"""Variables by which a user says who to be; a local server is asked as nobody without them."""


class Identity(Protocol):
    """Who one is to a cloud."""

    @property
    def authorize(self) -> Authorize: ...

    @property
    def secrets(self) -> list[bytes]:
        """What must never be kept; grows when a token is renewed."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Aim:
    """A target that is ready to be asked."""

    target: Target
    build: Callable[[Prompt], Request]
    authorize: Authorize | None
    secrets: Sequence[bytes] = field(repr=False)
    """What must never be kept; may grow while a run goes on."""

    def workload(self, prompts: Iterable[Prompt]) -> Workload:
        """The prompts in turn, as requests that prove who asks."""
        requests = cycle(prompts, self.build)
        return authorized(requests, self.authorize) if self.authorize else requests


@dataclass(frozen=True, slots=True)
class Aiming:
    """Whom to ask, and who one is there; called, it opens that."""

    target: Target
    aws_profile: str | None = None
    anonymous: bool = False

    def __call__(self) -> AbstractContextManager[Aim]:
        return opened(
            providers.get(self.target.provider),
            self.target,
            os.environ,
            aws_profile=self.aws_profile,
            anonymous=self.anonymous,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a provider is to be asked, as far as the user said so."""

    base_url: str | None = None
    region: str | None = None
    project: str | None = None
    api_version: str | None = None


def address_of(provider: Provider, place: Place, environ: Mapping[str, str]) -> str:
    """The base URL: the given one, the one of the provider's own variable, the provider's own."""
    named = _first_set(provider.base_url_env, environ)
    return (place.base_url or _whole(named, provider) or provider.base_url).rstrip("/")


def locate(
    provider: Provider,
    target: Target,
    place: Place,
    environ: Mapping[str, str],
    *,
    api_key: str | None = None,
) -> Target:
    """The target with its address and its key, and with what the clouds put into addresses.

    Raises UsageError where the provider needs a key and none is found, and for an address to which
    no path can be added.
    """
    base_url = _sound(address_of(provider, place, environ))
    return replace(
        target,
        base_url=base_url,
        api_key=find_key(provider, api_key, base_url, environ),
        region=place.region or _first_set(provider.region_env, environ) or provider.region,
        project=place.project or _first_set(provider.project_env, environ),
        api_version=place.api_version or _first_set(provider.api_version_env, environ),
        headers=(*target.headers, *_headers_of(provider, target, environ)),
    )


def _headers_of(
    provider: Provider, target: Target, environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What the environment adds to the headers that the user gave."""
    given = {name.lower() for name, _ in target.headers}
    for name, variable in provider.headers_env:
        if name not in given and (value := environ.get(variable)):
            yield name, value


def find_key(
    provider: Provider, given: str | None, base_url: str, environ: Mapping[str, str]
) -> Secret | None:
    """The API key: the given one or the one of the provider's variable; None where none is sent.

    Raises UsageError where the provider needs one.
    """
    if given == "none":
        return None
    if found := given or _first_set(provider.key_env, environ):
        return Secret(found)
    if not provider.needs_key or provider.auth != "key" or is_local(base_url):
        return None
    raise UsageError(
        f"no API key for {provider.name}: set {' or '.join(provider.key_env)}, or give --api-key "
        '("none" for a server that wants no key)'
    )


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in _LOCAL


@contextmanager
def opened(
    provider: Provider,
    target: Target,
    environ: Mapping[str, str],
    *,
    aws_profile: str | None = None,
    anonymous: bool = False,
) -> Iterator[Aim]:
    """The target, ready to be asked; `anonymous` asks as nobody.

    Raises UsageError where the provider lacks the operation, and where no credentials are found.
    """
    dialect = provider.dialect(target.operation)
    secrets = list(find_secrets(target.api_key, target.headers))
    identity = None
    if not anonymous and target.api_key is None and _needs_identity(provider, target, environ):
        identity, target = _identify(provider, target, environ, aws_profile)
    elif aws_profile:
        raise UsageError("--aws-profile is for a provider at AWS, asked without an API key")
    try:
        if identity:
            # The identity's own list: what it renews later must be blanked as well.
            identity.secrets.extend(secrets)
            secrets = identity.secrets
        build = partial(dialect.build, target)
        yield Aim(target, build, identity.authorize if identity else None, secrets)
    finally:
        if identity:
            identity.close()


def names_identity(provider: Provider, environ: Mapping[str, str]) -> bool:
    """Whether the environment says who to be to the provider's cloud."""
    return any(environ.get(name) for name in _NAMED.get(provider.auth, ()))


def _needs_identity(provider: Provider, target: Target, environ: Mapping[str, str]) -> bool:
    if provider.auth == "key":
        return False
    return names_identity(provider, environ) or not is_local(target.base_url)


def _identify(
    provider: Provider, target: Target, environ: Mapping[str, str], aws_profile: str | None
) -> tuple[Identity, Target]:
    """Who one is there, and the target with what only that tells."""
    # Each is a cloud's own library, which takes its time to load.
    if provider.auth == "aws":
        from .credentials.aws import aws

        us = aws(environ, profile=aws_profile, region=target.region)
        return us, replace(target, region=us.region)
    if provider.auth == "google":
        from .credentials.google import google

        we = google(environ)
        return we, replace(target, project=target.project or we.project)
    from .credentials.entra import entra

    return entra(environ), target


def _sound(base_url: str) -> str:
    """A path is put behind it, so it has to end before any `?`."""
    for sign, name in (("?", "query"), ("#", "fragment")):
        if sign in base_url:
            raise UsageError(
                f"base URL: it must end before the {name} that begins with {sign}; "
                "--extra-body, --header and --api-version add to requests"
            )
    if base_url.split() != [base_url]:
        raise UsageError("base URL: it must not hold a space")
    return base_url


def _first_set(names: Iterable[str], environ: Mapping[str, str]) -> str | None:
    return next((value for name in names if (value := environ.get(name))), None)


def _whole(named: str | None, provider: Provider) -> str | None:
    """An address of the environment as a URL: some programs name the host and port alone."""
    if not named or "://" in named:
        return named
    usual, parts = urlsplit(provider.base_url), urlsplit(f"//{named}")
    host, _, port = parts.netloc.rpartition(":")
    if not port.isdecimal():
        host, port = parts.netloc, str(usual.port or "")
    host = host or usual.hostname or ""
    return f"{usual.scheme}://{host}{f':{port}' if port else ''}{parts.path}"
