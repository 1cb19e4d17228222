"""A decision as a configuration of LiteLLM's proxy: the candidates as model groups, the first one
under the alias `best`, the others as its fallbacks in their order.

Keys of the file (`model_list`, `litellm_params`, `router_settings`, `fallbacks`,
`model_group_alias`, `os.environ/NAME`) and the prefixes of models are LiteLLM's, 1.110:
docs.litellm.ai/docs/proxy/configs, docs.litellm.ai/docs/proxy/reliability, and the enumeration
`LlmProviders` in its litellm/types/utils.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from ..decide.decision import Decision, Option
from ..errors import UsageError
from ..providers import PROVIDERS

ALIAS = "best"

_PREFIXES = {
    "openai": "openai",
    "openai-responses": "openai/responses",
    "azure": "azure",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "vertex": "vertex_ai",
    "bedrock": "bedrock/converse",
    "bedrock-invoke": "bedrock/invoke",
    "cohere": "cohere_chat",
    "mistral": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "xai": "xai",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "cerebras": "cerebras",
    "huggingface": "huggingface",
    "ollama": "ollama_chat",
    "vllm": "hosted_vllm",
    "lmstudio": "lm_studio",
    "litellm": "litellm_proxy",
}
_COMPATIBLE = "openai"
"""Whatever else speaks OpenAI's format, at an address of its own."""
_OF_CLOUDS: Mapping[str, Mapping[str, str]] = {
    "bedrock": {"region": "aws_region_name"},
    "bedrock-invoke": {"region": "aws_region_name"},
    "vertex": {"region": "vertex_location", "project": "vertex_project"},
    "azure": {"api_version": "api_version"},
}


def litellm(found: Decision) -> str:
    """The file. Raises UsageError where no candidate is to be used."""
    ranked = sorted((one for one in found.candidates if one.rank), key=lambda one: one.rank or 0)
    if not ranked:
        raise UsageError("no candidate keeps the limits: there is nothing to configure")
    settings: dict[str, Any] = {"model_group_alias": {ALIAS: ranked[0].name}}
    if len(ranked) > 1:
        settings["fallbacks"] = [{ranked[0].name: [one.name for one in ranked[1:]]}]
    config = {
        "model_list": [{"model_name": one.name, "litellm_params": _params(one)} for one in ranked],
        "router_settings": settings,
    }
    comment = "\n".join(f"# {line}" for line in found.sentence.splitlines())
    return f"{comment}\n{yaml.safe_dump(config, sort_keys=False, allow_unicode=True)}"


def _params(one: Option) -> dict[str, str]:
    origin = one.origin
    name, model = origin.get("provider", ""), origin.get("model", one.name)
    known = PROVIDERS.get(name)
    params = {"model": f"{_PREFIXES.get(name, _COMPATIBLE)}/{model}"}
    base_url = origin.get("base_url")
    clouds = _OF_CLOUDS.get(name)
    if base_url and (name == "azure" or (not clouds and (known is None or base_url != known.base_url
                                                        or not known.needs_key))):  # fmt: skip
        params["api_base"] = f"{base_url}/v1" if name == "llamacpp-native" else base_url
    for ours, theirs in (clouds or {}).items():
        if ours in origin:
            params[theirs] = origin[ours]
    if known is not None and known.auth in ("aws", "google"):
        return params  # found as that cloud's own libraries find it
    if known is not None and known.needs_key and known.key_env:
        params["api_key"] = f"os.environ/{known.key_env[0]}"
    else:
        params["api_key"] = "none"
    return params
