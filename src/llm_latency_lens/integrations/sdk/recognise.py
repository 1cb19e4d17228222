"""Which requests ask a language model, by their address alone, and what the address says of them.

The table is of paths: whose host it is only tells between providers that share a format. A host
that nobody knows is asked in the format of its path.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Ask(NamedTuple):
    """What an address says: the provider by whose decoder its answer is read, and the operation.

    `model` and `stream` are None where the body of the request says it.
    """

    provider: str
    operation: str
    model: str | None = None
    stream: bool | None = None


_PATHS = re.compile(
    r"""(?x)
    (?P<chat> /(?: chat/ | fim/ )? completions ) $
  | (?P<responses> /responses ) $
  | (?P<messages> /v1/messages ) $
  | /v2(?P<cohere> /chat | /embed | /rerank ) $
  | (?P<embeddings> /embeddings ) $
  | (?P<rerank> /rerank ) $
  | /api/(?P<ollama> chat | generate | embed ) $
  | (?P<native> /completion ) $
  | /(?:models|tunedModels|endpoints)/ (?P<google> [^/]+ )
        : (?P<method> generateContent | streamGenerateContent | embedContent | predict
                    | rawPredict | streamRawPredict ) $
  | /model/ (?P<aws> [^/]+ ) / (?P<action> converse | converse-stream | invoke
                                         | invoke-with-response-stream ) $
    """
).search
_DEPLOYED = "deployments"
_DEPLOYMENT = re.compile(rf"/{_DEPLOYED}/([^/]+)/").search

_HOSTS = {
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "xai",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "openrouter.ai": "openrouter",
    "api.perplexity.ai": "perplexity",
    "api.cerebras.ai": "cerebras",
    "api.mistral.ai": "mistral",
    "codestral.mistral.ai": "mistral",
    "router.huggingface.co": "huggingface",
}
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


def recognise(method: str, url: str, hint: str | None = None) -> Ask | None:
    """What this request asks; None where it does not ask a model.

    With a `hint`, the name of a provider, its decoder is used, and a path that is not known asks
    for a chat.
    """
    if method != "POST":
        return None
    # Mistral's SDK tells its streams apart by a fragment, which no server sees.
    path = url.partition("#")[0].partition("?")[0].rstrip("/")
    found = _PATHS(path)
    if found is None:
        return Ask(hint, "chat") if hint else None
    ask = _asked(found, url)
    return ask._replace(provider=hint) if hint else ask


def asks(ask: Ask, url: str, body: object) -> bool:
    """Whether a body fits: other programs have paths of these names too, but name no model."""
    if isinstance(body, str):
        body = body.encode(errors="replace")
    if ask.model is not None or ask.provider in _HOSTS.values() or not isinstance(body, bytes):
        return True
    word = b'"prompt"' if ask.provider == "llamacpp-native" else b'"model"'
    return word in body or ask.provider == "azure" or f"/{_DEPLOYED}/" in url


def _asked(found: re.Match[str], url: str) -> Ask:
    kind, host = found.lastgroup, urlsplit(url).hostname or ""
    if found["google"]:
        return _google(unquote(found["google"]), found["method"], host, url)
    if found["aws"]:
        row = "bedrock" if found["action"].startswith("converse") else "bedrock-invoke"
        return Ask(row, "chat", unquote(found["aws"]), found["action"].endswith("-stream"))
    if kind == "cohere":
        operation = {"/chat": "chat", "/embed": "embeddings", "/rerank": "rerank"}[found[kind]]
        return Ask("cohere", operation)
    if kind == "ollama":
        return Ask("ollama", "embeddings" if found[kind] == "embed" else "chat")
    if kind == "messages":
        return Ask("anthropic", "chat")
    if kind == "native":
        return Ask("llamacpp-native", "chat")
    return _openai(kind or "chat", host, url)


def _openai(kind: str, host: str, url: str) -> Ask:
    """OpenAI's own formats, which most speak."""
    if kind == "responses":
        return Ask("openai-responses", "chat")
    operation = "chat" if kind == "chat" else kind
    if host.endswith(_AZURE):
        deployed = _DEPLOYMENT(url)
        return Ask("azure", operation, unquote(deployed[1]) if deployed else None)
    if "googleapis.com" in host:
        return Ask("vertex" if "aiplatform" in host else "openai", operation)
    # A rerank in this form is what vLLM and llama.cpp have; nobody but them has a row with it.
    fallback = "vllm" if kind == "rerank" else "openai"
    return Ask(_HOSTS.get(host, fallback), operation)


def _google(model: str, method: str, host: str, url: str) -> Ask:
    at_vertex = "aiplatform" in host or "/projects/" in url or "/publishers/" in url
    if method in ("embedContent", "predict"):
        return Ask("vertex" if at_vertex else "gemini", "embeddings", model, False)
    if "/publishers/" in url:  # as this tool names the models of other makers
        maker = url.partition("/publishers/")[2].partition("/")[0]
        model = model if maker == "google" else f"{maker}/{model}"
    return Ask("vertex" if at_vertex else "gemini", "chat", model, method.startswith("stream"))
