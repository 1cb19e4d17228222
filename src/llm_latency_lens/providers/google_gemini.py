"""Google's Gemini API, and the rows of both of Google's: where they are and how they are asked."""

from __future__ import annotations

from ..request import Operation, Prompt, Request, Target
from . import google_chat, google_embeddings, vertex
from .asking import ask
from .google_address import method_of, proof, quoted, url_of
from .provider import Dialect, Provider

_VERSIONS = {None: "v1beta", "beta": "v1beta"}
_FOLDERS = ("models/", "tunedModels/")


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`."""
    body = google_chat.body_of(target, prompt)
    url = _url(target, method_of("generateContent", stream=target.stream))
    return ask(google_chat.with_settings(target, body), prompt, url, body, proof(target))


def build_embeddings(target: Target, prompt: Prompt) -> Request:
    """The request for the vector of the prompt's text."""
    body = {"model": _name(target.model), **google_embeddings.content_body(prompt.text)}
    url = _url(target, ":embedContent")
    return ask(target, prompt, url, body, proof(target), accept="application/json")


def _name(model: str) -> str:
    return model if model.startswith(_FOLDERS) else f"models/{model}"


def _url(target: Target, method: str) -> str:
    version = _VERSIONS.get(target.api_version, target.api_version or "")
    path = f"/{quoted(_name(target.model))}{method}"
    return url_of(target.base_url, path, f"/{version}", sse=method.startswith(":stream"))


ROWS = (
    Provider(
        "gemini",
        "Google Gemini API",
        "https://generativelanguage.googleapis.com",
        build,
        google_chat.decode,
        key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        base_url_env=("GOOGLE_GEMINI_BASE_URL",),
        needs_key=True,
        small_model="gemini-2.5-flash-lite",
        reports=("usage", "cached", "reasoning"),
        also={Operation.EMBEDDINGS: Dialect(build_embeddings, google_embeddings.decode)},
        api_version_env=("GOOGLE_GENAI_API_VERSION",),
    ),
    Provider(
        "vertex",
        "Google Vertex AI",
        vertex.BASE_URL,
        vertex.build,
        vertex.decode,
        base_url_env=("GOOGLE_VERTEX_BASE_URL", "ANTHROPIC_VERTEX_BASE_URL"),
        needs_key=True,
        small_model="gemini-2.5-flash-lite",
        reports=("usage", "cached", "reasoning"),
        notes="models of Google, anthropic/..., mistralai/..., and of others by OpenAI's format",
        also={Operation.EMBEDDINGS: Dialect(vertex.build_embeddings, google_embeddings.decode)},
        auth="google",
        region_env=("GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION"),
        project_env=("GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID"),
        api_version_env=("GOOGLE_GENAI_API_VERSION",),
        region="global",
    ),
)
