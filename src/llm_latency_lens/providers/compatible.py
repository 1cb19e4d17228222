"""Servers and services that speak OpenAI's chat completions: a row each, and hardly any code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from ..record import Record
from ..request import Operation, Prompt, Request, Target
from ..timeline import Timeline
from . import openai_chat, openai_responses
from .embeddings import EMBEDDINGS
from .provider import Build, Dialect, Provider
from .rerank import RERANK

_EMBEDS = {Operation.EMBEDDINGS: EMBEDDINGS}
_RANKS = {**_EMBEDS, Operation.RERANK: RERANK}

_AGENT = re.compile(rb'"type"\s*:\s*"response\.|"object"\s*:\s*"response"').search


def _local(
    name: str,
    title: str,
    port: int,
    reports: tuple[str, ...],
    notes: str = "",
    *,
    key_env: tuple[str, ...] = (),
    base_url_env: tuple[str, ...] = (),
    also: Mapping[Operation, Dialect] | None = None,
) -> Provider:
    """A server on this machine that speaks OpenAI's chat completions and needs no key.

    `key_env` is where the server itself, or its own client, finds one.
    """
    return Provider(
        name,
        title,
        f"http://127.0.0.1:{port}/v1",
        openai_chat.build,
        openai_chat.decode,
        key_env=key_env,
        base_url_env=base_url_env,
        reports=reports,
        notes=notes,
        also=also or {},
    )


def _hosted(
    name: str,
    title: str,
    base_url: str,
    variable: str,
    *,
    reports: tuple[str, ...],
    notes: str = "",
    build: Build = openai_chat.build,
    small_model: str,
    more_keys: tuple[str, ...] = (),
    base_url_env: tuple[str, ...] = (),
    also: Mapping[Operation, Dialect] | None = None,
) -> Provider:
    """A service that speaks OpenAI's chat completions; `variable` holds its key."""
    return Provider(
        name,
        title,
        base_url,
        build,
        openai_chat.decode,
        key_env=(variable, *more_keys),
        base_url_env=base_url_env,
        needs_key=True,
        small_model=small_model,
        reports=reports,
        notes=notes,
        also=also or {},
    )


def build_perplexity(target: Target, prompt: Prompt) -> Request:
    """Perplexity's Agent API speaks Responses; its models are named with their maker.

    A bare name such as `sonar` is of the older interface, chat completions.
    """
    if "/" in target.model or "preset" in target.extra_body:
        version = "" if target.base_url.rstrip("/").endswith("/v1") else "/v1"
        return openai_responses.build(target, prompt, version=version)
    return openai_chat.build(target, prompt, usage_asked=False)


def decode_perplexity(timeline: Timeline) -> Record:
    """What a captured request came to, by the format that the answer itself has."""
    if _AGENT(timeline.body):
        return openai_responses.decode(timeline)
    return openai_chat.decode(timeline)


_NEWER = partial(openai_chat.build, limit_field="max_completion_tokens")

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
        small_model="gpt-5-nano",
        reports=("usage", "cached", "reasoning", "timings"),
        notes="with --base-url: any server that is compatible",
        also=_EMBEDS,
        headers_env=openai_chat.ACCOUNT_ENV,
    ),
    _hosted(
        "groq",
        "Groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        reports=("usage", "cached", "reasoning", "timings"),
        build=partial(_NEWER, version="/openai/v1"),
        small_model="llama-3.1-8b-instant",
        base_url_env=("GROQ_BASE_URL",),
    ),
    _hosted(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        reports=("usage", "cached", "reasoning"),
        small_model="deepseek-v4-flash",
    ),
    _hosted(
        "xai",
        "xAI",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        reports=("usage", "cached", "reasoning", "cost"),
        small_model="grok-4.3",
    ),
    _hosted(
        "together",
        "Together AI",
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
        reports=("usage",),
        build=partial(openai_chat.build, version="/v1"),
        small_model="Qwen/Qwen3.5-9B",
        base_url_env=("TOGETHER_BASE_URL",),
        also=_EMBEDS,
    ),
    _hosted(
        "fireworks",
        "Fireworks AI",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        reports=("usage", "cached", "timings"),
        notes="all its times with --extra-body '{\"perf_metrics_in_response\": true}'",
        build=partial(openai_chat.build, version="/v1"),
        small_model="accounts/fireworks/models/gpt-oss-20b",
        base_url_env=("FIREWORKS_BASE_URL",),
        also=_EMBEDS,
    ),
    _hosted(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        reports=("usage", "cached", "reasoning", "cost"),
        small_model="openai/gpt-oss-20b",
    ),
    Provider(
        "perplexity",
        "Perplexity",
        "https://api.perplexity.ai",
        build_perplexity,
        decode_perplexity,
        key_env=("PERPLEXITY_API_KEY",),
        base_url_env=("PERPLEXITY_BASE_URL",),
        needs_key=True,
        small_model="perplexity/sonar",
        reports=("usage", "cached", "reasoning", "cost"),
        notes="models named with their maker, as perplexity/sonar, are asked by the Agent API",
    ),
    _hosted(
        "cerebras",
        "Cerebras",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        reports=("usage", "cached", "reasoning", "timings"),
        build=partial(_NEWER, version="/v1"),
        small_model="gpt-oss-120b",
        base_url_env=("CEREBRAS_BASE_URL",),
    ),
    _hosted(
        "mistral",
        "Mistral AI",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        reports=("usage", "cached", "timings"),
        build=partial(openai_chat.build, version="/v1", usage_asked=False),
        small_model="ministral-3b-2512",
        also=_EMBEDS,
    ),
    _hosted(
        "huggingface",
        "Hugging Face router",
        "https://router.huggingface.co/v1",
        "HF_TOKEN",
        reports=("usage",),
        notes="MODEL:PROVIDER as the model chooses who answers",
        build=partial(openai_chat.build, version="/v1"),
        small_model="openai/gpt-oss-20b",
        more_keys=("HUGGING_FACE_HUB_TOKEN",),
    ),
    _local(
        "vllm",
        "vLLM",
        8000,
        ("usage", "cached"),
        "cached tokens need --enable-prompt-tokens-details on the server",
        key_env=("VLLM_API_KEY",),
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
    _local(
        "llamacpp",
        "llama.cpp server",
        8080,
        ("usage", "cached", "timings"),
        key_env=("LLAMA_API_KEY",),
        also=_RANKS,
    ),
    _local("tgi", "Text Generation Inference", 3000, ("usage",), "in its container the port is 80"),
    _local("lmstudio", "LM Studio", 1234, ("usage",), also=_EMBEDS),
    _local("tensorrt-llm", "TensorRT-LLM, trtllm-serve", 8000, ("usage",)),
    _local(
        "litellm",
        "LiteLLM proxy",
        4000,
        ("usage", "cached", "reasoning", "timings"),
        key_env=("LITELLM_PROXY_API_KEY",),
        base_url_env=("LITELLM_PROXY_API_BASE",),
        also=_RANKS,
    ),
)
