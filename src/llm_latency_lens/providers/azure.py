"""Azure OpenAI: chat completions under addresses of its own, with content filters around them.

There are two kinds of address. The newer one, `RESOURCE/openai/v1/chat/completions`, names the
deployment in the body alone; the older one has it in the path and wants a dated `api-version`.
Which of them is meant, is told by the version that is asked for, or by a base that names it.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from ..errors import UsageError
from ..request import Operation, Prompt, Request, Target
from . import openai_chat
from .asking import ask, bearer, key_header
from .embeddings import PATH as EMBEDDINGS_PATH
from .embeddings import body_of as embeddings_body
from .embeddings import decode as decode_embeddings
from .one_piece import ask_whole
from .provider import Dialect, Provider

BASE_URL = "https://{resource}.openai.azure.com"

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}").match
_NEWER_SINCE = "2024-09-01"
"""The first api-version that knows `max_completion_tokens` and `stream_options`."""
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*").fullmatch


def build(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that puts `prompt` to `target`, whose model is the name of a deployment.

    Raises UsageError where nothing says which resource is meant, or which version of a path that
    needs one.
    """
    url, version = _address(target, openai_chat.PATH)
    newer = version is None or version >= _NEWER_SINCE
    field = "max_completion_tokens" if newer else "max_tokens"
    body = openai_chat.body_of(target, prompt, field, usage_asked=newer)
    return ask(target, prompt, url, body, _proof(target))


def build_embeddings(target: Target, prompt: Prompt) -> Request:
    """The HTTP request that has the texts of `prompt` embedded."""
    url, _ = _address(target, EMBEDDINGS_PATH)
    return ask_whole(target, prompt, url, embeddings_body(target, prompt), _proof(target))


def _address(target: Target, path: str) -> tuple[str, str | None]:
    """The URL, and the dated version that its path has; None for the undated one."""
    base, _, query = target.base_url.partition("?")
    base = base.rstrip("/")
    if "{resource}" in base:
        raise UsageError(
            "azure has an address for each resource: give --base-url"
            " https://RESOURCE.openai.azure.com or set AZURE_OPENAI_ENDPOINT"
        )
    named = re.search(r"(?:^|&)api-version=([^&]+)", query)
    version = named[1] if named else target.api_version
    dated = version if version and _DATED(version) else None
    if base.endswith(path):
        return base + _query(query, version), dated
    if base.endswith("/v1"):
        # What a variable says of the older paths is not for this one.
        return base + path + _query(query, None if dated else target.api_version), None
    if "/deployments/" in base:
        if version is None:
            raise UsageError("a path with /deployments/ needs --api-version, as 2024-10-21")
        return base + path + _query(query, version), version
    base = base.removesuffix("/openai") + "/openai"
    if dated is None:
        return f"{base}/v1{path}{_query(query, version)}", None
    place = f"/deployments/{quote(target.model, safe='')}"
    return base + place + path + _query(query, dated), dated


def _query(query: str, version: str | None) -> str:
    """The query with the version in it, unless it names one already."""
    if version and "api-version=" not in query:
        query += ("&" if query else "") + f"api-version={quote(version, safe='')}"
    return f"?{query}" if query else ""


def _proof(target: Target) -> tuple[tuple[str, str], ...]:
    """A key goes into a header of its own; a token of Entra ID is a bearer's."""
    if target.api_key and _TOKEN(target.api_key.reveal()):
        return bearer(target)
    return key_header("api-key", target)


ROWS = (
    Provider(
        "azure",
        "Azure OpenAI",
        BASE_URL,
        build,
        openai_chat.decode,
        key_env=("AZURE_OPENAI_API_KEY",),
        base_url_env=("AZURE_OPENAI_ENDPOINT",),
        needs_key=True,
        reports=("usage", "cached", "reasoning", "timings"),
        notes="the model is the name of a deployment; without a key, a token of Entra ID",
        also={Operation.EMBEDDINGS: Dialect(build_embeddings, decode_embeddings)},
        auth="entra",
        api_version_env=("OPENAI_API_VERSION",),
    ),
)
