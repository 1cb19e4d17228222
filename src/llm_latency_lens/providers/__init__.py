"""Wire formats: a request out, bytes in, a record back. All of it is pure.

`PROVIDERS` is the table of those that are known. Another package can add one by an entry point
in the group `llm_latency_lens.providers`, named like the provider and leading to a `Provider`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ..errors import UsageError
from ..record import Decoder, Record
from ..request import Prompt, Request, Target
from ..timeline import Timeline
from . import openai_chat

ENTRY_POINTS = "llm_latency_lens.providers"

Build = Callable[[Target, Prompt], Request]


@dataclass(frozen=True, slots=True)
class Provider:
    """One API to speak to: where it is, how it is asked, how its answers are read.

    `key_env` and `base_url_env` are the environment variables that its own SDK reads, the first
    that is set counts. `reports` are words for what its answers tell beside the text: `usage`,
    `cached` (input tokens from a cache), `reasoning` (tokens of it), `timings` (its own times).
    """

    name: str
    title: str
    base_url: str
    build: Build
    decode: Decoder
    key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    needs_key: bool = False
    reports: tuple[str, ...] = ("usage",)
    notes: str = ""


def _local(name: str, title: str, port: int, reports: tuple[str, ...], notes: str = "") -> Provider:
    """A server on this machine that speaks OpenAI's chat completions and asks for no key."""
    return Provider(
        name,
        title,
        f"http://127.0.0.1:{port}/v1",
        openai_chat.build,
        openai_chat.decode,
        reports=reports,
        notes=notes,
    )


_ROWS = (
    Provider(
        "openai",
        "OpenAI chat completions",
        "https://api.openai.com/v1",
        openai_chat.build_openai,
        openai_chat.decode,
        key_env=("OPENAI_API_KEY",),
        base_url_env=("OPENAI_BASE_URL",),
        needs_key=True,
        reports=("usage", "cached", "reasoning", "timings"),
        notes="with --base-url: any server that is compatible",
    ),
    _local(
        "vllm",
        "vLLM",
        8000,
        ("usage", "cached"),
        "cached tokens need --enable-prompt-tokens-details on the server",
    ),
    _local(
        "sglang",
        "SGLang",
        30000,
        ("usage", "cached", "reasoning"),
        "cached tokens need --enable-cache-report on the server",
    ),
    _local("llamacpp", "llama.cpp server", 8080, ("usage", "cached", "timings")),
    _local("tgi", "Text Generation Inference", 3000, ("usage",), "in its container the port is 80"),
    _local("lmstudio", "LM Studio", 1234, ("usage",)),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.name: row for row in _ROWS})


@lru_cache(maxsize=64)
def get(name: str) -> Provider:
    """The provider of that name: built in, or from an installed package.

    Raises UsageError that names the close matches and lists all.
    """
    if found := PROVIDERS.get(name):
        return found
    from importlib.metadata import entry_points

    added = entry_points(group=ENTRY_POINTS)
    for point in added:
        if point.name == name:
            return _load(name, point.load)
    from difflib import get_close_matches

    known = sorted({*PROVIDERS, *added.names})
    close = get_close_matches(name.lower(), known)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(f"no provider named '{name}': {hint}known are {', '.join(known)}")


def _load(name: str, load: Callable[[], object]) -> Provider:
    try:
        provider = load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"provider '{name}' cannot be loaded: {error}") from error
    if not isinstance(provider, Provider):
        raise UsageError(f"provider '{name}': its entry point does not lead to a Provider")
    return provider


def decode(timeline: Timeline) -> Record:
    """Understand a captured request by the decoder of the provider that it was sent to."""
    return get(timeline.provider).decode(timeline)
