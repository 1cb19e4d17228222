"""From settings to a `Lens` and its prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import UsageError
from .options import DEFAULT_PROVIDER, Keeping, Outputs, Paying, Target, Way
from .world import World

if TYPE_CHECKING:
    from ..lens import Lens
    from ..request import Prompt
    from ..transport.settings import Network


def make_lens(
    world: World, target: Target, way: Way, keeping: Keeping, outputs: Outputs, *, paying: Paying
) -> Lens:
    """The lens that these settings describe. Raises `UsageError`."""
    from ..workload.tokenizer import load_tokenizer

    network = network_of(way)
    provider, model = provider_and_model(target, world)
    return world.lens(
        provider=provider,
        model=model,
        base_url=_address(target.base_url),
        api_key=_key_from(target.api_key_file) if target.api_key_file else target.api_key,
        headers=target.header,
        extra_body=target.extra_body,
        max_tokens=target.max_tokens,
        temperature=target.temperature,
        stream=target.stream,
        operation=target.operation,
        region=target.region,
        project=target.project,
        api_version=target.api_version,
        aws_profile=target.aws_profile,
        timeouts=network.timeouts,
        tls=network.tls,
        proxy=network.proxy,
        unix_socket=network.unix_socket,
        run_dir=keeping.run_dir,
        raw=keeping.raw,
        tokenizer=load_tokenizer(outputs.tokenizer) if outputs.tokenizer else None,
        keep_text=outputs.keep_text,
        prices=paying.prices,
        batch_prices=paying.batch_prices,
        stream_to=keeping.stream_to,
    )


def network_of(way: Way) -> Network:
    """The same for what opens connections."""
    from ..transport.settings import Network, Timeouts, Tls

    return Network(
        Timeouts(way.connect_timeout, way.first_token_timeout, way.idle_timeout, way.timeout),
        Tls(not way.insecure, way.ca_file, way.cert, way.key, way.tls_resume),
        proxy=None if way.no_proxy or way.proxy == "none" else way.proxy,
        unix_socket=way.unix_socket,
    )


def provider_and_model(target: Target, world: World) -> tuple[str, str]:
    """Whom to ask for what. Without a provider, the part of the model before its first slash is
    one if there is a provider of that name."""
    from .. import providers

    if target.model is None:
        raise UsageError(
            "no model is named: give it first, as in openai/gpt-4o-mini, or with --model"
        )
    if target.provider is not None:
        return target.provider, target.model
    head, slash, rest = target.model.partition("/")
    if not slash:
        return DEFAULT_PROVIDER, target.model
    try:
        return providers.get(head).name, rest
    except UsageError as error:
        usual = providers.get(DEFAULT_PROVIDER)
        if target.base_url is None and not any(map(world.environ.get, usual.base_url_env)):
            raise UsageError(
                f"{error}; where '{head}' belongs to the model's name, say whom to ask with"
                " --provider or --base-url"
            ) from None
    return DEFAULT_PROVIDER, target.model


def read_prompts(target: Target, world: World) -> list[Prompt]:
    """The prompts to send. Raises `UsageError` when there is none."""
    from ..request import Prompt
    from ..workload import files

    if target.prompt is not None:
        return [Prompt.of(target.prompt)]
    if target.prompt_file is not None:
        return files.read_prompts(target.prompt_file, world.stdin)
    raise UsageError("there is no prompt: give it after the model, or with --prompt-file")


def _address(base_url: str | None) -> str | None:
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        hint = "" if "://" in base_url else f": http://{base_url.strip('/')} or https://...?"
        raise UsageError(f"--base-url must begin with http:// or https:// and a host{hint}")
    return base_url


def _key_from(path: str) -> str:
    try:
        key = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UsageError(f"key file {path}: {reason}") from None
    if not key or len(key.split()) > 1:
        raise UsageError(f"key file {path} must hold one key and nothing else")
    return key
