"""Servers and services that speak OpenAI's chat completions: a row each, and no code."""

from __future__ import annotations

from collections.abc import Mapping

from ..request import Operation
from . import openai_chat
from .embeddings import EMBEDDINGS
from .provider import Dialect, Provider
from .rerank import RERANK

_EMBEDS = {Operation.EMBEDDINGS: EMBEDDINGS}
_RANKS = {**_EMBEDS, Operation.RERANK: RERANK}


def _local(
    name: str,
    title: str,
    port: int,
    reports: tuple[str, ...],
    notes: str = "",
    *,
    also: Mapping[Operation, Dialect] | None = None,
) -> Provider:
    """A server on this machine that speaks OpenAI's chat completions and asks for no key."""
    return Provider(
        name,
        title,
        f"http://127.0.0.1:{port}/v1",
        openai_chat.build,
        openai_chat.decode,
        reports=reports,
        notes=notes,
        also=also or {},
    )


ROWS = (
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
        also=_EMBEDS,
    ),
    _local(
        "vllm",
        "vLLM",
        8000,
        ("usage", "cached"),
        "cached tokens need --enable-prompt-tokens-details on the server",
        also=_RANKS,
    ),
    _local(
        "sglang",
        "SGLang",
        30000,
        ("usage", "cached", "reasoning"),
        "cached tokens need --enable-cache-report on the server",
        also=_RANKS,
    ),
    _local("llamacpp", "llama.cpp server", 8080, ("usage", "cached", "timings"), also=_RANKS),
    _local("tgi", "Text Generation Inference", 3000, ("usage",), "in its container the port is 80"),
    _local("lmstudio", "LM Studio", 1234, ("usage",), also=_EMBEDS),
)
